""".env files, as python-dotenv 1.x reads them: vectors/dotenv.jsonl has files and what its dotenv_values() gave for each."""
import json
import os
import subprocess

import pytest

from harness import BINARY, ROOT, run_event

OUTSIDE = {"OUT": "outside", "BOTH": "from-env"}


def seen(tmp_path, text):
    """What a mapping sees of a .env file: what it adds to the environment, which wins."""
    (tmp_path / ".env").write_text(text, newline="")
    done = subprocess.run([BINARY, "map", "--event", "event.json", "--mapping", "mapping.json", "--output", "json"], cwd=tmp_path,
                          env={"PATH": os.environ["PATH"], **OUTSIDE}, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, (text, done)
    found = json.loads(json.loads(done.stdout)["request"]["body"])
    assert {name: found.pop(name) for name in OUTSIDE} == OUTSIDE
    del found["PATH"]
    return found


def test_a_line_that_is_left_out_is_told_by_every_command_without_its_content(tmp_path):
    (tmp_path / ".env").write_text("a line of h1dden\nPORT_CLIENT_SECRET=from-file\nA h1dden=1\n")
    for command, code in (["sign", "--timestamp", "1"], 0), (["dead-letters", "list"], 78):
        done = subprocess.run([BINARY, *command], cwd=tmp_path, env={"PATH": os.environ["PATH"]}, input="x", capture_output=True, text=True, timeout=120)
        assert done.returncode == code and "h1dden" not in done.stderr
        assert [line[:11] for line in done.stderr.splitlines()[:2]] == [".env line 1", ".env line 3"]


@pytest.mark.host
def test_files_read_as_python_dotenv_reads_them(tmp_path):
    (tmp_path / "event.json").write_text(run_event("r_1", "http://x"))
    (tmp_path / "mapping.json").write_text('[{"body": "env"}]')
    vectors = [json.loads(line) for line in (ROOT / "tests/vectors/dotenv.jsonl").read_text().splitlines()]
    different = [(text, found, wanted) for text, wanted in vectors
                 if (found := seen(tmp_path, text)) != {name: value for name, value in wanted.items() if name not in OUTSIDE}]
    assert different == [] and len(vectors) > 80
