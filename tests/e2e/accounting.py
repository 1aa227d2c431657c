"""Who got what, when, and how often: keyed records to many destinations, and what is promised about them."""
import collections
import random
import time

from confluent_kafka import Consumer, TopicPartition
from harness import run_event

COMMIT_SECONDS, SLACK_SECONDS = 0.25, 0.1


def records(receivers, count, keys=200, seed=7, synchronized=False, delays=(0, 1, 5, 20, 50, 200), destinations=50):
    """Records, half of them keyed, to that many destinations: loopback addresses on every receiver's port."""
    chance, sequence, out = random.Random(seed), collections.Counter(), []
    for number in range(count):
        destination = chance.randrange(destinations)
        one, host = receivers[destination % len(receivers)], f"127.0.0.{1 + destination // len(receivers)}"
        key = f"k{chance.randrange(keys)}" if number % 2 else None
        context = {}
        if key:
            context = {"key": key, "seq": sequence[key]}
            sequence[key] += 1
        out.append((key, run_event(f"r_{number}", f"http://{host}:{one.port}/delay/{chance.choice(delays)}", synchronized=synchronized,
                                   context=context)))
    return out


def arrivals(receivers):
    """Every webhook, in the order in which they came to any receiver."""
    return sorted((item for one in receivers for item in one.seen.snapshot()), key=lambda item: item["at"])


def deliveries(receivers):
    return collections.Counter(item["run"] for one in receivers for item in one.seen.snapshot())


def wait_count(receivers, count, timeout=60):
    """Until that many webhooks have come, whichever."""
    deadline = time.monotonic() + timeout
    with receivers[0].seen.changed:
        while sum(len(one.seen.items) for one in receivers) < count:
            assert time.monotonic() < deadline, f"no progress: {sum(len(one.seen.items) for one in receivers)} of {count} webhooks"
            receivers[0].seen.changed.wait(0.1)


def wait_all(receivers, count, timeout):
    deadline, wanted = time.monotonic() + timeout, {f"r_{n}" for n in range(count)}
    while missing := wanted - deliveries(receivers).keys():
        left = deadline - time.monotonic()
        assert left > 0, f"{len(missing)} records were not delivered, such as {sorted(missing)[:5]}"
        with receivers[0].seen.changed:
            receivers[0].seen.changed.wait(min(left, 0.5))


def assert_order(receivers):
    """The records of a key came for the first time in their order, whichever receivers they went to."""
    last, known = {}, set()
    for item in arrivals(receivers):
        if item["key"] is None or item["run"] in known:
            continue
        known.add(item["run"])
        assert item["seq"] > last.get(item["key"], -1), item
        last[item["key"]] = item["seq"]


def assert_repeats_within(receivers, kills, in_flight, slack=SLACK_SECONDS):
    """Each kill (a time) may have repeated what was in flight, and what was done in the 250 ms before it, with some slack in seconds.
    Returns (repeats, bound)."""
    came = arrivals(receivers)
    repeats = len(came) - len({item["run"] for item in came})
    recent = sum(1 for kill in kills for item in came if kill - COMMIT_SECONDS - slack <= item["at"] <= kill)
    bound = len(kills) * in_flight + recent
    print(f"{repeats} repeats after {len(kills)} kills; the bound is {bound}")
    assert repeats <= bound
    return repeats, bound


def committed(world, partition=0):
    consumer = Consumer({"bootstrap.servers": world.kafka.bootstrap, "group.id": world.group})
    try:
        return consumer.committed([TopicPartition(world.runs, partition)], timeout=10)[0]
    finally:
        consumer.close()
