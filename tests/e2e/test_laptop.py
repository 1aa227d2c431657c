"""What docs/laptop.md and docs/verifying.md show: each handler and each recorded command is run as it stands there."""
import json
import os
import re
import shutil
import socket
import subprocess
import time

import pytest

from harness import BINARY, ROOT, SECRET, sign
from test_cli_listen import Listener

VERIFYING = (ROOT / "docs/verifying.md").read_text()
RUNNERS = {"js": ("handler.js", ["node"]), "python": ("handler.py", ["python3"]), "go": ("handler.go", ["go", "run"])}


def port_of_nobody():
    with socket.socket() as any_port:
        any_port.bind(("127.0.0.1", 0))
        return any_port.getsockname()[1]


def answers(port, process):
    deadline = time.monotonic() + 300  # where Go's own library is compiled first
    while time.monotonic() < deadline:
        assert process.poll() is None, "the handler has ended"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("the handler does not listen")


def send(url, *more, secret=SECRET, template="sync"):
    return subprocess.run([BINARY, "send", "--template", template, "--to", url, "--output", "json", *more],
                          env={"PATH": os.environ["PATH"], "PORT_CLIENT_SECRET": secret}, cwd="/tmp", capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("language", RUNNERS)
def test_each_documented_handler_believes_what_is_signed_and_nothing_else(language, tmp_path):
    name, runner = RUNNERS[language]
    if not shutil.which(runner[0]):
        pytest.skip(f"{runner[0]} is not installed")
    source, = re.findall(rf"```{language}\n(.*?)```", VERIFYING, re.S)
    (tmp_path / name).write_text(source)
    port = port_of_nobody()
    process = subprocess.Popen([*runner, name], cwd=tmp_path, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               env={**os.environ, "PORT": str(port), "PORT_CLIENT_SECRET": SECRET})
    try:
        answers(port, process)
        url = f"http://127.0.0.1:{port}/"
        done = send(url, "--set", 'payload.properties.title="Zoë 東京 🚀"', "--set", "payload.properties.n=1.0")
        assert done.returncode == 0 and json.loads(done.stdout)["answer"] == {"did": "create_vm"}, done
        for template in ("node-run", "change-log", "gitlab"):
            assert send(url, template=template).returncode == 0, template
        done = send(url, secret="another secret, of more than thirty-two bytes")
        assert done.returncode == 1 and json.loads(done.stdout)["status"] == 401
        old = subprocess.run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-d", "{}", "-H", "X-Port-Timestamp: 1768317616", "-H",
                              f"X-Port-Signature: {sign('{}')}", url], capture_output=True, text=True, timeout=60)
        assert old.stdout == "401"
    finally:
        os.killpg(process.pid, 9)
        process.wait()


def test_three_commands_lead_from_nothing_to_a_valid_signature():
    """The recording in docs/laptop.md, with another port and a handler that is a listener too."""
    recording = re.search(r"## Three commands\n.*?```console\n(.*?)```", (ROOT / "docs/laptop.md").read_text(), re.S)[1]
    commands = [line[2:].rstrip(" &") for line in recording.splitlines() if line.startswith("$ ")]
    assert len(commands) == 3
    secret = re.fullmatch(r"export PORT_CLIENT_SECRET=(\S+)", commands[0])[1]
    assert commands[1] == "port-agent listen --forward http://localhost:3000" and commands[2] == "port-agent send --template sync --to http://localhost:8080"
    with Listener("--respond", '200:{"vm":"vm-42"}') as handler, Listener("--forward", handler.url, secret=secret) as listener:
        done = send(listener.url, secret=secret)
        assert done.returncode == 0
        shown = listener.end()
    wanted = [line.strip() for line in recording.splitlines() if line.strip().startswith(("signature valid", "answered "))]
    assert len(wanted) >= 3
    for line in wanted:
        line = re.sub(r" in \d+ ms$", "", line)
        assert line in shown or json.loads(done.stdout)["status"] == 200 and line == "answered 200", line
