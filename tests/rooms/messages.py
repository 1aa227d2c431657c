#!/usr/bin/env python3
"""The log's messages, as the sources have them, and docs/log-messages.md, which has a row for each.

    messages.py            complains where the page is not whole or not true
    messages.py --write    writes the page: messages and levels come from the sources; meanings stay as they are in
                           the page, and a message that is new has none, of which the check complains

A message is a text that a call of log_debug, log_info, log_warning, log_error or log_critical begins with (each side
of a `?`), one in the table of kinds (lib/observe/kinds.c), or the beginning or end of a standing condition
(lib/observe/conditions.c). A message that is no text there (a variable) has a comment with the words that it may be
in FURTHER, which names the places.

A field has one type in all lines, and a duration is in seconds."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/log-messages.md"
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

# Files whose calls have a variable: the levels of what is assigned to it, or stands in its table.
FURTHER = {
    "lib/source/kafka/rebalance.c": (r"\bsaid =\s*(?P<text>" + r'"(?:[^"\\]|\\.)*"(?:\s*"(?:[^"\\]|\\.)*")*);', "INFO or WARNING"),
    "lib/source/polling/left.c": (r"\[\w+\] =\s*(?P<text>" + r'"(?:[^"\\]|\\.)*"(?:\s*"(?:[^"\\]|\\.)*")*)', "WARNING"),
    "lib/observe/lines.c": (r"\[OBSERVED_CUT_\w+\] =\s*(?P<text>" + r'"(?:[^"\\]|\\.)*"(?:\s*"(?:[^"\\]|\\.)*")*)', "WARNING"),
}
TEXT = r'"(?:[^"\\]|\\.)*"(?:\s*"(?:[^"\\]|\\.)*")*'


def joined(text):
    """What adjacent C strings say."""
    return "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', text)).replace('\\"', '"')


def first_argument(source, at):
    """From behind the opening parenthesis to the comma that ends the first argument."""
    depth, quoted, i = 0, False, at
    while i < len(source):
        c = source[i]
        if quoted:
            i += c == "\\"
            quoted = c != '"'
        elif c == '"':
            quoted = True
        elif c in "([{":
            depth += 1
        elif c in ")]}":
            if depth == 0:
                break
            depth -= 1
        elif c == "," and depth == 0:
            break
        i += 1
    return source[at:i]


def of_calls(source):
    for call in re.finditer(r"\blog_(debug|info|warning|error|critical)\(", source):
        argument = first_argument(source, call.end())
        for text in re.findall(TEXT, argument):
            yield joined(text), call.group(1).upper()
    for call in re.finditer(r"\blog_write\(LOG_(\w+), (" + TEXT + ")", source):
        yield joined(call.group(2)), call.group(1)
    for call in re.finditer(r"\bsetup_tell_lines\((" + TEXT + ")", source):
        yield joined(call.group(1)), "WARNING"
    for call in re.finditer(r"\bmake_line\(\w+, LOG_(\w+), (" + TEXT + ")", source):
        yield joined(call.group(2)), call.group(1)


def of_kinds(source, header):
    refused = joined(re.search(r"#define OBSERVED_REFUSED (" + TEXT + ")", header).group(1))
    for text, level in re.findall(r"\{((?:OBSERVED_REFUSED )?" + TEXT + r"),\s*LOG_(\w+)", source):
        prefix = refused if text.startswith("OBSERVED_REFUSED") else ""
        yield prefix + joined(text), "WARNING or ERROR" if joined(text) == "webhook failed" else level


def of_conditions(source):
    for text in re.findall(r"\.begun =\s*(" + TEXT + ")", source):
        yield joined(text), "WARNING"
    for text in re.findall(r"\.ended =\s*(" + TEXT + ")", source):
        yield joined(text), "INFO"


def messages(root=ROOT):
    """Message to level; several levels are joined by "or"."""
    found = {}
    for room in ("lib", "agent"):
        for path in sorted((root / room).rglob("*.c")):
            source, name = path.read_text(), str(path.relative_to(root))
            said = list(of_calls(source))
            if name in FURTHER:
                pattern, level = FURTHER[name]
                said += [(joined(match.group("text")), level) for match in re.finditer(pattern, source)]
            if name == "lib/observe/kinds.c":
                said += of_kinds(source, path.with_suffix(".h").read_text())
            if name == "lib/observe/conditions.c":
                said += of_conditions(source)
            for message, level in said:
                found.setdefault(message, set()).update(level.split(" or "))
    return {message: " or ".join(level for level in LEVELS if level in levels) for message, levels in found.items()}


def rows(page):
    """Message to (level, what it means, what to do), as the page has them."""
    return {cells[0][1:-1]: tuple(cells[1:]) for line in page.splitlines() if line.startswith("| `")
            for cells in [[cell.strip() for cell in line.strip().strip("|").split(" | ")]]}


def page_of(found, known, head):
    lines = [head.rstrip("\n"), "", "| message | level | what it means | what to do |", "|---|---|---|---|"]
    for message in sorted(found, key=str.lower):
        means, do = (known.get(message, ("", "", "")) + ("", ""))[1:3]
        lines.append(f"| `{message}` | {found[message]} | {means} | {do} |")
    return "\n".join(lines) + "\n"


def complaints(found, page):
    known = rows(page)
    for message in sorted(set(found) - set(known)):
        yield f"docs/log-messages.md has no row for '{message}' ({found[message]}): messages.py --write adds it"
    for message in sorted(set(known) - set(found)):
        yield f"docs/log-messages.md has '{message}', which no source says"
    for message in sorted(set(known) & set(found)):
        level, *words = known[message]
        if level != found[message]:
            yield f"'{message}' is {found[message]}, and docs/log-messages.md says {level}"
        if len(words) != 2 or not all(words):
            yield f"docs/log-messages.md does not say what '{message}' means, or what to do"


def field_complaints(root=ROOT):
    types = {}
    for room in ("lib", "agent"):
        for path in sorted((root / room).rglob("*.[ch]")):
            for kind, name in re.findall(r'\bF_(STR|SLICE|INT|SECONDS|BOOL)\(\s*"([^"]+)"', path.read_text()):
                types.setdefault(name, {}).setdefault("STR" if kind == "SLICE" else kind, path.relative_to(root))
    for name, kinds in sorted(types.items()):
        if len(kinds) > 1:
            yield f"the field {name} has several types: " + ", ".join(f"{kind} in {path}" for kind, path in sorted(kinds.items()))
        if name.endswith("_ms"):
            yield f"the field {name} is in milliseconds in {next(iter(kinds.values()))}: write F_SECONDS, and a name without the unit"


def main():
    page = PAGE.read_text() if PAGE.exists() else "# Log messages\n"
    found = messages()
    if "--write" in sys.argv[1:]:
        PAGE.write_text(page_of(found, rows(page), page.split("\n| message |")[0]))
        return 0
    wrong = [*complaints(found, page), *field_complaints()]
    print("\n".join(wrong) if wrong else "docs/log-messages.md has every message, with its level; each field has one type")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
