#!/usr/bin/env python3
"""Results that say whether something worked are used.

A prototype in a header of lib/ or agent/ that returns an int, a bool, an enum or a pointer to what is not const begins with
PA_MUST_USE, which the compiler enforces, or with PA_MAY_IGNORE (lib/base/must_use.h). A static function that returns such a
thing needs no word, or PA_MAY_IGNORE: calls in its own file that pass the result over are found here.

Usage: must_use.py [ROOT]; prints what is wrong, a line each, and ends with 1 if anything is. It needs Python alone, and a second.
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COMMENT_OR_LITERAL = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)
TYPE = r"((?:const |unsigned |struct |enum )*\w+(?: \**| ))"
PROTOTYPE = re.compile(rf"^(?!typedef\b|static\b|extern\b|return\b|else\b){TYPE}(\w+)\([^;{{}}]*;", re.MULTILINE)
STATIC = re.compile(rf"^static (?:inline )?{TYPE}(\w+)\(", re.MULTILINE)
# What clang-format leaves before a call that is a statement of its own: a call within an expression follows an operator,
# a bracket or a comma.
STATEMENT = r"(?:[;{{}}:)]|\belse|\bdo)\s*\n\s+{}\("


def blank(text):
    """`text` with its comments and literals blanked, everything where it was"""
    return COMMENT_OR_LITERAL.sub(lambda found: re.sub(r"[^\n]", " ", found.group()), text)


def tells(returned):
    """whether a function that returns this type says with it that it failed, or hands over something to free"""
    returned = returned.strip()
    pointer = returned.endswith("*")
    return returned in ("int", "bool") or pointer and not returned.startswith("const ") or returned.startswith("enum ") and not pointer


def whole(text, at):
    """whether the call whose brackets were opened before `at` is all that there is of its statement"""
    depth = 1
    while depth > 0:
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        at += 1
    return text[at] == ";"


def problems(root):
    for path in sorted([*(root / "agent").rglob("*.[ch]"), *(root / "lib").rglob("*.[ch]")]):
        text = blank(path.read_text())
        line = lambda at: f"{path.relative_to(root)}:{text.count(chr(10), 0, at) + 1}"
        if path.suffix == ".h":
            for found in PROTOTYPE.finditer(text):
                if tells(found.group(1)):
                    yield f"{line(found.start())}: {found.group(2)} needs PA_MUST_USE, or PA_MAY_IGNORE with a reason"
        for returned, name in sorted(set(STATIC.findall(text))):
            if tells(returned):
                for found in re.finditer(STATEMENT.format(name), text):
                    if not whole(text, found.end()):
                        continue
                    yield f"{line(found.end())}: the result of {name} is passed over; PA_IGNORE says so, with a reason"


if __name__ == "__main__":
    found = list(problems(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT))
    print("\n".join(found), end="\n" if found else "")
    sys.exit(1 if found else 0)
