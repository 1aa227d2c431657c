"""`port-agent demo`: goes through everywhere, or says what it lacks instead of waiting for its deadlines."""
import json
import os
import re
import subprocess
import sys

import pytest

from harness import BINARY, SECRET
from test_cli_listen import Listener

ALONE = ["unshare", "--net", *([] if os.geteuid() == 0 else ["--map-root-user"])]  # without any network; loopback is there, and down
# What `ip` would do, which a bare machine has not: loopback up, and its address away.
UP = """import fcntl, os, socket, struct, sys
with socket.socket() as any:
    fcntl.ioctl(any, 0x8914, struct.pack("16sh14x", b"lo", 1))
    if sys.argv[1] == "bare":
        fcntl.ioctl(any, 0x8916, struct.pack("16sh2x4s8x", b"lo", socket.AF_INET, bytes(4)))
os.execv(sys.argv[2], sys.argv[2:])"""


def demo(*within, words=(), **environment):
    return subprocess.run([*within, BINARY, "demo", *words], env={"PATH": os.environ["PATH"], **environment}, cwd="/tmp", stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=90)


@pytest.mark.host
def test_it_goes_through_and_ends_by_itself():
    done = demo()
    assert done.returncode == 0 and "8 delivered, 1 failed, 1 refused, 1 skipped" in done.stdout and done.stderr == ""
    assert all(len(line) <= 80 for line in done.stdout.splitlines() if not line.startswith("    ")), done.stdout
    text = " ".join(done.stdout.split())
    assert "tampered record refused: signature wrong" in text
    assert re.search(r"busy at first delivered: POST /busy → 200 in \d+ ms, at attempt 2; its signature is valid; Port was told SUCCESS", text)
    assert re.search(r"POST /ok\n(    .*\n)*    X-Port-Signature: v1,.{44}\n", done.stdout) and '"runId": "r_sync_ok"' in text
    assert 'What Port was told of it (PATCH /v1/actions/runs/r_sync_ok): { "status": "SUCCESS" }' in text


def test_loopback_alone_is_enough():
    assert demo(*ALONE, sys.executable, "-c", UP, "up").returncode == 0


def test_a_loopback_that_is_down_is_told():
    done = demo(*ALONE)
    assert done.returncode == 1
    assert "127.0.0.1 cannot be reached" in done.stderr and "ip link set lo up" in done.stderr and "missing after" not in done.stdout


def test_a_loopback_without_an_address_is_told():
    done = demo(*ALONE, sys.executable, "-c", UP, "bare")
    assert done.returncode == 1 and "127.0.0.1" in done.stderr and "not available" in done.stderr


def test_too_few_open_files_are_told():
    done = demo("prlimit", "--nofile=64")
    assert done.returncode == 1 and "only 64 files may be open" in done.stderr and "ulimit -n" in done.stderr


def test_its_events_go_to_a_handler_of_ones_own():
    with Listener("--respond", "503:busy", "--output", "json") as handler:
        done = demo(words=("--to", handler.url + "/mine"), PORT_CLIENT_SECRET=SECRET)
        seen = [json.loads(line) for line in handler.end().splitlines()]
    assert done.returncode == 0 and f"Everything was sent to {handler.url}/mine" in done.stdout, done
    assert {one["method"] for one in seen} == {"POST", "PUT", "PATCH", "DELETE", "GET"} and {one["path"] for one in seen} == {"/mine"}
    assert all(one["signature"]["valid"] for one in seen)
    assert demo(words=("--to", "localhost")).returncode == 64
