#!/usr/bin/env python3
"""Names of static functions in lib/ and agent/: one stands in two files at most, so that grep finds a function where it is.

Usage: names.py [ROOT]; prints the names that stand in more files, a line each, and ends with 1 if there are any. It needs Python alone.
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MOST = 2

DEFINITION = re.compile(r"^static\b[^;={}()]*?\b(\w+)\([^;{}]*\)\s*\{", re.MULTILINE)


def check(root):
    files = {}
    for folder in ("lib", "agent"):
        for path in sorted((root / folder).rglob("*.c")):
            for name in DEFINITION.findall(path.read_text()):
                files.setdefault(name, {})[path.relative_to(root).as_posix()] = True
    for name, where in sorted(files.items()):
        if len(where) > MOST:
            yield f"{name} is a static function of {len(where)} files: {' '.join(where)}"


def main():
    wrong = list(check(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT))
    print("\n".join(wrong) or f"no static function's name stands in more than {MOST} files")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
