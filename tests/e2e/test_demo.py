"""`port-agent demo`: goes through everywhere, or says what it lacks instead of waiting for its deadlines."""
import json
import os
import re
import signal
import subprocess
import sys

import pytest

from harness import BINARY, ROOT, SECRET
from test_cli_listen import Listener

ALONE = ["unshare", "--net", *([] if os.geteuid() == 0 else ["--map-root-user"])]  # without any network; loopback is there, and down
# What `ip` would do, which a bare machine has not: loopback up, and its address away.
UP = """import fcntl, os, socket, struct, sys
with socket.socket() as any:
    fcntl.ioctl(any, 0x8914, struct.pack("16sh14x", b"lo", 1))
    if sys.argv[1] == "bare":
        fcntl.ioctl(any, 0x8916, struct.pack("16sh2x4s8x", b"lo", socket.AF_INET, bytes(4)))
os.execv(sys.argv[2], sys.argv[2:])"""
# Processes that the command leaves become this program's, which says so.
ADOPTING = """import ctypes, os, subprocess, sys
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
code = subprocess.call(sys.argv[1:])
try:
    sys.exit(f"left: {os.waitpid(-1, os.WNOHANG)}")
except ChildProcessError:
    sys.exit(code)"""

ENDING = """import ctypes, os, subprocess, sys
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
demo, left = subprocess.Popen(sys.argv[2:], stdout=subprocess.PIPE, text=True), 0
while not (line := demo.stdout.readline()).startswith("joined"):
    assert line
demo.send_signal(int(sys.argv[1]))
print(demo.stdout.read(), demo.wait())
try:
    while os.wait():
        left += 1
except ChildProcessError:
    print(left, "left")"""


def demo(*within, words=(), **environment):
    return subprocess.run([*within, BINARY, "demo", *words], env={"PATH": os.environ["PATH"], **environment}, cwd="/tmp", stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=90)


def likeness(text):
    """Without what is another with each run: numbers, signatures, where lines are broken."""
    return re.sub(r"\d+", "0", re.sub(r"v1,.{44}", "v1", " ".join(text.split())))


def pieces_of_recording():
    recording = re.search(r"```console\n\$ port-agent demo\n(.+?)```", (ROOT / "docs/demo.md").read_text(), re.S)[1]
    return [likeness(piece) for piece in re.split(r"\n\n|\n    \.\.\.\n|\n(?=  \S)", recording) if piece.strip()]


@pytest.mark.host
def test_it_goes_through_and_ends_by_itself():
    done = demo()
    assert done.returncode == 0 and "8 delivered, 2 failed, 1 refused, 1 skipped" in done.stdout and done.stderr == "", done
    assert all(len(line) <= 80 for line in done.stdout.splitlines() if not line.startswith("    ")), done.stdout
    text = " ".join(done.stdout.split())
    assert "tampered record refused: signature wrong" in text
    assert re.search(r"busy at first delivered: POST /busy → 200 in \d+ ms, at attempt 2; its signature is valid; Port was told SUCCESS", text)
    assert re.search(r"POST /ok\n(    .*\n)*    X-Port-Signature: v1,.{44}\n", done.stdout) and '"runId": "r_sync_ok"' in text
    assert 'What Port was told of it (PATCH /v1/actions/runs/r_sync_ok): { "status": "SUCCESS" }' in text
    assert re.search(r'"url": "\.payload.+ PUT /cloud/vms/vm-42 .+ { "run": "r_mapped", "cpu": 4 } And Port was told: { "status": "SUCCESS", "summary": "the VM is created" }', text)
    assert re.search(r"A breaker.+ WARNING circuit open: .+ 3 events to another endpoint were delivered .+ circuit closed: .+ all 8 were delivered", text)
    assert re.search(r"given up failed: POST /broken → 500 in \d+ ms, at attempt 3; .+ Port was told FAILURE; a dead letter keeps it", text)
    assert "port-agent dead-letters replay --all --run r_given_up" in text and "1 delivered, 0 failed, 0 left Port was told SUCCESS of it." in text
    assert re.search(r"kill -9.+ [1-9]\d* were under way, .+ all 40 are delivered and reported to Port, none is lost", text)
    assert [piece for piece in pieces_of_recording() if piece not in likeness(done.stdout)] == []


def test_loopback_alone_is_enough_and_nothing_is_left():
    done = demo(*ALONE, sys.executable, "-c", UP, "up", sys.executable, "-c", ADOPTING, words=("--output", "json"), TMPDIR="/proc")
    assert done.returncode == 0 and done.stderr == "", done
    said = [json.loads(line) for line in done.stdout.splitlines()]
    by_step = {one["step"]: one for one in said}
    assert {one["name"]: one["outcome"] for one in said if one["step"] == "event"}["given up"] == "failed"
    assert by_step["example"]["request"]["head"][0] == "POST /ok" and by_step["example"]["report"] == {"status": "SUCCESS"}
    assert by_step["mapping"]["request"]["head"][0] == "PUT /cloud/vms/vm-42" and by_step["mapping"]["request"]["body"] == {"run": "r_mapped", "cpu": 4}
    assert by_step["mapping"]["event"]["context"]["runId"] == "r_mapped" and by_step["mapping"]["report"]["summary"] == "the VM is created"
    assert by_step["breaker"]["opened"] < by_step["breaker"]["closed"]
    assert by_step["dead_letter"]["replay"]["delivered"] == 1 and by_step["dead_letter"]["port"] == "SUCCESS"
    kill = by_step["kill"]
    assert (kill["delivered"], kill["lost"], kill["same_idempotency_key"]) == (40, 0, True) and kill["under_way"] > 0
    assert by_step["summary"]["problems"] == 0 and by_step["summary"]["complete"] is True and "problem" not in by_step


def ended_by(number):
    """What it said, its exit code, and how many processes it left, each of which ended."""
    done = subprocess.run([sys.executable, "-c", ENDING, str(int(number)), BINARY, "demo"], cwd="/tmp", env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done
    return done.stdout


def test_its_agents_end_with_it():
    assert int(ended_by(signal.SIGKILL).split()[-2]) >= 2
    stopped = ended_by(signal.SIGINT)
    assert "Stopped before everything was shown." in stopped and stopped.endswith(" 0\n0 left\n"), stopped


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
    done = demo(words=("--to", "http://127.0.0.1:1"))
    assert done.returncode == 1 and done.stdout.count("your handler gave no answer") == 9 and "nothing was heard of it" not in done.stdout, done.stdout
    for wrong in ("localhost", "httpx://localhost", "http", "http:///path", "http://a b", 'http://a/"x'):
        assert demo(words=("--to", wrong)).returncode == 64, wrong
