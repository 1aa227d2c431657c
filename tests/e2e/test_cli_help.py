"""What every command says of itself: --help, manual pages, and what bash completes."""
import os
import shutil
import subprocess

import pytest

from harness import BINARY

PLAIN = {"PATH": os.environ["PATH"]}
PARTS = {"dead-letters": ["list", "show", "replay"]}


def call(*words, **environment):
    return subprocess.run([BINARY, *words], env={**PLAIN, **environment}, cwd="/tmp", capture_output=True, text=True, timeout=60)


def names():
    return call("man", "--list").stdout.split()


def every_command():
    for name in names():
        for part in PARTS.get(name, [None]):
            yield [name, part] if part else [name]


def test_every_command_has_help_with_an_example_and_its_exit_codes():
    commands = list(every_command())
    assert ["map"] in commands and ["dead-letters", "replay"] in commands
    for words in commands:
        done = call(*words, "--help", COLUMNS="72")
        assert (done.returncode, done.stderr) == (0, ""), words
        assert [line for line in done.stdout.splitlines() if line.startswith(("  ", "Example: ")) and "port-agent" in line], words
        assert "Exit codes: 0 " in done.stdout
        wrapped = [line for line in done.stdout.split("\n\n", 1)[1].splitlines() if not line.startswith("  ") or line.startswith("  --")]
        assert [line for line in wrapped if len(line) > 72] == [], words
        assert call(*words, "--no-such-thing").returncode == 64


def test_what_cannot_be_written_is_a_failure():
    for words in (["--help"], ["--version"], ["man"], ["map", "--help"]):
        with open("/dev/full", "w") as full:
            done = subprocess.run([BINARY, *words], env=PLAIN, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (1, "port-agent: standard output cannot be written\n"), words


def test_what_was_meant_is_suggested():
    for words, meant in ((["verfy"], "verify"), (["map", "--mapings"], "--mapping"), (["dead-letters", "reply"], "replay"), (["check", "--conect"], "--connect"),
                         (["completion", "fsh"], "fish"), (["man", "evnts"], "events"), (["--hlep"], "--help"), (["send", "--template", "sycn", "--to", "http://a"], "sync")):
        done = call(*words)
        assert done.returncode == 64 and f"(did you mean {meant}?)" in done.stderr and done.stderr.count("\n") == 1, words
    assert "did you mean" not in call("deploy").stderr


@pytest.mark.skipif(not shutil.which("groff"), reason="without groff nobody reads the page")
def test_manual_pages_are_what_troff_takes():
    for name in ["", *names()]:
        page = call("man", *name.split())
        assert page.returncode == 0 and page.stdout.startswith(".TH ")
        read = subprocess.run(["groff", "-man", "-Tutf8", "-ww"], input=page.stdout, capture_output=True, text=True, timeout=60)
        assert read.returncode == 0 and read.stderr == "", (name, read.stderr)


COMPLETE = """source /dev/stdin <<< "$SCRIPT"
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_port_agent
printf '%s\\n' "${COMPREPLY[@]}" """


def completed(*words):
    script = call("completion", "bash").stdout
    done = subprocess.run(["bash", "-c", COMPLETE, "bash", "port-agent", *words], env={**PLAIN, "SCRIPT": script}, cwd="/tmp", capture_output=True, text=True,
                          timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return set(done.stdout.split())


def test_bash_completes_commands_options_and_values(tmp_path):
    assert {"map", "dead-letters", "--version"} <= completed("")
    assert completed("ver") == {"verify"}
    assert completed("map", "--ma") == {"--mapping"}
    assert completed("map", "--output", "") == {"text", "json"}
    assert completed("send", "--template", "") == {"sync", "async", "change-log", "gitlab", "node-run"}
    assert completed("log-level", "") == {"debug", "info", "warning", "error", "critical"} and completed("log-level", "--out") == {"--output"}
    assert completed("completion", "") == {"bash", "zsh", "fish"} and completed("completion", "z") == {"zsh"}
    assert completed("dead-letters", "") == set(PARTS["dead-letters"])
    assert completed("dead-letters", "show", "--pay") == {"--payload"}
    (tmp_path / "event.json").write_text("")
    assert completed("map", "--event", f"{tmp_path}/ev") == {f"{tmp_path}/event.json"}
    assert completed("map", "--event", "a", "ev") == set()  # files, which bash completes itself


def test_the_other_shells_get_the_same_words():
    for shell, pieces in {"zsh": ["#compdef port-agent", "'--mapping[", ":file:_files'", "':word:(bash zsh fish)'"], "fish": ["-l mapping -d '", "-r -F", "-x -a 'text json'", "-n '__fish_seen_subcommand_from completion' -f -a 'bash zsh fish'"]}.items():
        done = call("completion", shell)
        assert done.returncode == 0 and [piece for piece in pieces if piece not in done.stdout] == []
    assert "-n '__fish_seen_subcommand_from dead-letters; and not __fish_seen_subcommand_from list show replay' -f -a show\n" in done.stdout
    assert call("completion", "tcsh").returncode == call("completion").returncode == 64
