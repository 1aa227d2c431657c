"""What failed in a run of `./dev test`, once more and last: failures.py FOLDER, the folder of the run's logs.

A run prints thousands of lines, and who reads a build's log reads its end. Each failed test is named with the last lines that it
printed; the first ten are, and of the others the names.
"""

import pathlib
import re
import sys
import xml.etree.ElementTree as tree

SHOWN, LINES = 10, 30


def of_pytest(path):
    """(name, lines) for each test of a JUnit file that failed."""
    for case in tree.parse(path).getroot().iter("testcase"):
        for bad in [*case.findall("failure"), *case.findall("error")]:
            lines = (bad.text or bad.get("message", "")).splitlines()[-LINES:] + (case.findtext("system-out") or "").splitlines()[-LINES:]
            yield f"{path.stem}: {case.get('classname')}::{case.get('name')}", lines


def of_ctest(path):
    """(name, lines) for each test that ctest calls failed: its output stands behind its line."""
    begins = re.compile(r"^\s*\d+/\d+ Test\s+#\d+: (\S+) \.*\s*(.*)$")
    name, text = None, []
    for line in [*path.read_text(errors="replace").splitlines(), "1/1 Test #1: end . Passed"]:
        match = begins.match(line)
        if not match:
            text.append(line)
            continue
        if name:
            yield f"{path.stem}: {name}", text[-LINES:]
        name, text = match.group(1) if "Passed" not in match.group(2) and "Skipped" not in match.group(2) else None, []


def failures(folder):
    folder = pathlib.Path(folder)
    for path in sorted(folder.glob("pytest-*.xml")):
        yield from of_pytest(path)
    for path in sorted(folder.glob("ctest-*.log")):
        yield from of_ctest(path)


def main():
    for number, (name, lines) in enumerate(failures(sys.argv[1])):
        print(f"failed: {name}")
        if number < SHOWN:
            print(*(f"    {line[:500]}" for line in lines), sep="\n")


if __name__ == "__main__":
    main()
