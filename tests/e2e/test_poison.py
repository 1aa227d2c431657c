"""Batches that cannot be read: they are passed, and nothing else is."""
import signal
import time

import pytest

from batches import GZIP, LZ4, ZSTD, batch, gz, lz4, overwrite, produce_raw, record, records, zstd
from harness import run_event, wait_until
from positions import committed, end_of, transactional

pytestmark = [pytest.mark.kafka, pytest.mark.host]
MEGABYTE = b"x" * 1_000_000


def events(receiver, *names):
    return [run_event(name, receiver.url + "/ok", synchronized=False) for name in names]


def write(world, batch, partition=0):
    """The offset it has."""
    code, offset = produce_raw(world.kafka.bootstrap, world.runs, batch, partition)
    assert code == 0, code
    return offset


def write_over(world, poison, count, partition=0):
    """As `write`, past what the broker checks: a harmless batch of the same length is written first."""
    spare = len(poison) - len(batch(records(*[""] * (count - 1)) + record(b"", count - 1), count))
    for padding in range(spare, -1, -1):
        harmless = batch(records(*[""] * (count - 1)) + record(b"y" * padding, count - 1), count)
        if len(harmless) == len(poison):
            offset = write(world, harmless, partition)
            overwrite(world.kafka, world.runs, offset, lambda old: old[:12] + poison[12:], partition)
            return offset
    raise AssertionError("no batch of that length")


def passed(agent):
    return [line for line in agent.log.snapshot() if line["msg"].startswith("records cannot be read")]


def where(line):
    return line["messaging.destination.partition.id"], line["from"], line["to"]


def committed_to_the_end(world, partition):
    wait_until(lambda: committed(world, world.runs, partition) == end_of(world, world.runs, partition),
               f"partition {partition} is committed to its end: {committed(world, world.runs, partition)}")


def abort(producer, world, partition, *values):
    producer.begin_transaction()
    for value in values:
        producer.produce(world.runs, value=value, partition=partition)
    producer.flush(30)
    producer.abort_transaction(30)


def bomb(records=150):
    """A few KiB that unpack to a megabyte each."""
    return batch(zstd(b"".join(record(MEGABYTE, n) for n in range(records))), records, ZSTD)


def test_batches_that_cannot_be_read_are_passed_and_nothing_else_is(make_world, receiver):
    world = make_world(partitions=9)
    accepted = [  # by the broker: a batch, its records, and at which of them the trouble begins
        (bomb(), 150, 1),
        (batch(lz4(records("a", "b", "c")) + b"12345678", 3, LZ4), 3, 1),  # bytes behind its end
        (batch(gz(record(b"{}", 0) + record(b"{}", 1, length=50)), 2, GZIP), 2, 2),  # a length that lies, behind a record that does not
        (batch(record(b"{}", 1 << 30), 1), 1, 1),  # an offset that lies
    ]
    refused = [
        (batch(zstd(records("a", "b", "c"))[:-4], 3, ZSTD), 3, 1),
        (batch(records("a", "b", "c"), 3, 7), 3, 1),  # an unknown codec
        (batch(b"\xff" * 40, 3), 3, 1),
    ]
    markers, waiting = 7, 8  # partitions
    expected = []
    for partition, (poison, count, first) in enumerate(accepted + refused):
        world.produce(*events(receiver, f"before_{partition}"), partition=partition)
        base = write(world, poison, partition) if partition < len(accepted) else write_over(world, poison, count, partition)
        expected.append((partition, base + first - 1, base + count - 1))
        world.produce(*events(receiver, f"after_{partition}"), partition=partition)
    producer = transactional(world, "t")
    abort(producer, world, markers, *events(receiver, "never_1", "never_2"))
    base = write(world, bomb(), markers)
    expected.append((markers, base, base + 149))
    abort(producer, world, markers, *events(receiver, "never_3"))
    world.produce(*events(receiver, "after_7"), partition=markers)
    producer.begin_transaction()  # which lasts longer than a partition may be silent
    producer.produce(world.runs, value=events(receiver, "in_time")[0], partition=waiting)
    producer.flush(30)
    world.produce(*events(receiver, "after_8"), partition=waiting)

    agent = world.agent().assigned()
    readable = [f"before_{n}" for n in range(7)] + [f"after_{n}" for n in range(8)]
    receiver.wait_runs(readable, timeout=75)
    producer.commit_transaction(30)
    receiver.wait_runs(["in_time", "after_8"])
    for partition in range(9):
        committed_to_the_end(world, partition)
    agent.process.send_signal(signal.SIGUSR1)
    assert agent.wait_log("summary")["batches_passed"] == len(expected)
    assert agent.terminate() == 0
    assert sorted(where(line) for line in passed(agent)) == expected
    assert sorted(receiver.runs()) == sorted([*readable, "in_time", "after_8"])
    stood = [line for line in agent.log.snapshot() if line["msg"] == "a partition cannot be read"]
    ended = [line for line in agent.log.snapshot() if line["msg"] == "the partition is read from again"]
    assert {line["partition"] for line in stood} == {line["partition"] for line in ended} == {f"{world.runs}-{n}" for n in range(8)}


def test_what_is_not_done_before_a_passed_batch_comes_again_after_a_kill(make_world, receiver):
    """And what is not done before a record that says an offset of others further on."""
    world = make_world(partitions=2)
    lying = [batch(lz4(records("a", "b", "c")) + b"12345678", 3, LZ4), batch(record(b"{}", 3), 1)]
    for partition, poison in enumerate(lying):
        world.produce(run_event(f"stuck_{partition}", receiver.url + "/never", synchronized=False), partition=partition)
        write(world, poison, partition)
        world.produce(*events(receiver, *(f"after_{partition}_{n}" for n in range(6))), partition=partition)
    agent = world.agent(DEDUP_WINDOW="0").assigned()
    after = [f"after_{partition}_{n}" for partition in range(2) for n in range(6)]
    receiver.wait_runs(["stuck_0", "stuck_1", *after])
    for partition in range(2):
        wait_until(lambda: committed(world, world.runs, partition) == 0, f"a commit with a note: {committed(world, world.runs, partition)}")
    agent.kill()
    again = world.agent(WEBHOOK_INVOKER_TIMEOUT="1").assigned()
    for partition in range(2):
        committed_to_the_end(world, partition)
    assert again.terminate() == 0
    assert sorted(set(receiver.runs())) == sorted([*after, "stuck_0", "stuck_1"])
    assert receiver.runs().count("stuck_0") == receiver.runs().count("stuck_1") == 2
