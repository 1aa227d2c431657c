"""`port-agent redeliver`: an event of the topic goes once more, beside the agent, and no offset moves."""
import json
import os
import subprocess

import pytest

from harness import BINARY, run_event, wait_until
from positions import committed, wait_committed
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


def ask(environment, *arguments):
    return subprocess.run([BINARY, *arguments], env={"PATH": os.environ["PATH"], **environment}, cwd="/tmp", capture_output=True, text=True, timeout=90)


def results(port, run):
    return [body["status"] for method, path, body in port.of_run(run) if method == "PATCH" and path == ""]


def test_the_running_agent_delivers_once_more_and_its_pause_holds_that_too(world, port, receiver):
    agent = world.agent().assigned()
    world.produce(run_event("r_1", receiver.url))
    port.wait(lambda: results(port, "r_1") == ["SUCCESS"])
    wait_committed(world, 1)
    assert ask(world.environment, "pause", receiver.url).returncode == 0
    command = subprocess.Popen([BINARY, "redeliver", "--run", "r_1"], env={"PATH": os.environ["PATH"], **world.environment}, cwd="/tmp",
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: "waits for its turn at the destination" in ask(world.environment, "run-status", "r_1").stdout, "the agent's own delivery waits")
    again = redeliver(world.environment, "--offsets", "0:0")
    assert again.returncode == 1 and "unsent: it is being delivered once more already" in again.stdout, again
    assert command.poll() is None and len(receiver.runs()) == 1
    assert ask(world.environment, "resume").returncode == 0
    told, said = command.communicate(timeout=60)
    assert command.returncode == 0, (told, said)
    assert told.splitlines()[-1] == "1 delivered, 0 not" and "this command delivers" not in said
    assert agent.wait_log("a record is delivered once more, as the operator asks", messaging__kafka__offset=0)
    port.wait(lambda: results(port, "r_1") == ["SUCCESS", "SUCCESS"])
    assert len([line for line in agent.log.snapshot() if line["msg"] == "webhook delivered" and line.get("port.run_id") == "r_1"]) == 2
    assert committed(world, world.runs) == 1
    assert agent.terminate() == 0
    alone = redeliver(world.environment, "--run", "r_1")
    assert alone.returncode == 0 and "no running agent can be asked; this command delivers" in alone.stderr, alone
    port.wait(lambda: results(port, "r_1") == ["SUCCESS"] * 3)


def test_many_go_once_more_a_few_at_a_time_and_what_fails_is_told(world, port, receiver):
    count = 50
    agent = world.agent(RUN_LOGS="off").assigned()
    world.produce(*[run_event(f"r_{n}", receiver.url, tampered=n == 7) for n in range(count)])
    wait_committed(world, count)
    done = redeliver(world.environment, "--offsets", f"0:0-{count + 9}", "--output", "json")
    told = {one["offset"]: one for one in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == 1 and sorted(told) == list(range(count)), done
    assert {one["outcome"] for offset, one in told.items() if offset != 7} == {"delivered"}
    assert told[7]["outcome"] == "refused" and "signature" in told[7]["reason"]
    assert sorted(receiver.runs()) == sorted([f"r_{n}" for n in range(count) if n != 7] * 2)
    assert len([line for line in agent.log.snapshot() if line["msg"] == "a record is delivered once more, as the operator asks"]) == count
    assert committed(world, world.runs) == count


def test_a_partition_that_another_agent_has_is_delivered_once_more_too(make_world, port, receiver):
    world = make_world(partitions=2)
    world.produce(run_event("r_zero", receiver.url), partition=0)
    world.produce(run_event("r_one", receiver.url), partition=1)
    first = world.agent(STATUS_SOCKET="/tmp/redeliver-first.sock").assigned()
    second = world.agent(STATUS_SOCKET="/tmp/redeliver-second.sock").assigned()
    for agent in (first, second):
        agent.wait_log("partitions assigned", assigned=2)  # one of each topic
    for partition, run in enumerate(("r_zero", "r_one")):
        port.wait(lambda run=run: results(port, run)[:1] == ["SUCCESS"])
        done = redeliver({**world.environment, "STATUS_SOCKET": "/tmp/redeliver-first.sock"}, "--offsets", f"{partition}:0")
        assert done.returncode == 0 and "this command delivers" not in done.stderr, done
        port.wait(lambda run=run: results(port, run) == ["SUCCESS"] * 2)
    assert first.terminate() == 0 and second.terminate() == 0


def test_the_age_of_a_signature_does_not_matter_when_a_person_asks(world, port, receiver):
    tolerance = {"REPLAY_TOLERANCE_SECONDS": "60"}
    agent = world.agent(**tolerance).assigned()
    world.produce(run_event("r_old", receiver.url))
    port.wait(lambda: results(port, "r_old") == ["FAILURE"])
    by_agent = redeliver({**world.environment, **tolerance}, "--run", "r_old")
    assert by_agent.returncode == 0 and "this command delivers" not in by_agent.stderr, by_agent
    port.wait(lambda: results(port, "r_old") == ["FAILURE", "SUCCESS"])
    assert agent.terminate() == 0
    alone = redeliver({**world.environment, **tolerance}, "--run", "r_old")
    assert alone.returncode == 0 and "this command delivers" in alone.stderr, alone


def test_which_of_several_agents_is_meant_has_to_be_said(world, receiver):
    world.produce(run_event("r_1", receiver.url))
    world.agent().assigned()
    world.agent().wait_log("connected to the Kafka brokers")
    done = redeliver(world.environment, "--run", "r_1")
    assert done.returncode == 64 and "several agents run here" in done.stderr and done.stdout == "", done
    assert len(receiver.runs()) <= 1


def test_wrong_usage_of_redeliver_exits_64():
    for wrong in ([], ["--run", "a", "--offsets", "0:1"], ["--offsets", "0"], ["--offsets", "0:5-1"], ["--offsets", "x:1-2"], ["--offsets", "0:1-2x"]):
        assert redeliver({}, *wrong).returncode == 64, wrong
    assert redeliver({}, "--run", "a").returncode == 78
