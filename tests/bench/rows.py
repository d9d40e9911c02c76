# SPDX-License-Identifier: MIT
"""What is compared: rows, medians, ratios against the best QEMU, targets."""
import statistics


class Row:
    """value: from one run to a number, None where it was not measured. target: what vmm's number
    divided by the best QEMU's should be at least (higher is better) or at most."""

    def __init__(self, key, title, unit, higher, target, value, digits=1):
        self.key, self.title, self.unit, self.higher = key, title, unit, higher
        self.target, self.value, self.digits = target, value, digits


def phase(name, what):
    def value(run):
        p = run["phases"].get(name)
        return what(p) if p else None
    return value


def per_second(p):
    return p["requests"] / p["seconds"]


def mib_per_second(p):
    return p["bytes"] / p["seconds"] / (1 << 20)


def exits_per_request(name):
    """Exits of a phase less those of the empty phase: its two lines on the console, its sleep."""
    def value(run):
        p, idle = run["phases"].get(name), run["phases"].get("idle")
        if not p or not idle or "exits" not in p["exits"]:
            return None
        return max(p["exits"]["exits"] - idle["exits"]["exits"], 0) / p["requests"]
    return value


def exits_of_disk_run(run):
    """Exits of the run but for the phases of the network: how often TCP has its ends wait for each
    other is not the same twice."""
    net = [run["phases"][n]["exits"].get("exits", 0) for n in ("tx", "rx") if n in run["phases"]]
    return run["exits"]["exits"] - sum(net) if run.get("exits", {}).get("exits") else None


ROWS = [
    Row("boot", "boot to /init", "s", False, 0.9, lambda r: r.get("boot_s"), 2),
    Row("rr1", "random read 4 KiB, depth 1", "IO/s", True, 1.25, phase("rr1", per_second), 0),
    Row("rr16", "random read 4 KiB, depth 16", "IO/s", True, 1.25, phase("rr16", per_second), 0),
    Row("sr", "sequential read 1 MiB", "MiB/s", True, 1.25, phase("sr", mib_per_second), 0),
    Row("sw", "sequential write 1 MiB", "MiB/s", True, 1.25, phase("sw", mib_per_second), 0),
    Row("sync", "write 4 KiB + fsync", "/s", True, 1.25, phase("sync", per_second), 0),
    Row("tx", "TCP out of the guest (tap)", "MiB/s", True, 1.25, phase("tx", mib_per_second), 0),
    Row("rx", "TCP into the guest (tap)", "MiB/s", True, 1.25, phase("rx", mib_per_second), 0),
    Row("exits", "VM exits of the run but tx, rx", "", False, 0.7, exits_of_disk_run, 0),
    Row("boot_exits", "VM exits to /init", "", False, None,
        lambda r: r.get("boot_exits", {}).get("exits"), 0),
    Row("x1", "exits per request, depth 1", "", False, None, exits_per_request("rr1"), 2),
    Row("x16", "exits per request, depth 16", "", False, None, exits_per_request("rr16"), 2),
    Row("xtx", "exits per 64 KiB, TCP out", "", False, None, exits_per_request("tx"), 2),
    Row("xrx", "exits per 64 KiB, TCP in", "", False, None, exits_per_request("rx"), 2),
    Row("peak", "peak memory", "MiB", False, None, lambda r: r["peak_kib"] / 1024, 0),
    Row("own", "memory but for guest RAM", "MiB", False, None,
        lambda r: r["own_kib"] / 1024 if r.get("own_kib") else None, 1),
]


class Cell:
    """One row of one contender: all runs, and their median."""

    def __init__(self, runs, row):
        self.all = [v for v in map(row.value, runs) if v is not None]
        self.median = statistics.median(self.all) if self.all else None


class Line:
    def __init__(self, row, contenders, runs):
        self.row = row
        self.cell = {c.name: Cell(runs.get(c.name, []), row) for c in contenders}
        self.theirs = [c.name for c in contenders
                       if not c.ours and self.cell[c.name].median is not None]
        pick = max if row.higher else min
        self.best = pick(self.theirs, key=lambda n: self.cell[n].median, default=None)

    def there(self):
        return any(c.median is not None for c in self.cell.values())

    def ratio(self, name):
        """Of name to the best QEMU; None where one of them is missing."""
        mine = self.cell[name].median
        theirs = self.cell[self.best].median if self.best else None
        return mine / theirs if mine is not None and theirs else None

    def ratio_of_bests(self, name):
        """The same of the best single runs, against whichever QEMU had it: a busy host makes runs
        slower, never faster."""
        pick = max if self.row.higher else min
        theirs = [v for cell in (self.cell[n] for n in self.theirs) for v in cell.all]
        mine = self.cell[name].all
        return pick(mine) / pick(theirs) if mine and theirs and pick(theirs) else None

    def met(self, name):
        """Is the target met? None: there is none, or nothing to compare with."""
        ratio = self.ratio(name)
        if ratio is None or self.row.target is None:
            return None
        return ratio >= self.row.target if self.row.higher else ratio <= self.row.target

    def target_text(self):
        if self.row.target is None:
            return ""
        return f"{'≥' if self.row.higher else '≤'} {self.row.target:g}"


def lines_of(contenders, runs):
    return [line for line in (Line(row, contenders, runs) for row in ROWS) if line.there()]


def trace_cost(lines):
    """What --trace costs random reads at depth 16, by medians: a sentence, or None."""
    for line in lines:
        if line.row.key == "rr16" and {"vmm", "vmm-trace"} <= line.cell.keys():
            off, on = line.cell["vmm"].median, line.cell["vmm-trace"].median
            return (f"--trace: {on:.0f} random reads a second at depth 16 instead of {off:.0f}, "
                    f"{100 * (off / on - 1):+.1f} % of time") if off and on else None
    return None


def ratio_text(ratio):
    return "-" if ratio is None else f"{ratio:.2f}"


def table(lines, contenders):
    """Text: rows against contenders, the best QEMU marked, and vmm's ratio to it."""
    head = ["", *[c.name for c in contenders], "vmm / best QEMU", "target", "",
            "best runs"]
    body = []
    for line in lines:
        row = [f"{line.row.title}{', ' if line.row.unit else ''}{line.row.unit}"]
        for c in contenders:
            v = line.cell[c.name].median
            mark = "*" if c.name == line.best else ""
            row.append("-" if v is None else f"{v:.{line.row.digits}f}{mark}")
        ratio, met = line.ratio("vmm"), line.met("vmm")
        row.append(ratio_text(ratio))
        row += [line.target_text(), {None: "", True: "met", False: "missed"}[met],
                ratio_text(line.ratio_of_bests("vmm"))]
        body.append(row)
    width = [max(len(r[i]) for r in [head, *body]) for i in range(len(head))]
    out = []
    for r in [head, *body]:
        out.append("  ".join([r[0].ljust(width[0]), *[r[i].rjust(width[i])
                                                      for i in range(1, len(r))]]).rstrip())
    return "\n".join(out)
