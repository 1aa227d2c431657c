"""Rebalances with deliveries that do not end: what is revoked is drained, committed and left to the next member, and nobody crashes."""
import os
import subprocess

import pytest

from harness import BINARY, run_event

pytestmark = pytest.mark.kafka


@pytest.mark.host
def test_a_revocation_outlasts_a_stuck_delivery(make_world, receiver):
    world = make_world(partitions=2)
    first = world.agent(DRAIN_TIMEOUT_SECONDS="1", RUN_LOGS="off").assigned()
    for partition in (0, 1):
        world.produce(run_event(f"r_stuck_{partition}", receiver.url + "/never", synchronized=False), partition=partition)
    receiver.wait_runs(["r_stuck_0", "r_stuck_1"])
    second = world.agent(DRAIN_TIMEOUT_SECONDS="1", RUN_LOGS="off").assigned()
    first.log.wait(lambda items: sum(i["msg"] == "partitions assigned" for i in items) == 2, what="first's second assignment")
    receiver.seen.wait(lambda items: sum(i["run"].startswith("r_stuck") for i in items) == 4, what="both delivered again")
    world.produce(*[run_event(f"r_{n}", receiver.url + "/ok") for n in range(20)])
    receiver.wait_runs([f"r_{n}" for n in range(20)])
    assert first.terminate() == 0
    assert second.terminate() == 0


def test_static_members_restart_one_after_another_without_a_rebalance(make_world, receiver):
    """A rolling restart within the session timeout: each comes back to its partitions, and the other never hears of it."""
    world = make_world(partitions=4)
    start = lambda name: world.agent(KAFKA_CONSUMER_GROUP_INSTANCE_ID=name, KAFKA_CONSUMER_SESSION_TIMEOUT_MS="30000", RUN_LOGS="off")
    moves = lambda agent: [i["msg"] for i in agent.log.snapshot() if i["msg"].startswith("partitions ")]
    first, second = start("agent-0").assigned(), start("agent-1").assigned()
    first.log.wait(lambda items: sum(i["msg"] == "partitions assigned" for i in items) == 2, what="the group's last rebalance")
    before = moves(first), moves(second)
    assert first.terminate() == 0
    world.produce(*[run_event(f"r_{n}", receiver.url + "/ok", synchronized=False) for n in range(40)])
    first_again = start("agent-0").assigned()
    receiver.wait_runs([f"r_{n}" for n in range(40)])
    assert moves(second) == before[1]
    assert second.terminate() == 0
    second_again = start("agent-1").assigned()
    world.produce(*[run_event(f"s_{n}", receiver.url + "/ok", synchronized=False) for n in range(40)])
    receiver.wait_runs([f"s_{n}" for n in range(40)])
    assert moves(first_again) == ["partitions assigned"] and moves(second_again) == ["partitions assigned"]
    assert len(receiver.runs()) == 80


def test_a_standby_takes_over(world, receiver):
    """With more agents than partitions one has none, and stays: it is there when another goes."""
    first = world.agent().assigned()
    second = world.agent()
    standby = lambda agent: any(i["msg"].startswith("no partitions assigned: standing by") for i in agent.log.snapshot())
    second.log.wait(lambda items: any(i["msg"].startswith(("no partitions assigned: standing by", "partitions assigned")) for i in items))
    idle, busy = (second, first) if standby(second) else (first, second)
    idle.wait_log("no partitions assigned: standing by")
    assert busy.terminate() == 0
    world.produce(run_event("r_1", receiver.url + "/ok"))
    receiver.wait_runs(["r_1"])
    assert idle.terminate() == 0


def test_two_agents_of_one_name_are_told_so_in_one_line(make_world):
    world = make_world(partitions=2)
    start = lambda: world.agent(KAFKA_CONSUMER_GROUP_INSTANCE_ID="agent-0")
    first, second = start().assigned(), start()
    assert first.wait() == 1
    trouble = [i for i in first.log.snapshot() if i["level"] not in ("DEBUG", "INFO")]
    assert len(trouble) == 1 and trouble[0]["level"] == "CRITICAL" and "KAFKA_CONSUMER_GROUP_INSTANCE_ID" in trouble[0]["hint"], trouble
    assert second.assigned().terminate() == 0


def newer_protocol_is_known():
    version = subprocess.run([BINARY, "--version"], check=True, capture_output=True, text=True).stdout
    return [int(part) for part in version.split("librdkafka ")[1].split()[0].strip(",;)").split(".")[:2]] >= [2, 4]


def test_the_newer_group_protocol_moves_partitions_and_loses_nothing(make_world, receiver):
    """KIP-848's, from an empty group: a second member joins, the first one leaves under load, and what it had done is not done again."""
    world = make_world(partitions=4)
    if not newer_protocol_is_known():
        agent = world.agent(KAFKA_CONSUMER_GROUP_PROTOCOL="consumer")
        assert agent.wait() == 78 and "KAFKA_CONSUMER_GROUP_PROTOCOL: 'consumer' needs librdkafka 2.4" in "".join(agent.errors.snapshot())
        return
    if not os.environ.get("KAFKA_VERSION", "").startswith("4"):
        pytest.skip("brokers before 4.0 do not have this protocol unless they are told to")
    start = lambda: world.agent(KAFKA_CONSUMER_GROUP_PROTOCOL="consumer", RUN_LOGS="off")
    first = start().assigned()
    world.produce(*[(f"k{n % 20}", run_event(f"r_{n}", receiver.url + "/delay/20", synchronized=False)) for n in range(600)])
    second = start()
    receiver.seen.wait(lambda items: len(items) >= 100)
    second.wait_log("partitions assigned")
    assert first.terminate() == 0
    receiver.wait_runs([f"r_{n}" for n in range(600)])
    world.produce(*[run_event(f"s_{n}", receiver.url + "/ok", synchronized=False) for n in range(40)])
    receiver.wait_runs([f"s_{n}" for n in range(40)])
    assert second.terminate() == 0
    assert len(receiver.runs()) == 640
