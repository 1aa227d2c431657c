"""`port-agent redeliver`: an event of the topic goes once more, beside the agent, and no offset moves."""
import json
import os
import subprocess

import pytest

from harness import BINARY, run_event
from test_cli_listen import Listener

pytestmark = pytest.mark.kafka
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def redeliver(environment, *arguments):
    return subprocess.run([BINARY, "redeliver", *arguments], env={"PATH": os.environ["PATH"], **environment}, cwd="/tmp", capture_output=True, text=True, timeout=90)


def test_a_run_goes_once_more_with_the_key_of_its_first_delivery_beside_its_own(world, port):
    with Listener("--output", "json") as listener:
        world.agent().assigned()
        world.produce(run_event("r_once", listener.url))
        world.produce(run_event("r_again", listener.url), headers=[("traceparent", PARENT), ("tracestate", "a=1")])
        for run in ("r_once", "r_again"):
            port.wait(lambda: any(method == "PATCH" and path == "" for method, path, _ in port.of_run(run)))
        done = redeliver(world.environment, "--run", "r_again", "--output", "json")
        assert done.returncode == 0, done
        told = json.loads(done.stdout)
        assert (told["run_id"], told["outcome"], told["status"]) == ("r_again", "delivered", 200)
        place = f"{told['partition']}:{told['offset']}"
        assert redeliver(world.environment, "--offsets", place).stdout.endswith("1 delivered, 0 not\n")
        assert redeliver(world.environment, "--run", "r_nobody").returncode == 1
        seen = [json.loads(line) for line in listener.end().splitlines()]
    first, *again = [one["headers"] for one in seen if one["body"]["context"]["runId"] == "r_again"]
    assert len(again) == 2 and len(seen) == 4 and "X-Port-Redelivery-Of" not in first
    assert [headers["X-Port-Redelivery-Of"] for headers in again] == [first["Idempotency-Key"]] * 2
    assert [(headers["traceparent"], headers["tracestate"]) for headers in [first, *again]] == [(PARENT, "a=1")] * 3
    assert len({headers["Idempotency-Key"] for headers in [first, *again]}) == 3
    assert len([1 for method, path, body in port.of_run("r_again") if body == {"status": "SUCCESS"}]) == 3


def test_wrong_usage_of_redeliver_exits_64():
    for wrong in ([], ["--run", "a", "--offsets", "0:1"], ["--offsets", "0"], ["--offsets", "0:5-1"], ["--offsets", "x:1-2"], ["--offsets", "0:1-2x"]):
        assert redeliver({}, *wrong).returncode == 64, wrong
    assert redeliver({}, "--run", "a").returncode == 78
