"""What is wrong with Kafka is said, waited for and survived."""
import json

import pytest
from confluent_kafka.admin import AclBinding, AclBindingFilter, AclOperation, AclPermissionType, ResourcePatternType, ResourceType

from broker import SCRAM_PASSWORD, SCRAM_USER, free_port
from harness import run_event

pytestmark = pytest.mark.kafka


@pytest.mark.host
def test_a_topic_that_is_missing_is_waited_for(world, kafka, port, receiver):
    kafka.delete(world.runs, world.changes)
    agent = world.agent()
    def said(items):
        lines = [i for i in items if i["msg"] == "a topic cannot be consumed from"]
        return all(any(topic == line["messaging.destination.name"] and "PORT_ORG_ID" in line["reason"] for line in lines) for topic in (world.runs, world.changes))

    agent.log.wait(said, timeout=120)
    kafka.create(world.runs, world.changes)
    agent.assigned()
    world.produce(run_event("r_ok", receiver.url + "/ok"))
    receiver.wait_runs(["r_ok"])
    assert agent.terminate() == 0


def test_a_broker_that_is_away_is_said_and_a_signal_is_heard(world, port):
    agent = world.agent(KAFKA_CONSUMER_BOOTSTRAP_SERVERS=f"127.0.0.1:{free_port()}")
    agent.wait_log("Kafka error", timeout=120)
    assert agent.terminate() == 0


@pytest.mark.parametrize("resource", ["TOPIC", "GROUP"])
def test_an_authorisation_that_is_refused_is_said_and_waited_for(world, kafka, port, receiver, resource):
    names = {"TOPIC": [world.runs, world.changes], "GROUP": [world.group]}[resource]
    kinds = {"TOPIC": ResourceType.TOPIC, "GROUP": ResourceType.GROUP}
    port.credentials = {"brokers": [kafka.tls_bootstrap], "username": SCRAM_USER, "password": SCRAM_PASSWORD}
    del world.environment["KAFKA_CONSUMER_BOOTSTRAP_SERVERS"]

    def acl(make, name):
        return make(kinds[resource], name, ResourcePatternType.LITERAL, f"User:{SCRAM_USER}", "*", AclOperation.READ, AclPermissionType.DENY)

    admin = kafka.admin()
    for future in admin.create_acls([acl(AclBinding, name) for name in names]).values():
        future.result(30)
    agent = world.agent(USING_LOCAL_PORT_INSTANCE="false", SSL_CERT_FILE=str(kafka.ca))
    line = agent.wait_log({"TOPIC": "a topic cannot be consumed from", "GROUP": "Kafka error"}[resource], timeout=120)
    assert "authorization" in str(line).lower(), line
    world.produce(run_event("r_ok", receiver.url + "/ok"))
    for future in admin.delete_acls([acl(AclBindingFilter, name) for name in names]).values():
        future.result(30)
    receiver.wait_runs(["r_ok"], timeout=60)
    assert agent.terminate() == 0


@pytest.mark.parametrize("offset, words", [(-3597, "ahead of Port's"), (3597, "behind Port's"), (-40, "ahead of Port's")])
def test_a_clock_that_is_off_is_warned_of_with_how_much(world, port, receiver, offset, words):
    port.date_offset = offset
    agent = world.agent().assigned()
    line = agent.wait_log("this machine's clock is off")
    assert line["level"] == "WARNING" and words in line["reason"] and abs(line["ahead_s"] + offset) <= 5, line
    port.date_offset = 0
    world.produce(run_event("r_1", receiver.url + "/ok"))
    port.wait(lambda: port.of_run("r_1"))
    agent.wait_log("this machine's clock agrees with Port's again")
    assert agent.terminate() == 0
    assert sum(i["msg"] == "this machine's clock is off" for i in agent.log.snapshot()) == 1  # not with every answer


def test_a_clock_that_is_right_is_not_spoken_of(world, port):
    port.date_offset = 20
    agent = world.agent().assigned()
    port.wait(lambda: port.count("/v1/organization"))
    assert agent.terminate() == 0
    assert not any("clock" in i["msg"] for i in agent.log.snapshot())


@pytest.mark.parametrize("streamer, consequence", [("KAFKA", "no result can be reported"), ("POLLING", "no run can be claimed")])
def test_credentials_that_port_refuses_are_told_with_what_will_fail(world, port, streamer, consequence):
    port.token_status = 401
    agent = world.agent(STREAMER_NAME=streamer, POLLING_MAX_FAILURE_DURATION_SECONDS="60")
    line = agent.wait_log("Port refuses the credentials")
    assert line["level"] == "WARNING" and consequence in line["consequence"] and "PORT_CLIENT_SECRET" in line["msg"], line
    agent.terminate()
    assert not any("deliveries are not affected" in i["msg"] for i in agent.log.snapshot())


@pytest.mark.parametrize("token, other", [(404, None), (400, None), (500, None), (None, 503)])
@pytest.mark.parametrize("streamer, consequence", [("KAFKA", "no result can be reported"), ("POLLING", "no run can be claimed")])
def test_a_port_that_cannot_be_asked_is_told_with_what_will_fail(world, port, streamer, consequence, token, other):
    """A wrong PORT_API_BASE_URL answers 404: without a token no result reaches Port."""
    port.token_status, port.fail_status = token, other
    agent = world.agent(STREAMER_NAME=streamer)
    line = agent.wait_log("the streamer could not be announced to Port")
    assert line["level"] == "WARNING" and consequence in line["consequence"] and str(token or other) in line["error.message"], line
    assert "deliveries are not affected" not in line["msg"]
    agent.terminate()


def test_an_announcement_alone_that_port_refuses_affects_no_delivery(world, port):
    serve = port.serve
    port.serve = lambda method, path, body, headers: (403, {"ok": False}) if path == "/v1/organization" else serve(method, path, body, headers)
    agent = world.agent().assigned()
    assert "deliveries are not affected" in agent.wait_log("the streamer could not be announced to Port")["msg"]
    assert agent.terminate() == 0


def test_an_event_that_no_mapping_wants_is_told_with_its_run(world, port, receiver, tmp_path):
    (tmp_path / "mapping.json").write_text(json.dumps([{"enabled": ".payload.properties.mine"}]))
    agent = world.agent(CONTROL_THE_PAYLOAD_CONFIG_PATH=str(tmp_path / "mapping.json")).assigned()
    world.produce(*[run_event(f"r_other_{i}", receiver.url + "/ok") for i in range(3)], run_event("r_mine", receiver.url + "/ok", properties={"mine": True}))
    receiver.wait_runs(["r_mine"])
    unwanted = lambda items: [i for i in items if i["msg"] == "no mapping wants the event"]
    lines = unwanted(agent.log.wait(lambda items: len(unwanted(items)) == 3))
    assert [(i["level"], i["port.run_id"]) for i in lines] == [("INFO", f"r_other_{i}") for i in range(3)]
    assert agent.terminate() == 0  # the count of the last minute is told at the end as well
    [counted] = [i for i in agent.log.snapshot() if i["msg"] == "events that no mapping wants, within a minute"]
    assert counted["count"] == 3 and counted["level"] == "INFO"
    assert all(port.of_run(f"r_other_{i}") == [] for i in range(3))


def test_connected_is_said_when_it_is_so(world, kafka, port):
    agent = world.agent(KAFKA_CONSUMER_BOOTSTRAP_SERVERS=f"127.0.0.1:{free_port()}")
    agent.wait_log("Kafka error", timeout=120)
    assert agent.terminate() == 0
    assert not any(i["msg"].startswith(("connected", "consuming")) for i in agent.log.snapshot())
    agent = world.agent().assigned()
    messages = [i["msg"] for i in agent.log.snapshot()]
    assert messages.index("connecting to the Kafka brokers") < messages.index("connected to the Kafka brokers") < messages.index("partitions assigned")
    assert agent.terminate() == 0


@pytest.mark.slow(reason="it waits for more than a minute")
def test_a_topic_that_is_missing_is_said_every_minute(world, kafka, port):
    kafka.delete(world.runs, world.changes)
    agent = world.agent()
    lines = lambda items: [i for i in items if i["msg"] == "a topic cannot be consumed from" and i["messaging.destination.name"] == world.runs and "PORT_ORG_ID" in i["reason"]]
    agent.log.wait(lambda items: len(lines(items)) >= 3, timeout=150)
    assert agent.terminate() == 0
