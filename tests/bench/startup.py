#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""startup.py [--vmm PROGRAM] [--rounds N]

What vmm takes until a guest runs: time from exec, page faults, system calls and resident memory, to the opening of
/dev/kvm and to the first KVM_RUN, and its size as a file. Medians of N starts. A preloaded library (startup/mark.c)
stops it at these points; system calls are counted by strace in a start of their own, in all its processes. Without
KVM, the first point is all there is."""
import argparse
import mmap
import os
import re
import signal
import statistics
import struct
import subprocess
import tempfile
import time

import guestrun

LIMIT_S = 60
POINTS = {"open": ("/dev/kvm is opened", r'open(at)?\(.*"/dev/kvm"'), "run": ("first KVM_RUN", r"ioctl\(.*KVM_RUN")}


def options(net):
    return ["run", "--kernel", "build/guest/old/vmlinuz", "--initrd", "build/guest/old/initramfs", "--modern-only",
            "--append", "quiet", "--disk", "build/guest/random.img,ro", "--net", net, "--no-reboot", "--control", "off"]


def library(where):
    subprocess.run(["gcc", "-std=gnu17", "-D_GNU_SOURCE", "-O2", "-shared", "-fPIC", "-o", f"{where}/mark.so",
                    "tests/bench/startup/mark.c"], check=True)
    return f"{where}/mark.so"


def faults(pid):
    """Of the whole process."""
    with open(f"/proc/{pid}/stat", encoding="latin-1") as f:
        word = f.read().rpartition(")")[2].split()
    return int(word[7]) + int(word[9])


class Page:
    def __init__(self, where):
        self.path = f"{where}/page"
        with open(self.path, "wb") as f:
            f.truncate(4096)
        with open(self.path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), 4096)

    def at_ns(self):
        return struct.unpack("Q", self.map[:8])[0]

    def cpu_ns(self):
        return struct.unpack("Q", self.map[8:16])[0]

    def go(self):
        self.map[16:24] = struct.pack("Q", 1)


def start_once(argv, point, preload):
    """{ms, faults, mib} at the point, or None: it did not get there."""
    with tempfile.TemporaryDirectory() as where:
        page = Page(where)
        env = {**os.environ, "LD_PRELOAD": preload, "MARK_FILE": page.path, "MARK_AT": point}
        null = [(os.POSIX_SPAWN_OPEN, fd, "/dev/null", os.O_RDWR, 0) for fd in range(3)]
        began = time.monotonic_ns()
        pid = os.posix_spawn(argv[0], argv, env, file_actions=null)
        while not page.at_ns() and time.monotonic_ns() < began + LIMIT_S * 10**9:
            if os.waitpid(pid, os.WNOHANG)[0]:
                return None
            time.sleep(0.0005)
        got = {"ms": (page.at_ns() - began) / 1e6, "cpu": page.cpu_ns() / 1e6, "faults": faults(pid),
               "mib": guestrun.memory_kib(pid)[1] / 1024}
        os.kill(pid, signal.SIGKILL)
        page.go()
        os.waitpid(pid, 0)
        return got if page.at_ns() else None


def calls(argv, point):
    """System calls of all its processes until then; None: no strace, or it did not get there."""
    with tempfile.NamedTemporaryFile("r", encoding="latin-1") as out:
        try:
            p = subprocess.Popen(["strace", "-f", "-qq", "-o", out.name, *argv], stdin=subprocess.DEVNULL,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        except FileNotFoundError:
            return None
        n = 0
        end = time.monotonic() + LIMIT_S
        text = ""
        while time.monotonic() < end:
            done = p.poll() is not None
            text += out.read()
            lines = text.split("\n")
            text = lines.pop()
            for line in lines:
                if re.search(POINTS[point][1], line):
                    os.killpg(p.pid, signal.SIGKILL)
                    p.wait()
                    return n
                n += not re.search(r"resumed>|^\d+ (\+\+\+|---)", line)
            if done:
                break
            time.sleep(0.02)
        if p.poll() is None:
            os.killpg(p.pid, signal.SIGKILL)
            p.wait()
        return None


def sizes(program):
    """Bytes of text and data, and of the file without what debuggers read."""
    out = subprocess.run(["size", program], capture_output=True, text=True, check=True).stdout.split("\n")[1].split()
    with tempfile.NamedTemporaryFile() as bare:
        subprocess.run(["strip", "-o", bare.name, program], check=True)
        return int(out[0]), int(out[1]), os.path.getsize(bare.name)


def measure(vmm, net, rounds, preload):
    """By point, the medians, where it gets there."""
    argv = [os.path.abspath(vmm), *options(net)]
    found = {}
    for point in POINTS:
        runs = [r for r in (start_once(argv, point, preload) for _ in range(rounds)) if r]
        if runs:
            found[point] = {k: statistics.median(r[k] for r in runs) for k in runs[0]}
            found[point]["least"] = min(r["ms"] for r in runs)
            found[point]["least_cpu"] = min(r["cpu"] for r in runs)
            found[point]["calls"] = calls(argv, point)
    return found


def told(vmm, rounds):
    """The lines of the report."""
    with tempfile.TemporaryDirectory() as where:
        preload = library(where)
        yield (f"{'start-up, to when':<36}{'ms':>8}{'least':>8}{'cpu':>8}{'least':>8}{'faults':>8}{'calls':>8}{'MiB':>8}")
        for net in ("none", "user"):
            for point, got in measure(vmm, net, rounds, preload).items():
                count = "-" if got["calls"] is None else got["calls"]
                yield (f"{f'{POINTS[point][0]}, --net {net}':<36}{got['ms']:>8.1f}{got['least']:>8.1f}"
                       f"{got['cpu']:>8.1f}{got['least_cpu']:>8.1f}{got['faults']:>8.0f}{count:>8}{got['mib']:>8.1f}")
    yield f"medians of {rounds}; least: of all; cpu: ms of processor time; MiB: resident, but for guest RAM"
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        yield "no /dev/kvm: no guest was run"
    text, data, size = sizes(vmm)
    yield f"size of {vmm}: {text} bytes of text, {data} of data; the file, stripped: {size}"


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n\n")[1])
    p.add_argument("--vmm", default="build/vmm")
    p.add_argument("--rounds", type=int, default=9)
    args = p.parse_args()
    for line in told(args.vmm, args.rounds):
        print(line, flush=True)


if __name__ == "__main__":
    main()
