"""Where consuming begins: a group's first start, partitions and topics that appear later, groups taken over from another agent."""
import pytest
from confluent_kafka import Consumer

from harness import change_event, wait_until
from positions import committed, events, grow, only, wait_committed, warned

pytestmark = pytest.mark.kafka


# The first start


@pytest.mark.parametrize("setting", ["latest", "largest"])
def test_a_new_group_begins_at_the_end_of_every_partition_and_commits_that_before_it_takes_anything(make_world, receiver, setting):
    world = make_world(partitions=2)
    world.produce(*events(receiver, "before_1", "before_2"), partition=0)
    world.produce(*events(receiver, "before_3"), partition=1)
    agent = world.agent(KAFKA_CONSUMER_AUTO_OFFSET_RESET=setting).assigned()
    agent.kill()
    assert [committed(world, world.runs, n) for n in (0, 1)] == [2, 1]
    assert [committed(world, world.changes, n) for n in (0, 1)] == [0, 0]
    world.produce(*events(receiver, "after_1"), partition=0)
    world.produce(*events(receiver, "after_2"), partition=1)
    world.agent(KAFKA_CONSUMER_AUTO_OFFSET_RESET=setting)
    receiver.wait_runs(["after_1", "after_2"])
    assert sorted(receiver.runs()) == ["after_1", "after_2"]


@pytest.mark.parametrize("setting", ["earliest", "smallest"])
def test_a_new_group_begins_at_the_start(make_world, receiver, setting):
    world = make_world(partitions=2)
    world.produce(*events(receiver, "one", "two"), partition=0)
    world.produce(*events(receiver, "three"), partition=1)
    agent = world.agent(KAFKA_CONSUMER_AUTO_OFFSET_RESET=setting)
    receiver.wait_runs(["one", "two", "three"])
    wait_committed(world, 2)
    wait_committed(world, 0, world.changes)  # an empty partition's position is known as well
    assert agent.terminate() == 0
    assert not [i for i in agent.log.snapshot() if i["level"] == "WARNING"]


# What appears later


@pytest.mark.host
def test_partitions_that_appear_later_begin_at_their_start(world, receiver):
    world.produce(*events(receiver, "old"))
    agent = world.agent(KAFKA_CONSUMER_AUTO_OFFSET_RESET="largest").assigned()
    grow(world, world.runs, 3)
    names = [f"new_{n}" for n in range(6)]
    for n, event in enumerate(events(receiver, *names)):
        world.produce(event, partition=1 + n % 2)
    receiver.wait_runs(names, 60)
    for partition in (1, 2):
        wait_committed(world, 3, partition=partition)
    said = warned(agent, "appeared after the group had begun", 2)
    assert sorted((w["messaging.destination.partition.id"], w["to"]) for w in said) == [(1, 0), (2, 0)]
    assert "old" not in receiver.runs() and len(receiver.runs()) == 6
    assert agent.terminate() == 0


def test_partitions_that_appear_while_no_agent_runs_begin_at_their_start(world, receiver):
    world.produce(*events(receiver, "old"))
    agent = world.agent(KAFKA_CONSUMER_AUTO_OFFSET_RESET="largest").assigned()
    assert agent.terminate() == 0
    grow(world, world.runs, 2)
    world.produce(*events(receiver, "new_1", "new_2"), partition=1)
    agent = world.agent(KAFKA_CONSUMER_AUTO_OFFSET_RESET="largest")
    receiver.wait_runs(["new_1", "new_2"])
    said = only(warned(agent, "appeared after the group had begun"))
    assert (said["messaging.destination.partition.id"], said["to"], said["records"]) == (1, 0, 2)
    agent.kill()
    world.agent(KAFKA_CONSUMER_AUTO_OFFSET_RESET="largest").assigned()
    wait_committed(world, 2, partition=1)
    assert sorted(set(receiver.runs())) == ["new_1", "new_2"]


def test_a_topic_that_appears_later_begins_at_its_start(world, receiver):
    world.kafka.delete(world.changes)
    wait_until(lambda: world.changes not in world.kafka.admin().list_topics(timeout=120).topics, "the topic is gone")
    world.produce(*events(receiver, "old"))
    agent = world.agent(KAFKA_CONSUMER_AUTO_OFFSET_RESET="largest").assigned()
    world.kafka.create(world.changes, partitions=2)
    for partition in (0, 1):
        world.produce(change_event(receiver.url + f"/change{partition}"), topic=world.changes, partition=partition)
    receiver.seen.wait(lambda items: len(items) == 2, 60, "both changes")
    assert "old" not in receiver.runs()
    assert agent.terminate() == 0


def test_a_member_that_gets_only_the_new_partition_learns_the_first_start_from_the_others(world, receiver):
    world.produce(*events(receiver, "old"))
    start = lambda name: world.agent(KAFKA_CONSUMER_AUTO_OFFSET_RESET="largest", KAFKA_CONSUMER_GROUP_INSTANCE_ID=name)
    first = start("agent-0").assigned()
    assert first.terminate() == 0
    grow(world, world.runs, 2)
    world.produce(*events(receiver, "new_1", "new_2"), partition=1)
    agents = [start("agent-0"), start("agent-1")]
    receiver.wait_runs(["new_1", "new_2"])
    assert sorted(set(receiver.runs())) == ["new_1", "new_2"]
    for agent in agents:
        assert agent.terminate() == 0


# A takeover


class OlderAgent:
    """A member of the group as today's agent is one: it commits what it consumed, with nothing beside it."""

    def __init__(self, world):
        self.consumer = Consumer({"bootstrap.servers": world.kafka.bootstrap, "group.id": world.group, "auto.offset.reset": "largest",
                                  "enable.auto.commit": False, "enable.partition.eof": True})
        ends = set()
        self.consumer.subscribe([world.runs, world.changes])

        def seen():
            message = self.consumer.poll(0.1)
            if message and message.error():
                ends.add((message.topic(), message.partition()))
            return len(ends) == sum(len(world.kafka.admin().list_topics(t, 10).topics[t].partitions) for t in (world.runs, world.changes))

        wait_until(seen, "its positions at the ends")

    def run(self, count):
        done = []
        wait_until(lambda: self._take(done) >= count, "records")
        self.consumer.close()
        return done

    def _take(self, done):
        message = self.consumer.poll(0.1)
        if message and not message.error():
            done.append(message.value())
            self.consumer.commit(message, asynchronous=False)
        return len(done)


def taken_over(make_world, receiver):
    """Partition 0 was consumed from, 1 and 2 have old events that nobody consumed, the change log was never consumed from."""
    world = make_world(partitions=3)
    for partition in (0, 1, 2):
        world.produce(*events(receiver, f"old_{partition}"), partition=partition)
    world.produce(change_event(receiver.url + "/old"), topic=world.changes, partition=1)
    older = OlderAgent(world)
    world.produce(*events(receiver, "by_the_older_one"), partition=0)
    older.run(1)
    assert [committed(world, world.runs, n) for n in (0, 1, 2)] == [2, None, None]
    return world


@pytest.mark.host
def test_a_group_of_todays_agent_is_taken_over(make_world, receiver):
    world = taken_over(make_world, receiver)
    world.produce(*events(receiver, "meanwhile"), partition=0)
    agent = world.agent(KAFKA_CONSUMER_AUTO_OFFSET_RESET="largest").assigned()
    assert [committed(world, world.runs, n) for n in (1, 2)] == [1, 1]
    assert committed(world, world.changes, 1) == 1
    said = warned(agent, "never consumed from this partition", 5)
    assert {(w["messaging.destination.name"], w["messaging.destination.partition.id"], w["to"], w["records_before"]) for w in said} == \
        {(world.runs, 1, 1, 1), (world.runs, 2, 1, 1), (world.changes, 0, 0, 0), (world.changes, 1, 1, 1), (world.changes, 2, 0, 0)}
    agent.kill()
    for partition in (0, 1, 2):
        world.produce(*events(receiver, f"after_{partition}"), partition=partition)
    grow(world, world.runs, 4)
    world.produce(*events(receiver, "after_3"), partition=3)
    agent = world.agent(KAFKA_CONSUMER_AUTO_OFFSET_RESET="largest")
    expected = {"meanwhile", "after_0", "after_1", "after_2", "after_3"}
    receiver.wait_runs(expected)
    assert agent.terminate() == 0
    assert {s["run"] for s in receiver.seen.snapshot()} == expected


def test_a_group_is_taken_over_by_two_at_once_of_which_one_dies(make_world, receiver):
    """Whoever is left knows what the other one's partitions had before, and runs nothing of it."""
    world = taken_over(make_world, receiver)
    agents = [world.agent(KAFKA_CONSUMER_AUTO_OFFSET_RESET="largest") for _ in range(2)]
    agents[1].kill()
    agents[0].assigned()
    for partition in (0, 1, 2):
        world.produce(*events(receiver, f"after_{partition}"), partition=partition)
    receiver.wait_runs([f"after_{n}" for n in range(3)], 60)
    assert not {run for run in receiver.runs() if run.startswith("old")}
    assert agents[0].terminate() == 0


def test_a_group_whose_every_partition_was_consumed_is_taken_over_and_grows_before_anything_is_done(world, receiver):
    older = OlderAgent(world)
    world.produce(*events(receiver, "old"))
    world.produce(change_event(receiver.url + "/old"), topic=world.changes)
    older.run(2)
    world.agent(KAFKA_CONSUMER_AUTO_OFFSET_RESET="largest").assigned().kill()
    grow(world, world.runs, 2)
    world.produce(*events(receiver, "new"), partition=1)
    world.agent(KAFKA_CONSUMER_AUTO_OFFSET_RESET="largest")
    receiver.wait_runs(["new"])
    assert receiver.runs() == ["new"]
