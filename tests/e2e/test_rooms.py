"""The arrows between the rooms of lib/ and the folders of agent/: each includes only what docs/architecture.md allows."""
import re

from harness import ROOT

ALLOWED = {
    "base": set(),
    "config": {"base", "http"},
    "deadletter": {"base", "kafka", "port"},
    "event": {"base"},
    "http": {"base"},
    "kafka": {"base", "port"},
    "map": {"base", "event"},
    "port": {"base", "event", "http"},
    "source": {"base", "event"},
    "source/kafka": {"kafka", "base", "config", "event", "port", "source"},
    "source/polling": {"base", "config", "event", "port", "source"},
    "source/replay": {"base", "config", "deadletter", "event", "port", "source"},
    "deliver": {"base", "config", "deadletter", "event", "http", "map", "port", "source"},
}


def test_every_include_follows_an_arrow():
    wrong = []
    for path in sorted((ROOT / "lib").rglob("*.[ch]")):
        room = str(path.parent.relative_to(ROOT / "lib"))
        for target in re.findall(r'#include "([a-z/]+)/', path.read_text()):
            if target != room and target not in ALLOWED[room]:
                wrong.append(f"{path.relative_to(ROOT)} includes {target}/")
    assert wrong == []


# Each folder of agent/ knows the top of agent/ and all of lib/, and beside that:
COMMANDS = {"run": set(), "check": set(), "map": set(), "verify": set(), "dead_letters": {"run"}, "demo": {"run"}}


def test_every_include_between_subcommands_follows_an_arrow():
    wrong = []
    for path in sorted((ROOT / "agent").rglob("*.[ch]")):
        folder = path.parent.name
        for target in re.findall(r'#include "agent/([a-z_]+)/', path.read_text()):
            if target not in COMMANDS.get(folder, set()):
                wrong.append(f"{path.relative_to(ROOT)} includes agent/{target}/")
    assert wrong == []


def test_files_stay_readable():
    long = [f"{path.relative_to(ROOT)}" for folder in ("lib", "agent") for path in (ROOT / folder).rglob("*.[ch]")
            if len(path.read_text().splitlines()) > 600]
    assert long == []
