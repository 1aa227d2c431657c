"""docker/compose.yaml: what it names exists, and its agent, sample and receiver do their job together, on the tests' broker."""
import os
import subprocess
import sys

import pytest
import yaml

from broker import free_port
from harness import BINARY, ROOT, Agent, Lines, produce

DOCKER = ROOT / "docker"
SERVICES = yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]
SAMPLE = (DOCKER / "sample-runs.jsonl").read_text().splitlines()


def test_what_it_names_exists():
    settings = subprocess.run([BINARY, "settings"], check=True, capture_output=True, text=True).stdout
    assert [name for name in SERVICES["agent"]["environment"] if f"| `{name}` |" not in settings] == []
    for service in SERVICES.values():
        assert "build" in service or ":" in service["image"], "an image has its version"
        for volume in service.get("volumes", []):
            assert (DOCKER / volume.split(":")[0]).is_file(), volume
        assert service.get("depends_on", {}).keys() <= SERVICES.keys()
    assert (DOCKER / SERVICES["agent"]["build"]["context"] / SERVICES["agent"]["build"]["dockerfile"]).is_file()


@pytest.mark.host
def test_its_sample_is_delivered_and_reported(kafka):
    kafka.create("org_demo.runs", "org_demo.change.log")
    listening = free_port()
    secret = {"PORT_CLIENT_SECRET": SERVICES["receiver"]["environment"]["PORT_CLIENT_SECRET"]}
    process = subprocess.Popen([sys.executable, str(DOCKER / "receiver.py"), str(listening)], env={"PATH": os.environ["PATH"], **secret},
                               stdout=subprocess.PIPE, text=True)
    # The names of its network do not resolve here: what goes to http://receiver:8080 goes to the receiver as its proxy.
    agent = Agent({**SERVICES["agent"]["environment"], "LOG_FORMAT": "json", "KAFKA_CONSUMER_BOOTSTRAP_SERVERS": kafka.bootstrap,
                   "PORT_API_BASE_URL": f"http://127.0.0.1:{listening}", "HTTP_PROXY": f"http://127.0.0.1:{listening}", "NO_PROXY": "127.0.0.1"})
    try:
        received = Lines(process.stdout, str.strip)
        produce(kafka.bootstrap, "org_demo.runs", SAMPLE)
        for wanted in ("POST http://receiver:8080/vm signature valid: ", "PUT http://receiver:8080/vm/7 signature valid: ",
                       "PATCH /v1/actions/runs/r_sample_create ", "POST /v1/actions/runs/r_sample_resize/logs "):
            received.wait(lambda lines: any(line.startswith(wanted) for line in lines), what=wanted)
        assert agent.terminate() == 0
        assert not any("WRONG" in line or secret["PORT_CLIENT_SECRET"] in line for line in received.snapshot())
    finally:
        agent.kill()
        process.kill()
        process.wait()
