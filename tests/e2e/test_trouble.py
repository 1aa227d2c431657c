"""What is wrong with Kafka is said, waited for and survived."""
import pytest
from confluent_kafka.admin import AclBinding, AclBindingFilter, AclOperation, AclPermissionType, ResourcePatternType, ResourceType

from broker import SCRAM_PASSWORD, SCRAM_USER, free_port
from harness import run_event


@pytest.mark.host
def test_a_topic_that_is_missing_is_waited_for(world, kafka, port, receiver):
    kafka.delete(world.runs, world.changes)
    agent = world.agent()
    def said(items):
        lines = [i for i in items if i["msg"] == "Kafka error"]
        return all(any(topic in line["error.message"] and "PORT_ORG_ID" in line["hint"] for line in lines) for topic in (world.runs, world.changes))

    agent.log.wait(said, timeout=30)
    kafka.create(world.runs, world.changes)
    agent.assigned()
    world.produce(run_event("r_ok", receiver.url + "/ok"))
    receiver.wait_runs(["r_ok"])
    assert agent.terminate() == 0


def test_a_broker_that_is_away_is_said_and_a_signal_is_heard(world, port):
    agent = world.agent(KAFKA_CONSUMER_BOOTSTRAP_SERVERS=f"127.0.0.1:{free_port()}")
    agent.wait_log("Kafka error", timeout=20)
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
    line = agent.wait_log("Kafka error", timeout=30)
    assert "authorization" in str(line).lower(), line
    world.produce(run_event("r_ok", receiver.url + "/ok"))
    for future in admin.delete_acls([acl(AclBindingFilter, name) for name in names]).values():
        future.result(30)
    receiver.wait_runs(["r_ok"], timeout=60)
    assert agent.terminate() == 0
