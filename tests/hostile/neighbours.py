"""Hostile neighbours: what else runs on the agent's machine, in its consumer group and on its brokers. Each is a function of a Place."""
import os
import pathlib
import signal
import socket
import struct
import time

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import NewPartitions

from harness import change_event, produce, wait_until


class Place:
    def __init__(self, world, agent):
        self.world, self.agent, self.pid = world, agent, agent.process.pid
        host, port = world.kafka.bootstrap.rsplit(":", 1)
        self.broker = (host, int(port))

    def consumer(self, **options):
        return Consumer({"bootstrap.servers": self.world.kafka.bootstrap, "group.id": self.world.group, "enable.auto.commit": False,
                         "session.timeout.ms": 6000, **options})


def children(pid):
    return [int(child) for task in pathlib.Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()]


def signals_that_mean_nothing(place):
    for number in (signal.SIGPIPE, signal.SIGALRM, signal.SIGWINCH, signal.SIGCHLD, signal.SIGURG):
        os.kill(place.pid, number)


def freezes_it_for_a_second(place):
    os.kill(place.pid, signal.SIGSTOP)
    time.sleep(1)
    os.kill(place.pid, signal.SIGCONT)


def kills_those_that_evaluate(place):
    """Children of the compiler, which is a child of the agent's child. Without a compiler nothing can be evaluated: the agent would end."""
    for process in children(place.pid):
        for compiler in children(process):
            for evaluator in children(compiler):
                os.kill(evaluator, signal.SIGKILL)


def takes_two_hundred_connections_of_the_broker(place):
    silent = [socket.create_connection(place.broker) for _ in range(200)]
    for one in silent:
        one.close()


def sends_the_broker_what_is_no_request(place):
    for size in (0, 4, 0x7FFFFFFF, 0xFFFFFFFF):
        with socket.create_connection(place.broker) as connection:
            connection.sendall(struct.pack(">I", size) + b"\xff" * 100)


def commits_for_the_group_without_being_in_it(place):
    consumer = place.consumer()
    try:
        consumer.commit(offsets=[TopicPartition(place.world.runs, 0, 1 << 40)], asynchronous=False)
        raise AssertionError("somebody who is not in the group has committed for it")
    except KafkaException as refused:
        print(f"a commit of a stranger: {refused.args[0].name()}")
    finally:
        consumer.close()


def writes_twenty_thousand_events_of_nobody(place):
    produce(place.world.kafka.bootstrap, place.world.changes, [change_event("http://127.0.0.1:1/", agent=False)] * 20_000)


def adds_a_partition(place):
    admin = place.world.kafka.admin()
    for future in admin.create_partitions([NewPartitions(place.world.changes, 6)]).values():
        future.result(30)


def removes_what_was_written(place):
    admin = place.world.kafka.admin()
    for future in admin.delete_records([TopicPartition(place.world.changes, 0, -1)]).values():
        future.result(30)


def joins_with_a_strategy_of_its_own(place):
    """Which the group refuses while the agent is in it."""
    consumer = place.consumer(**{"partition.assignment.strategy": "cooperative-sticky"})
    consumer.subscribe([place.world.runs])

    def refused():
        message = consumer.poll(0.1)
        assert message is None or message.error(), "it was let in"
        return message is not None

    wait_until(refused, "the neighbour was not answered", 60)
    consumer.close()


def joins_takes_what_it_can_and_leaves(place):
    consumer, got = place.consumer(), []
    consumer.subscribe([place.world.runs, place.world.changes], on_assign=lambda _, partitions: got.extend(partitions))

    def assigned():
        consumer.poll(0.1)
        return got

    wait_until(assigned, "the neighbour got no partition", 90)
    consumer.close()


# joins_takes_what_it_can_and_leaves has a turn of its own: it takes the agent's partitions away.
BEHAVIOURS = [signals_that_mean_nothing, freezes_it_for_a_second, kills_those_that_evaluate, takes_two_hundred_connections_of_the_broker,
              sends_the_broker_what_is_no_request, commits_for_the_group_without_being_in_it, writes_twenty_thousand_events_of_nobody,
              removes_what_was_written, adds_a_partition, joins_with_a_strategy_of_its_own]
