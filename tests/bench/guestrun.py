# SPDX-License-Identifier: MIT
"""One run of one contender: starts it, follows what its guest says, reads KVM's counters."""
import os
import re
import signal
import subprocess
import threading
import time

KVM = "/sys/kernel/debug/kvm"
LIMIT_S = 120


class Job:
    """What all contenders boot. tap: the network, or None."""

    def __init__(self, kernel, initramfs, disk, tap):
        self.kernel, self.initramfs, self.disk, self.tap = kernel, initramfs, disk, tap
        self.append = f"bench.net={int(bool(tap))}"


def counters():
    found = {}
    for name in os.listdir(KVM):
        path = f"{KVM}/{name}"
        if os.path.isfile(path):
            try:
                with open(path) as f:
                    found[name] = int(f.read())
            except (ValueError, OSError):
                pass
    return found


def less(after, before):
    return {k: after[k] - before.get(k, 0) for k in after}


def memory_kib(pid):
    """Resident memory, and of it what is not guest RAM: mappings of 32 MiB and more without a file
    are."""
    total = own = size = 0
    ram = False
    with open(f"/proc/{pid}/smaps") as f:
        for line in f:
            word = line.split()
            if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
                ram = len(word) == 5
            elif word[0] == "Size:":
                size = int(word[1])
            elif word[0] == "Rss:":
                total += int(word[1])
                own += 0 if ram and size >= 32768 else int(word[1])
    return total, own


class GuestRun:
    def __init__(self, argv, log):
        self.log = log
        self.phase_start = None
        self.result = {"phases": {}}
        self.before = counters()
        self.start = time.monotonic()
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)

    def line(self, text, at):
        word = text.split()
        at_line = {"init": self.line_init, "begin": self.line_begin, "end": self.line_end,
                   "done": self.line_done, "fail": self.line_fail}
        if len(word) >= 2 and word[0] == "BENCH" and word[1] in at_line:
            at_line[word[1]](word[2:], at)

    def line_init(self, _, at):
        self.result["boot_s"] = at - self.start
        self.result["boot_exits"] = less(counters(), self.before)

    def line_begin(self, _, __):
        time.sleep(0.02)
        self.phase_start = counters()

    def line_end(self, word, _):
        seconds, requests, size, ios = float(word[1]), int(word[2]), int(word[3]), int(word[4])
        self.result["phases"][word[0]] = {"seconds": seconds, "requests": requests, "bytes": size,
                                          "ios": ios,
                                          "exits": less(counters(), self.phase_start)}

    def line_done(self, _, at):
        self.result["run_s"] = at - self.start
        self.result["exits"] = less(counters(), self.before)
        self.result["rss_kib"], self.result["own_kib"] = memory_kib(self.process.pid)

    def line_fail(self, word, _):
        self.result["failed"] = " ".join(word)

    def follow(self):
        """Returns what was measured; raises RuntimeError where the run did not end as it should."""
        timer = threading.Timer(LIMIT_S, self.process.send_signal, [signal.SIGKILL])
        timer.start()
        with open(self.log, "wb") as log:
            for raw in self.process.stdout:
                at = time.monotonic()
                log.write(raw)
                self.line(raw.decode("latin-1").strip(), at)
        _, status, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        timer.cancel()
        self.result["peak_kib"] = usage.ru_maxrss
        self.result["cpu_s"] = usage.ru_utime + usage.ru_stime
        if "failed" in self.result or "exits" not in self.result:
            raise RuntimeError(f"{self.result.get('failed', 'the guest did not finish')}, "
                               f"exit status {self.process.returncode}; see {self.log}")
        return self.result
