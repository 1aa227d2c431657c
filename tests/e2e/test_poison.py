"""Batches that cannot be read: they are passed, and nothing else is."""
import pytest

from batches import GZIP, LZ4, ZSTD, batch, gz, lz4, overwrite, produce_raw, record, records, zstd
from harness import run_event

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


def test_batches_that_cannot_be_read_are_passed(make_world, receiver):
    world = make_world(partitions=8)
    bomb = batch(zstd(b"".join(record(MEGABYTE, n) for n in range(150))), 150, ZSTD)
    poisons = [
        (bomb, 150, 1),
        (batch(lz4(records("a", "b", "c")) + b"12345678", 3, LZ4), 3, 1),  # bytes behind the end
        (batch(gz(record(b"{}", 0) + record(b"{}", 1, length=50)), 2, GZIP), 2, 2),  # a length that lies, behind a record that does not
        (batch(record(b"{}", 1 << 30), 1), 1, 1),  # an offset that lies
    ]
    expected = []
    for partition, (poison, count, skip) in enumerate(poisons):
        world.produce(*events(receiver, f"before_{partition}"), partition=partition)
        base = write(world, poison, partition)
        expected.append((partition, base + skip - 1, base + count - 1))
        world.produce(*events(receiver, f"after_{partition}"), partition=partition)
    overwritten = [
        (batch(zstd(records("a", "b", "c"))[:-4], 3, ZSTD), 3),
        (batch(records("a", "b", "c"), 3, 7), 3),  # an unknown codec
        (batch(b"\xff" * 40, 3), 3),
    ]
    for partition, (poison, count) in enumerate(overwritten, len(poisons)):
        world.produce(*events(receiver, f"before_{partition}"), partition=partition)
        base = write_over(world, poison, count, partition)
        expected.append((partition, base, base + count - 1))
        world.produce(*events(receiver, f"after_{partition}"), partition=partition)
    agent = world.agent().assigned()
    receiver.wait_runs([f"{when}_{n}" for n in range(7) for when in ("before", "after")], timeout=75)
    assert sorted(where(line) for line in passed(agent)) == expected
