"""Settings as people write them, by the whole agent."""
import subprocess

import pytest

from harness import BINARY, SECRET, run_event
from recorder import Recorder


@pytest.fixture
def recorder():
    one = Recorder()
    yield one
    one.close()


def start(**environment):
    """The start with settings that are wrong: exit code and the lines of standard error."""
    done = subprocess.run([BINARY], env=environment, capture_output=True, text=True, cwd="/tmp", timeout=120)
    return done.returncode, done.stderr.strip().splitlines()


REQUIRED = {"PORT_ORG_ID": "org_x", "PORT_CLIENT_ID": "client", "PORT_CLIENT_SECRET": SECRET, "KAFKA_CONSUMER_GROUP_ID": "group"}


def test_white_space_at_the_end_of_a_value_changes_nothing(world, port, recorder):
    """The group, the topic and the secret are those without it: the run is delivered, its signature verified, and the offset committed."""
    environment = {name: value + "\n" if name in ("PORT_CLIENT_SECRET", "KAFKA_CONSUMER_GROUP_ID", "PORT_ORG_ID") else value + " \t"
                   for name, value in world.environment.items()}
    world.environment = {**environment, "USING_LOCAL_PORT_INSTANCE": "t\r\n", "LOG_LEVEL": "NOTSET ", "LOG_FORMAT": "json"}
    agent = world.agent().assigned()
    world.produce(run_event("r_1", recorder.url + "/1"))
    port.wait(lambda: any(part == "" for _, part, _ in port.of_run("r_1")))
    warned = [i["reason"] for i in agent.log.snapshot() if i["msg"] == "settings" and "white space" in i.get("reason", "")]
    assert {line.split(":")[0] for line in warned} == set(world.environment) - {"LOG_FORMAT"}
    assert not any(SECRET in line for line in warned)
    assert agent.terminate() == 0
    from confluent_kafka import Consumer, TopicPartition
    consumer = Consumer({"bootstrap.servers": world.kafka.bootstrap, "group.id": world.group})
    [committed] = consumer.committed([TopicPartition(world.runs, 0)], timeout=120)
    consumer.close()
    assert committed.offset == 1


def test_a_name_that_misses_a_setting_is_warned_of_at_the_start(world):
    agent = world.agent(WEBHOOK_VERIFY_SLL="false", KAFKA_SERVICE_HOST="10.0.0.1", ACME_TOKEN="x").assigned()
    warned = [i["reason"] for i in agent.log.snapshot() if i["msg"] == "settings"]
    assert warned == ["WEBHOOK_VERIFY_SLL: is no setting and has no effect; did you mean WEBHOOK_VERIFY_SSL?"]
    assert agent.terminate() == 0


@pytest.mark.parametrize("brokers, told", [
    ("h:9092;h2:9092", ["'h:9092;h2:9092'"]), ("h:9092 h2:9092", ["'h:9092 h2:9092'"]), ("a|b,c:70000,good:9092,", ["'a|b'", "'c:70000'"]),
    ("http//h:9092", ["'http//h:9092'"]), ("h:9092,,h2:9092", ["''"]), ("http://h:9092,kafka://h2:9092", ["'http://h:9092'", "'kafka://h2:9092'"])])
def test_each_broker_that_cannot_be_one_is_refused_by_name(brokers, told):
    code, lines = start(**REQUIRED, USING_LOCAL_PORT_INSTANCE="true", KAFKA_CONSUMER_BOOTSTRAP_SERVERS=brokers)
    assert code == 78 and len(lines) == len(told), lines
    for line, name in zip(lines, told):
        assert line.startswith(f"KAFKA_CONSUMER_BOOTSTRAP_SERVERS: {name} is not accepted"), line


def test_a_final_comma_is_accepted(world):
    agent = world.agent(KAFKA_CONSUMER_BOOTSTRAP_SERVERS=world.kafka.bootstrap + " , ").assigned()
    assert agent.terminate() == 0


@pytest.mark.parametrize("local", [{}, {"USING_LOCAL_PORT_INSTANCE": "false"}, {"USING_LOCAL_PORT_INSTANCE": "n", "STREAMER_NAME": "KAFKA"},
                                   {"STREAMER_NAME": "KafkaToWebhookStreamer"}])
def test_brokers_without_a_local_port_stop_the_start(local):
    code, lines = start(**REQUIRED, **local, KAFKA_CONSUMER_BOOTSTRAP_SERVERS="h:9092")
    assert code == 78 and len(lines) == 1, lines
    assert lines[0].startswith("KAFKA_CONSUMER_BOOTSTRAP_SERVERS: works only with USING_LOCAL_PORT_INSTANCE=true")


def test_a_word_that_is_no_boolean_has_one_line_whatever_hangs_on_it():
    code, lines = start(**REQUIRED, USING_LOCAL_PORT_INSTANCE="maybe", KAFKA_CONSUMER_BOOTSTRAP_SERVERS="h:9092")
    assert code == 78 and len(lines) == 1 and lines[0].startswith("USING_LOCAL_PORT_INSTANCE: 'maybe' is not accepted"), lines


def test_verify_reads_a_secret_file_as_the_agent_does(tmp_path):
    (tmp_path / "secret").write_text(SECRET + " \u00a0\n")
    event = run_event("r_1", "http://x")
    done = subprocess.run([BINARY, "verify", "--event", "--secret-file", str(tmp_path / "secret")], input=event, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "white space" in done.stderr and SECRET not in done.stderr, done
