#!/usr/bin/env python3
"""What tests have run, by room: reads gcovr's JSON report.

Usage: report.py REPORT [PATH ...]; with PATHs (files, or folders) also their lines that were not run, or of whose branches
some were not taken. Branches of assertions are left out: nothing should take them.
"""
import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class Sums:
    def __init__(self):
        self.lines = self.run = self.branches = self.taken = 0

    def add(self, line):
        self.lines += 1
        self.run += line["count"] > 0
        self.branches += len(line["branches"])
        self.taken += sum(branch["count"] > 0 for branch in line["branches"])

    def __str__(self):
        return f"{share(self.run, self.lines)} {self.lines:7} {share(self.taken, self.branches)} {self.branches:7}"


def share(part, whole):
    return f"{100 * part / whole:6.1f} %" if whole else "       –"


def counted(file, sources):
    """The lines that count, without the branches of assertions."""
    for line in file["lines"]:
        if line.get("gcovr/noncode"):
            continue
        source = sources[line["line_number"] - 1]
        yield {**line, "branches": [] if re.search(r"\bassert\(", source) else line["branches"], "source": source.strip()}


def missed(line):
    if line["count"] == 0:
        return "not run"
    not_taken = sum(branch["count"] == 0 for branch in line["branches"])
    return f"{not_taken} of {len(line['branches'])} branches not taken" if not_taken else None


def summary(report, root, paths):
    """The lines to print of a report as gcovr writes it."""
    rooms, total, details = {}, Sums(), []
    for file in report["files"]:
        name = file["file"]
        lines = list(counted(file, (root / name).read_text().splitlines()))
        room = rooms.setdefault(str(Path(name).parent), Sums())
        for line in lines:
            room.add(line)
            total.add(line)
        if any(name == path or name.startswith(path.rstrip("/") + "/") for path in paths):
            details += [f"{name}:{line['line_number']}: {missed(line)}: {line['source']}" for line in lines if missed(line)]
    width = max(map(len, rooms), default=0)
    table = [f"{'':{width}}    lines      of branches      of"]
    table += [f"{room:{width}} {sums}" for room, sums in [*sorted(rooms.items()), ("all", total)]]
    return [*details, *([""] if details else []), *table]


if __name__ == "__main__":
    print("\n".join(summary(json.loads(Path(sys.argv[1]).read_text()), ROOT, sys.argv[2:])))
