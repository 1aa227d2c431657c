"""Four agents on twelve partitions: agents join, leave and are killed every few seconds under load."""
import collections
import random
import signal
import threading
import time

import pytest

from confluent_kafka import Producer
from harness import run_event

pytestmark = pytest.mark.kafka_long

AGENTS, PARTITIONS, KEYS, RATE, CHANGE_S = 4, 12, 120, 150, 3


class Load(threading.Thread):
    """Produces records of a few keys at an even rate until it is told to stop."""

    def __init__(self, world, url, prefix):
        super().__init__(daemon=True)
        self.world, self.url, self.prefix = world, url, prefix
        self.produced, self.over = [], threading.Event()

    def run(self):
        producer = Producer({"bootstrap.servers": self.world.kafka.bootstrap, "linger.ms": 5})
        sequence = collections.Counter()
        while not self.over.wait(1 / RATE):
            key = f"{self.prefix}{len(self.produced) % KEYS}"
            run_id = f"{self.prefix}_{len(self.produced)}"
            event = run_event(run_id, self.url + "/delay/20", synchronized=False, context={"key": key, "seq": sequence[key]})
            producer.produce(self.world.runs, key=key, value=event)
            sequence[key] += 1
            self.produced.append(run_id)
            producer.poll(0)
        assert producer.flush(30) == 0

    def finish(self):
        self.over.set()
        self.join()
        return self.produced


def first_of_each(items):
    """The sequence numbers of each key in the order in which each came first."""
    seen, order = set(), collections.defaultdict(list)
    for item in items:
        if item["run"] not in seen:
            seen.add(item["run"])
            order[item["key"]].append(item["seq"])
    return order


def scale(make_world, receiver, changes, prefix):
    """Runs a load while `changes` are made, one every few seconds; gives what was produced and what came."""
    world = make_world(partitions=PARTITIONS)
    start = lambda: world.agent(RUN_LOGS="off", WEBHOOK_MAX_IN_FLIGHT="64")
    agents = [start() for _ in range(AGENTS)]
    for agent in agents:
        agent.assigned()
    load = Load(world, receiver.url, prefix)
    load.start()
    leaving = []
    for change in changes:
        threading.Event().wait(CHANGE_S)  # the pace of the changes, not a wait for anything
        victim = agents.pop(0)
        if change == "kill":
            victim.process.send_signal(signal.SIGKILL)
        else:
            victim.process.send_signal(signal.SIGTERM)
            leaving.append(victim)
        agents.append(start())
    produced = load.finish()
    receiver.wait_runs(produced, timeout=60)
    codes = [agent.terminate() for agent in agents] + [agent.wait() for agent in leaving]
    for agent, code in zip(agents + leaving, codes):
        assert code == 0, f"ended with {code}: {agent.log.snapshot()[-20:]} {agent.errors.snapshot()}"
    return produced, receiver.seen.snapshot()


@pytest.mark.host
def test_agents_that_join_and_leave_keep_the_order_and_lose_nothing(make_world, receiver):
    produced, items = scale(make_world, receiver, ["leave"] * 5, "g")
    assert {i["run"] for i in items} == set(produced) and all(i["valid"] for i in items)
    for key, sequence in first_of_each(items).items():
        assert sequence == sorted(sequence), key
    repeated = len(items) - len(produced)
    assert repeated == 0, f"{repeated} of {len(produced)} delivered twice, though every agent had the time to finish"


def test_agents_that_are_killed_lose_nothing_and_repeat_within_the_bound(make_world, receiver):
    changes = random.Random(12).choices(["kill", "leave"], k=6)
    produced, items = scale(make_world, receiver, changes, "k")
    assert {i["run"] for i in items} == set(produced)
    for key, sequence in first_of_each(items).items():
        assert sequence == sorted(sequence), key
    repeated, bound = len(items) - len(produced), changes.count("kill") * (64 + RATE)  # in flight, and what 250 ms may complete
    assert repeated <= bound, f"{repeated} repeats; bound {bound}"
