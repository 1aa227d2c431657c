"""A cluster of three brokers (three replicas, two of them in sync at least): brokers die, leaders move, all are restarted one by one, while
records come and are delivered."""
import threading
import time

import pytest
from accounting import arrivals, assert_order, assert_repeats_within, deliveries, records, wait_all, wait_count
from cluster import Cluster
from confluent_kafka import Producer

pytestmark = pytest.mark.kafka_long

IN_FLIGHT = 256


@pytest.fixture(scope="module")
def kafka():
    one = Cluster()
    try:
        yield one.start()
    finally:
        one.stop()


class Load(threading.Thread):
    """Writes the records, so many a second, each on two brokers at least and none twice, whatever happens to the brokers."""

    def __init__(self, world, values, rate):
        super().__init__(daemon=True)
        self.world, self.values, self.rate, self.failures = world, values, rate, []
        self.start()

    def run(self):
        producer = Producer({"bootstrap.servers": self.world.kafka.bootstrap, "enable.idempotence": True, "acks": "all", "linger.ms": 5,
                             "message.timeout.ms": 120000, "log_level": 0})
        began = time.monotonic()
        for number, (key, value) in enumerate(self.values):
            while (ahead := number / self.rate - (time.monotonic() - began)) > 0:
                producer.poll(min(ahead, 0.1))
            producer.produce(self.world.runs, value=value, key=key, on_delivery=lambda error, _: self.failures.append(error) if error else None)
        self.left = producer.flush(120)

    def end(self):
        self.join(300)
        assert not self.is_alive() and self.left == 0 and self.failures == [], self.failures[:3]


def test_a_broker_that_dies_and_a_rolling_restart_under_load_lose_nothing(kafka, make_world, receivers):
    world = make_world(partitions=6)
    count, troubles = 20000, []
    agent = world.agent(RUN_LOGS="off", KAFKA_CONSUMER_SESSION_TIMEOUT_MS="10000").assigned()
    load = Load(world, records(receivers, count, delays=(0, 1, 5, 20)), 400)
    try:
        wait_count(receivers, 1000)
        victim = kafka.node(kafka.leaders(world.runs)[0])  # it leads a partition that is being read
        troubles.append(time.monotonic())
        victim.kill()
        kafka.wait(lambda metadata: all(p.leader not in (-1, victim.number) for p in metadata.topics[world.runs].partitions.values()))
        wait_count(receivers, sum(deliveries(receivers).values()) + 200)  # it goes on without that broker
        victim.start()
        kafka.wait_in_sync(world.runs)
        troubles.append(time.monotonic())
        kafka.elect_preferred()  # leaders move without any broker's going
        for node in kafka.nodes:
            troubles.append(time.monotonic())
            node.terminate()
            node.start()
            kafka.wait_in_sync(world.runs)
            kafka.elect_preferred()
        load.end()
        wait_all(receivers, count, 120)
    finally:
        load.join(1)
    assert all(item["valid"] for item in arrivals(receivers))
    assert_order(receivers)
    assert_repeats_within(receivers, troubles, IN_FLIGHT)
    assert agent.terminate() == 0
    agent = world.agent(RUN_LOGS="off").assigned()  # nothing is owed: all was committed
    before = sum(deliveries(receivers).values())
    world.produce(*[(None, value) for _, value in records(receivers, 1)])
    wait_count(receivers, before + 1)
    assert agent.terminate() == 0
    assert sum(deliveries(receivers).values()) == before + 1


def test_what_is_written_while_two_brokers_are_away_is_delivered_once_they_are_back(kafka, make_world, receivers):
    """With one replica in sync nothing can be written; what was written before is read, and its offset is committed as soon as it can be."""
    world = make_world(partitions=3)
    agent = world.agent(RUN_LOGS="off", KAFKA_CONSUMER_SESSION_TIMEOUT_MS="10000").assigned()
    load = Load(world, records(receivers, 600, delays=(0,)), 100)
    wait_count(receivers, 100)
    for node in kafka.nodes[:2]:
        node.kill()
    for node in kafka.nodes[:2]:
        node.start()
    kafka.wait_in_sync(world.runs, timeout=120)
    load.end()
    wait_all(receivers, 600, 120)
    assert_order(receivers)
    assert agent.terminate() == 0
