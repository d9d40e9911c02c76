# SPDX-License-Identifier: MIT
"""Who is measured: vmm in its variants, and QEMU in those where it is best at something."""
import subprocess

MEM_MIB = 256
TRACE_DIR = "/dev/shm"
APPEND = "console=ttyS0 quiet panic=-1"


class Contender:
    def __init__(self, name, what, command, ours):
        self.name, self.what, self.command, self.ours = name, what, command, ours


def vmm(program, interface, words, extra=()):
    def command(job):
        return [program, "run", "--kernel", job.kernel, "--initrd", job.initramfs, "--no-reboot",
                "--mem", f"{MEM_MIB}M", "--cpus", "1", "--append", f"{APPEND} {job.append}",
                "--disk", f"{job.disk},interface={interface}{words}", "--net",
                f"tap,ifname={job.tap},vhost=off,interface={interface}" if job.tap else "none",
                *extra]
    return command


def qemu(machine, interface, iothread, extra=()):
    def command(job):
        argv = ["qemu-system-x86_64", "-enable-kvm", "-cpu", "host", "-M", machine, "-smp", "1",
                "-m", f"{MEM_MIB}M", "-nodefaults", "-no-user-config", "-display", "none",
                "-serial", "stdio", "-no-reboot", "-kernel", job.kernel, "-initrd", job.initramfs,
                "-append", f"{APPEND} {job.append}", *extra,
                "-drive", f"if=none,id=d0,file={job.disk},format=raw,aio=io_uring,cache=none"]
        if iothread:
            argv += ["-object", "iothread,id=io0"]
            disk = f"virtio-blk-pci,{interface},drive=d0,iothread=io0"
        else:
            disk = f"virtio-blk-pci,{interface},drive=d0"
        if job.tap:
            argv += ["-netdev", f"tap,id=n0,ifname={job.tap},script=no,downscript=no,vhost=off",
                     "-device", f"virtio-net-pci,{interface},netdev=n0,romfile="]
        return argv + ["-device", disk]
    return command


LEGACY = "disable-modern=on,disable-legacy=off"
MODERN = "disable-modern=off,disable-legacy=on"
MICROVM = "microvm,pcie=on,rtc=on,pit=off,pic=off"


def understands(program, word):
    """Does this build of vmm know the word? Its help says so."""
    return word in subprocess.run([program, "help"], capture_output=True, text=True).stdout


def all_of_them(program):
    direct = ",cache=direct" if understands(program, "cache=") else ""
    rows = [
        Contender("vmm", f"modern{direct.replace(',', ', ')}",
                  vmm(program, "modern", direct), True),
        Contender("vmm-legacy", f"legacy{direct.replace(',', ', ')}",
                  vmm(program, "legacy", direct), True),
        Contender("vmm-trace", "as vmm, with --trace to a file in memory",
                  vmm(program, "modern", direct, ("--trace", f"{TRACE_DIR}/vmm.trace")), True),
        Contender("qemu-pc", "pc, legacy device, iothread",
                  qemu("pc,usb=off,vmport=off", LEGACY, True), False),
        Contender("qemu-microvm", "microvm with PCIe, modern, iothread",
                  qemu(MICROVM, MODERN, True), False),
        Contender("qemu-q35", "q35, modern",
                  qemu("q35,usb=off,vmport=off", MODERN, False), False),
        Contender("qemu-q35-io", "q35, modern, iothread",
                  qemu("q35,usb=off,vmport=off", MODERN, True), False),
    ]
    return rows
