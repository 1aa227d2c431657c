"""Rebalances with deliveries that do not end: what is revoked is drained, committed and left to the next member, and nobody crashes."""
from harness import run_event


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
