"""Where consuming goes on: positions that the log has lost, topics made anew, and what holds no record."""
import pytest
from confluent_kafka import Consumer, TopicPartition

from accounting import committed as committed_runs
from harness import change_event, wait_until
from positions import committed, delete_records, end_of, events, in_transaction, knows_topic_ids, make_anew, only, transactional, wait_committed, warned, warnings

pytestmark = pytest.mark.kafka

SETTINGS = ["earliest", "smallest", "latest", "largest"]


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
