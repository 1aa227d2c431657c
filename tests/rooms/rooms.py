#!/usr/bin/env python3
"""The arrows between the rooms of lib/ and the folders of agent/, and between the files of some rooms.

A room includes only what the table of docs/architecture.md says that it knows, and no circle leads through that table. In the
rooms of FILES no circle leads through the files either: not through the headers by their includes, and not through the sources
by the functions and objects of other files that they name. No file of lib/ or agent/ is longer than 600 lines.

Usage: rooms.py [ROOT]; prints what is wrong, a line each, and ends with 1 if anything is. It needs Python alone, and a second.
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# The rooms in which files are looked at too; those that do not exist (yet) are passed over.
FILES = ["http", "deliver", "window", "observe"]
# The circles of files that are left: each may shrink, and its line goes with it.
LEFT = {
}
LONGEST = 600

TABLE_ROW = re.compile(r"^\| (`(?:lib|agent)\b[^|]*`) \|.*\| *([^|]*?) *\|$", re.MULTILINE)
INCLUDE = re.compile(r'^#include "(?:([a-z_0-9/]+)/)?([a-z_0-9]+\.h)"', re.MULTILINE)
COMMENT_OR_LITERAL = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)
# A definition of a function, or of an object with a value, that other files can name: it begins in the first column.
FUNCTION = re.compile(r"^(?!static\b|typedef\b|return\b|else\b)[a-z_][\w *]*?\b(\w+)\([^;{}]*\)\s*\{", re.MULTILINE)
OBJECT = re.compile(r"^(?!static\b|typedef\b|extern\b)[a-z_][\w *]*?\b(\w+)(?:\[\w*\])* = ", re.MULTILINE)


def arrows(document):
    """room -> what it may include, from the table of rooms in docs/architecture.md"""
    known = {}
    for rooms, knows in TABLE_ROW.findall(document):
        knows = {word.strip() for word in re.sub(r"\([^)]*\)", "", knows).split(",")}
        for room in re.findall(r"`(?:lib/)?([a-z_/]+)`", rooms):
            known[room] = knows - {"nothing of ours"}
    library = {room for room in known if not room.startswith("agent")}
    return {room: knows - {"lib"} | (library if "lib" in knows else set()) for room, knows in known.items()}


def circles(graph):
    """The groups of nodes that can all reach each other (Tarjan's strongly connected components), those of one node aside."""
    order, low, stack, found = {}, {}, [], []

    def visit(node):
        order[node] = low[node] = len(order)
        stack.append(node)
        for other in sorted(graph[node]):
            if other not in graph:
                continue
            if other not in order:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], order[other])
        if low[node] == order[node]:
            at = stack.index(node)
            group = sorted(stack[at:])
            del stack[at:]
            if len(group) > 1 or node in graph[node]:
                found.append(group)

    for node in sorted(graph):
        if node not in order:
            visit(node)
    return sorted(found)


def wrong_includes(root, known):
    for path in sorted([*(root / "agent").rglob("*.[ch]"), *(root / "lib").rglob("*.[ch]")]):
        name, folder = path.relative_to(root), str(path.parent.relative_to(root))
        room = folder.removeprefix("lib/")
        if room not in known:
            yield f"{name}: docs/architecture.md's table has no row for {folder}"
            continue
        for target, header in INCLUDE.findall(path.read_text()):
            if not target and not (path.parent / header).exists():
                yield f"{name} includes {header}: say of which room"
            elif target and target != room and target not in known[room]:
                yield f"{name} includes {target}/{header}: no arrow leads from {room} to {target}"


def header_graph(folder, room):
    return {path.name: {header for target, header in INCLUDE.findall(path.read_text()) if target == room} for path in folder.glob("*.h")}


def call_graph(folder):
    """source -> source -> the names of the second that the first one uses"""
    texts = {path.name: COMMENT_OR_LITERAL.sub(" ", path.read_text()) for path in folder.glob("*.c")}
    home = {name: source for source, text in texts.items() for name in FUNCTION.findall(text) + OBJECT.findall(text)}
    graph = {}
    for source, text in texts.items():
        graph[source] = {}
        # Members (.name, ->name) and tags (struct name) are no use of a function.
        for name in sorted(set(re.findall(r"(?<![.>\w])(?<!struct )(?<!enum )([a-z_]\w+)", text))):
            if home.get(name, source) != source:
                graph[source].setdefault(home[name], []).append(name)
    return graph


def wrong_files(root, room):
    folder = root / "lib" / room
    for group in circles(header_graph(folder, room)):
        yield f"lib/{room}: a circle of headers: {' '.join(group)}"
    graph = call_graph(folder)
    for group in circles(graph):
        if set(group) <= LEFT.get(room, set()):
            continue
        yield f"lib/{room}: a circle of files: {' '.join(group)}"
        for source in group:
            for other in sorted(set(graph[source]) & set(group)):
                yield f"    {source} -> {other}: {' '.join(graph[source][other])}"


def long_files(root):
    for folder in ("lib", "agent"):
        for path in sorted((root / folder).rglob("*.[ch]")):
            lines = len(path.read_text().splitlines())
            if lines > LONGEST:
                yield f"{path.relative_to(root)} has {lines} lines, more than {LONGEST}"


def problems(root):
    known = arrows((root / "docs" / "architecture.md").read_text())
    found = [f"docs/architecture.md: a circle of rooms: {' '.join(group)}" for group in circles(known)]
    found += wrong_includes(root, known)
    for room in FILES:
        found += wrong_files(root, room)
    return found + list(long_files(root))


if __name__ == "__main__":
    found = problems(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT)
    print("\n".join(found), end="\n" if found else "")
    sys.exit(1 if found else 0)
