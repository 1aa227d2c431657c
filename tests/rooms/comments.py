#!/usr/bin/env python3
"""Where comments stand in lib/ and agent/: each file begins with what it is for, and a comment on a member of a struct, union or
enum stands above it, so that no declaration is torn over two lines.

Usage: comments.py [ROOT]; prints what is wrong, a line each, and ends with 1 if anything is. It needs Python alone.
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

OPENING = re.compile(r"^\s*(?:typedef |static |const )*(?:struct|union|enum)\b[^;()=]*\{\s*(?:/\*.*)?$")


def trailing(text):
    """The numbers of the lines on which a comment follows a member."""
    found, depth, comment = [], 0, False
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if comment or stripped.startswith("/*"):
            comment = "*/" not in line
        elif depth == 0:
            depth = 1 if OPENING.match(line) else 0
        elif stripped.startswith("}"):
            depth -= 1
        else:
            depth += OPENING.match(line) is not None
            if re.search(r"[;,\w\])]\s*/\*(?!.*\*/\s*\S)", line):
                found.append(number)
                comment = "*/" not in line
    return found


def check(root):
    for folder in ("lib", "agent"):
        for path in sorted((root / folder).rglob("*.[ch]")):
            name, text = path.relative_to(root).as_posix(), path.read_text()
            if not text.startswith("/* "):
                yield f"{name}: begins with no comment that says what it is for"
            yield from (f"{name}:{number}: the comment on a member stands behind it, not above" for number in trailing(text))


def main():
    wrong = list(check(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT))
    print("\n".join(wrong) or "each file says what it is for, and comments on members stand above them")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
