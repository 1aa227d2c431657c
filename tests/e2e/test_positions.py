"""Where consuming begins and goes on: a group's first start, partitions and topics that appear later, positions that the log has
lost, topics made anew, groups taken over from another agent, and what holds no record."""
import functools
import subprocess

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import NewPartitions, OffsetSpec

from accounting import committed as committed_runs
from harness import BINARY, change_event, run_event, wait_until

pytestmark = pytest.mark.kafka

SETTINGS = ["earliest", "smallest", "latest", "largest"]


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


# Positions that the log has lost


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_position_that_retention_has_passed_goes_on_with_the_earliest_record(world, receiver, setting):
    agent = world.agent().assigned()
    world.produce(*events(receiver, *[f"first_{n}" for n in range(3)]))
    wait_committed(world, 3)
    assert agent.terminate() == 0
    world.produce(*events(receiver, *[f"r_{n}" for n in range(3, 13)]))
    delete_records(world, world.runs, 6)
    agent = world.agent(KAFKA_CONSUMER_AUTO_OFFSET_RESET=setting)
    receiver.wait_runs([f"r_{n}" for n in range(6, 13)])
    wait_committed(world, 13)
    said = only(warned(agent, "records are gone"))
    assert (said["messaging.destination.name"], said["from"], said["to"], said["gone"]) == (world.runs, 3, 6, 3)
    assert len(receiver.runs()) == 3 + 7
    assert agent.terminate() == 0


@pytest.mark.host
@pytest.mark.parametrize("setting", ["earliest", "largest"])
def test_a_log_that_retention_has_emptied_is_passed(world, receiver, setting):
    agent = world.agent().assigned()
    world.produce(*events(receiver, *[f"first_{n}" for n in range(3)]))
    wait_committed(world, 3)
    assert agent.terminate() == 0
    world.produce(*events(receiver, *[f"r_{n}" for n in range(3, 13)]))
    delete_records(world, world.runs, 13)
    agent = world.agent(KAFKA_CONSUMER_AUTO_OFFSET_RESET=setting)
    wait_committed(world, 13)
    said = only(warned(agent, "records are gone"))
    assert (said["from"], said["to"], said["gone"]) == (3, 13, 10)
    world.produce(*events(receiver, "after"))
    receiver.wait_runs(["after"])
    assert len(receiver.runs()) == 4


def test_records_that_are_deleted_behind_the_position_are_no_loss(world, receiver):
    agent = world.agent(KAFKA_CONSUMER_AUTO_OFFSET_RESET="largest").assigned()
    world.produce(*events(receiver, *[f"r_{n}" for n in range(5)]))
    wait_committed(world, 5)
    delete_records(world, world.runs, 5)
    world.produce(*events(receiver, "after"))
    wait_committed(world, 6)
    assert agent.terminate() == 0
    again = world.agent(KAFKA_CONSUMER_AUTO_OFFSET_RESET="largest").assigned()
    assert again.terminate() == 0
    assert len(receiver.runs()) == 6 and not warnings(agent, "") and not warnings(again, "")


# Topics made anew


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_topic_made_anew_and_shorter_while_no_agent_runs_is_consumed_from_its_start(world, receiver, setting):
    agent = world.agent().assigned()
    world.produce(*events(receiver, *[f"old_{n}" for n in range(5)]))
    wait_committed(world, 5)
    assert agent.terminate() == 0
    make_anew(world, world.runs)
    world.produce(*events(receiver, "new_0", "new_1"))
    agent = world.agent(KAFKA_CONSUMER_AUTO_OFFSET_RESET=setting)
    receiver.wait_runs(["new_0", "new_1"])
    wait_committed(world, 2)
    assert agent.terminate() == 0
    assert len(receiver.runs()) == 7


def test_a_topic_made_anew_while_no_agent_runs_is_consumed_from_its_start_whatever_its_length(world, receiver):
    """The broker forgets a topic's offsets with the topic; the other topic's say that the group has begun."""
    agent = world.agent(KAFKA_CONSUMER_AUTO_OFFSET_RESET="largest").assigned()
    world.produce(*events(receiver, "old_0", "old_1"))
    wait_committed(world, 2)
    assert agent.terminate() == 0
    make_anew(world, world.runs)
    names = [f"new_{n}" for n in range(6)]
    world.produce(*events(receiver, *names))
    agent = world.agent(KAFKA_CONSUMER_AUTO_OFFSET_RESET="largest")
    receiver.wait_runs(names)
    said = only(warned(agent, "appeared after the group had begun"))
    assert (said["messaging.destination.name"], said["to"], said["records"]) == (world.runs, 0, 6)
    assert agent.terminate() == 0


@pytest.mark.parametrize("setting", ["earliest", "largest"])
def test_an_offset_of_a_topic_that_is_gone_is_known_for_one(world, receiver, setting):
    """Somebody keeps the group's offsets over the topic's end: a tool that copies them back, say."""
    if not knows_topic_ids():
        pytest.skip("librdkafka before 2.3 tells no topic ids")
    agent = world.agent().assigned()
    world.produce(*events(receiver, "old_0", "old_1"))
    wait_committed(world, 2)
    assert agent.terminate() == 0
    kept = committed_runs(world)
    make_anew(world, world.runs)
    tool = Consumer({"bootstrap.servers": world.kafka.bootstrap, "group.id": world.group})
    tool.commit(offsets=[TopicPartition(world.runs, 0, kept.offset, kept.metadata)], asynchronous=False)
    tool.close()
    names = [f"new_{n}" for n in range(6)]
    world.produce(*events(receiver, *names))
    agent = world.agent(KAFKA_CONSUMER_AUTO_OFFSET_RESET=setting)
    receiver.wait_runs(names)
    said = only(warned(agent, "made anew"))
    assert (said["from"], said["to"], said["records"]) == (2, 0, 6)
    wait_committed(world, 6)
    assert agent.terminate() == 0


@pytest.mark.host
@pytest.mark.parametrize("count", [2, 12], ids=["shorter", "longer"])
@pytest.mark.parametrize("setting", ["earliest", "largest"])
def test_a_topic_made_anew_under_a_running_agent_is_consumed_from_its_start(world, receiver, setting, count):
    agent = world.agent(KAFKA_CONSUMER_AUTO_OFFSET_RESET=setting).assigned()
    world.produce(*events(receiver, *[f"old_{n}" for n in range(5)]))
    world.produce(change_event(receiver.url + "/change"), topic=world.changes)
    wait_committed(world, 5)
    world.kafka.delete(world.runs)
    wait_until(lambda: world.runs not in world.kafka.admin().list_topics(timeout=120).topics, "the topic is gone")
    if not knows_topic_ids() and count > 5:
        # Only where it is seen to be gone can a longer one be told from it.
        agent.wait_log("partitions revoked", 60)
    world.kafka.create(world.runs)
    names = [f"new_{n}" for n in range(count)]
    world.produce(*events(receiver, *names))
    receiver.wait_runs(names, 90)
    wait_committed(world, count)
    if knows_topic_ids():
        agent.wait_log("a topic was made anew while it was consumed from", 60)
        agent.log.wait(lambda items: sum(i["msg"] == "partitions assigned" for i in items) >= 2, what="a fresh client")
    world.produce(*events(receiver, "later"))
    receiver.wait_runs(["later"], 60)
    wait_committed(world, count + 1)
    assert agent.terminate() == 0
    told = [i for i in agent.log.snapshot() if "rewound" in i["msg"] or "its start" in i["msg"]]
    assert only(told)["level"] == "WARNING" or (setting == "earliest" and "appeared" in told[0]["msg"])
    assert sorted(r for r in receiver.runs() if r) == sorted([f"old_{n}" for n in range(5)] + names + ["later"])


@pytest.mark.host
def test_what_was_delivered_of_a_topic_that_is_gone_is_no_reason_to_skip_the_same_bytes(world, receiver):
    """A change-log event has no signature, and may be written again as it was, where it was."""
    agent = world.agent(KAFKA_CONSUMER_AUTO_OFFSET_RESET="largest").assigned()
    event, run = change_event(receiver.url + "/same"), events(receiver, "same")
    world.produce(event, topic=world.changes)
    world.produce(*run)
    wait_committed(world, 1)
    wait_committed(world, 1, world.changes)
    world.kafka.delete(world.runs, world.changes)
    wait_until(lambda: not {world.runs, world.changes} & set(world.kafka.admin().list_topics(timeout=120).topics), "the topics are gone")
    if not knows_topic_ids():
        agent.wait_log("partitions revoked", 60)
    world.kafka.create(world.runs, world.changes)
    world.produce(event, event, topic=world.changes)
    world.produce(*run, *run)
    # The records behind the old position may be delivered before the agent notices, and then once more.
    count = lambda items: [[one["path"] for one in items].count(path) for path in ("/ok", "/same")]
    receiver.seen.wait(lambda items: min(count(items)) >= 3)
    wait_committed(world, 2)
    wait_committed(world, 2, world.changes)
    assert agent.terminate() == 0
    assert max(count(receiver.seen.snapshot())) <= 4


def test_a_topic_made_anew_under_two_agents_is_consumed_from_its_start(make_world, receiver):
    """Each gets a fresh client, and what one had delivered before it noticed may come again to the other."""
    if not knows_topic_ids():
        pytest.skip("librdkafka before 2.3 tells no topic ids")
    world = make_world(partitions=3)
    agents = [world.agent(KAFKA_CONSUMER_AUTO_OFFSET_RESET="largest", KAFKA_CONSUMER_ASSIGNMENT_STRATEGY="cooperative-sticky")
              for _ in range(2)]
    for agent in agents:
        agent.assigned()
    for partition in range(3):
        world.produce(*events(receiver, f"old_{partition}_0", f"old_{partition}_1"), partition=partition)
    for partition in range(3):
        wait_committed(world, 2, partition=partition)
    make_anew(world, world.runs, partitions=3)
    names = [f"new_{partition}_{n}" for partition in range(3) for n in range(6)]
    for partition in range(3):
        world.produce(*events(receiver, *[name for name in names if name.startswith(f"new_{partition}")]), partition=partition)
    receiver.wait_runs(names, 90)
    for partition in range(3):
        wait_committed(world, 6, partition=partition)
    for agent in agents:
        assert agent.terminate() == 0


def test_what_is_under_way_of_the_other_topic_outlives_a_fresh_client_and_sigterm_ends_it(world, receiver):
    if not knows_topic_ids():
        pytest.skip("librdkafka before 2.3 tells no topic ids")
    agent = world.agent(KAFKA_CONSUMER_AUTO_OFFSET_RESET="largest", RUN_LOGS="off", DRAIN_TIMEOUT_SECONDS="2").assigned()
    changes = lambda name, count: [change_event(f"{receiver.url}/{name}{n}") for n in range(count)]
    paths = lambda items: {i["path"] for i in items}
    world.produce(*changes("old", 2), topic=world.changes)
    world.produce(*events(receiver, "stuck", path="/never"))
    wait_committed(world, 2, world.changes)
    make_anew(world, world.changes)
    world.produce(*changes("new", 5), topic=world.changes)
    receiver.seen.wait(lambda items: {f"/new{n}" for n in range(5)} <= paths(items), 60, "all changes")
    receiver.seen.wait(lambda items: sum(i["run"] == "stuck" for i in items) == 2, 60, "the stuck one again")
    wait_committed(world, 5, world.changes)
    make_anew(world, world.changes)
    world.produce(*changes("newer", 7), topic=world.changes)
    agent.log.wait(lambda items: sum("was made anew while" in i["msg"] for i in items) == 2, 60, "the second fresh client")
    assert agent.terminate() == 0


# What holds no record


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


@pytest.mark.host
def test_the_marker_of_a_transaction_at_the_end_leaves_no_lag(world, receiver):
    agent = world.agent().assigned()
    producer = transactional(world, "t")
    in_transaction(producer, world, events(receiver, "r_1", "r_2"))
    wait_committed(world, 3)
    in_transaction(producer, world, events(receiver, "never_1", "never_2"), commit=False)
    # The broker writes the marker after it has answered the producer, so the partition's end is no measure yet.
    wait_committed(world, 6)
    in_transaction(producer, world, events(receiver, "r_3"))
    wait_committed(world, 8)
    assert end_of(world, world.runs) == 8
    assert agent.terminate() == 0
    assert receiver.runs() == ["r_1", "r_2", "r_3"]


def test_a_marker_is_passed_by_an_agent_that_comes_later_and_only_once_everything_before_it_is_done(world, receiver):
    producer = transactional(world, "t")
    in_transaction(producer, world, events(receiver, "stuck", path="/never"))
    agent = world.agent(DRAIN_TIMEOUT_SECONDS="1", RUN_LOGS="off").assigned()
    receiver.wait_runs(["stuck"])
    world.produce(*events(receiver, "done"))
    receiver.wait_runs(["done"])
    in_transaction(producer, world, events(receiver, "never"), commit=False)
    wait_until(lambda: committed(world, world.runs) == 0, "nothing is done")
    assert agent.terminate() == 0
    assert committed(world, world.runs) in (None, 0)


def test_a_partition_of_markers_alone_has_no_lag(world, receiver):
    producer = transactional(world, "t")
    in_transaction(producer, world, events(receiver, "never"), commit=False)
    agent = world.agent().assigned()
    wait_committed(world, 2)
    assert agent.terminate() == 0
    assert receiver.runs() == []
