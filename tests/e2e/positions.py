"""Offsets, partitions and topics of a real broker, as the tests of positions look at them and change them."""
import functools
import subprocess

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import NewPartitions, OffsetSpec

from harness import BINARY, run_event, wait_until


@functools.cache
def knows_topic_ids():
    version = subprocess.run([BINARY, "--version"], capture_output=True, text=True, check=True).stdout
    return tuple(int(n) for n in version.split("librdkafka ")[1].split(",")[0].split(".")[:2]) >= (2, 3)


def committed(world, topic, partition=0):
    """The offset that `check` and every other tool sees; None: none."""
    consumer = Consumer({"bootstrap.servers": world.kafka.bootstrap, "group.id": world.group})
    try:
        found = consumer.committed([TopicPartition(topic, partition)], timeout=120)[0]
        return found.offset if found.offset >= 0 else None
    finally:
        consumer.close()


def end_of(world, topic, partition=0):
    where = TopicPartition(topic, partition)
    admin = world.kafka.admin()  # kept while its future is waited for
    return admin.list_offsets({where: OffsetSpec.latest()})[where].result(30).offset


def wait_committed(world, offset, topic=None, partition=0):
    wait_until(lambda: committed(world, topic or world.runs, partition) == offset,
               lambda: f"{topic or world.runs}-{partition} committed at {offset}; it is {committed(world, topic or world.runs, partition)}")


def grow(world, topic, partitions):
    admin = world.kafka.admin()
    admin.create_partitions([NewPartitions(topic, partitions)])[topic].result(30)


def delete_records(world, topic, before, partition=0):
    where = TopicPartition(topic, partition, before)
    admin = world.kafka.admin()
    admin.delete_records([where])[where].result(30)


def make_anew(world, topic, partitions=1):
    world.kafka.delete(topic)
    wait_until(lambda: topic not in world.kafka.admin().list_topics(timeout=120).topics, f"{topic} is gone")
    world.kafka.create(topic, partitions=partitions)


def events(receiver, *names, path="/ok"):
    return [run_event(name, receiver.url + path, synchronized=False) for name in names]


def warnings(agent, text):
    return [item for item in agent.log.snapshot() if item["level"] == "WARNING" and text in item["msg"]]


def warned(agent, text, count=1):
    """Those warnings, once they are written: the agent's lines go through a thread of their own."""
    of = lambda items: [item for item in items if item["level"] == "WARNING" and text in item["msg"]]
    found = of(agent.log.wait(lambda items: len(of(items)) >= count))
    assert len(found) == count, found
    return found


def only(found):
    assert len(found) == 1, found
    return found[0]


def transactional(world, name):
    producer = Producer({"bootstrap.servers": world.kafka.bootstrap, "transactional.id": f"{world.org}-{name}"})
    producer.init_transactions(30)
    return producer


def in_transaction(producer, world, values, commit=True):
    producer.begin_transaction()
    for value in values:
        producer.produce(world.runs, value=value, partition=0)
    producer.flush(30)
    producer.commit_transaction(30) if commit else producer.abort_transaction(30)
