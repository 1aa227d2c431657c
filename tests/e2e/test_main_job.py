"""The main job: Kafka in, signed webhooks out, results reported. Each test asserts by run id."""
import signal
import os
import json
import subprocess

import pytest
from confluent_kafka import Consumer, TopicPartition

from harness import BINARY, ROOT, SECRET, change_event, run_event

pytestmark = pytest.mark.kafka


def committed(world, topic=None, partition=0):
    consumer = Consumer({"bootstrap.servers": world.kafka.bootstrap, "group.id": world.group})
    try:
        return consumer.committed([TopicPartition(topic or world.runs, partition)], timeout=120)[0]
    finally:
        consumer.close()


@pytest.mark.host
def test_synchronous_success_is_reported_with_its_response(world, port, receiver):
    agent = world.agent().assigned()
    world.produce(run_event("r_ok", receiver.url + "/ok"))
    port.wait(lambda: len(port.of_run("r_ok")) == 4)
    kinds = port.of_run("r_ok")
    assert [(m, p) for m, p, _ in kinds] == [("POST", "/logs"), ("POST", "/logs"), ("PATCH", "/response"), ("PATCH", "")]
    assert kinds[2][2] == {"response": {"received": True}}
    assert kinds[3][2] == {"status": "SUCCESS"}
    seen = receiver.wait_runs(["r_ok"])  # its output may come after all that the answer led to
    assert len(seen) == 1 and seen[0]["valid"] and seen[0]["type"] == "application/json"
    assert seen[0]["idempotency"] == seen[0]["webhook_id"] == f"{world.runs}-0-0"
    line = agent.wait_log("webhook delivered", port__run_id="r_ok")
    assert line["http.response.status_code"] == 200 and line["messaging.kafka.offset"] == 0
    assert agent.terminate() == 0
    assert port.count("/v1/auth/access_token") == 1
    assert committed(world).offset == 1


def test_failures_are_reported_whatever_the_mode(world, port, receiver):
    world.agent(WEBHOOK_INVOKER_TIMEOUT="0.5").assigned()
    world.produce(run_event("r_502", receiver.url + "/status/502"), run_event("r_async", receiver.url + "/status/500", synchronized=False),
                  run_event("r_refused", "http://127.0.0.1:1/x", synchronized=False), run_event("r_never", receiver.url + "/never"),
                  run_event("r_nourl", "ftp://x/y"))
    for run, words in (("r_502", "502"), ("r_async", "500"), ("r_refused", "refused"), ("r_never", "no answer in time"), ("r_nourl", "http")):
        port.wait(lambda: any(p == "" for _, p, _ in port.of_run(run)))
        outcome = [b for _, p, b in port.of_run(run) if p == ""][0]
        assert outcome["status"] == "FAILURE" and words in outcome["summary"], (run, outcome)


def test_asynchronous_success_costs_three_requests(world, port, receiver):
    agent = world.agent().assigned()
    world.produce(run_event("r_async", receiver.url + "/ok", synchronized=False))
    port.wait(lambda: len(port.of_run("r_async")) == 2)
    assert agent.terminate() == 0
    assert [p for _, p, _ in port.of_run("r_async")] == ["/logs", "/logs"]


def test_progress_logs_that_hang_cost_no_result_when_the_agent_is_stopped(world, port, receiver):
    port.logs_answered.clear()
    agent = world.agent(DRAIN_TIMEOUT_SECONDS="15").assigned()
    world.produce(run_event("r_hung", receiver.url + "/ok"))
    agent.wait_log("webhook delivered", port__run_id="r_hung")
    assert agent.terminate(timeout=120) == 0
    assert [p for _, p, _ in port.of_run("r_hung")] == ["/logs", "/response", ""]
    assert committed(world).offset == 1


@pytest.mark.host
def test_every_method_and_both_receivers(world, port, receiver, node_receiver):
    world.agent().assigned()
    methods = ["POST", "PUT", "PATCH", "DELETE", "GET"]
    world.produce(*[run_event(f"r_{m}", receiver.url + "/ok", method=m) for m in methods],
                  *[run_event(f"n_{m}", node_receiver.url + "/ok", method=m) for m in methods])
    receiver.wait_runs([f"r_{m}" for m in methods])
    node_receiver.wait_runs([f"n_{m}" for m in methods])
    for one in (receiver, node_receiver):
        for seen in one.seen.snapshot():
            assert seen["valid"] and seen["run"].endswith(seen["method"])


@pytest.mark.host
def test_vectors_get_their_answer_and_their_body(world, port, receiver):
    """Their URLs lead nowhere: the receiver is the proxy on the way there."""
    agent = world.agent(HTTP_PROXY=receiver.url, NO_PROXY=port.url.removeprefix("http://"), GITLAB_URL="http://gitlab.test/").assigned()
    vectors = [json.loads(line) for line in open(ROOT / "tests/vectors/signature-vectors.jsonl")]
    world.produce(*[v["record"] for v in vectors])
    handled = lambda items: sum(i["msg"].startswith(("webhook ", "event refused")) for i in items) == len(vectors)
    by_offset = {i["messaging.kafka.offset"]: i["msg"] for i in agent.log.wait(handled) if "messaging.kafka.offset" in i}
    for offset, vector in enumerate(vectors):
        assert by_offset[offset].startswith("webhook delivered" if vector["valid"] else "event refused"), vector["name"]
    sent = {int(seen["idempotency"].rsplit("-", 1)[1]): seen for seen in receiver.seen.snapshot()}
    assert set(sent) == {offset for offset, vector in enumerate(vectors) if vector["valid"]}
    for offset, seen in sent.items():
        assert seen["valid"], vectors[offset]["name"]
        if "gitlab.test" in seen["path"]:  # its mapping makes a pipeline's request of it, the event inside
            assert vectors[offset]["body"] in seen["body"], vectors[offset]["name"]
        elif "body" in vectors[offset]:
            assert seen["body"] == vectors[offset]["body"], vectors[offset]["name"]


def test_what_is_not_for_us_or_not_signed_is_not_delivered(world, port, receiver):
    agent = world.agent().assigned()
    world.produce(run_event("r_tampered", receiver.url + "/ok", tampered=True), run_event("r_other", receiver.url + "/ok", agent=False),
                  change_event(receiver.url + "/ok"), run_event("r_last", receiver.url + "/ok"))
    world.produce(change_event(receiver.url + "/ok", {"runId": "change"}), topic=world.changes)
    receiver.wait_runs(["r_last", "change"])
    assert sorted(receiver.runs()) == ["change", "r_last"]
    assert agent.wait_log("event refused: signature wrong", port__run_id="r_tampered")["level"] == "WARNING"
    assert agent.terminate() == 0
    assert port.of_run("r_tampered") == [] and port.of_run("change") == []
    assert committed(world).offset == 4


def test_bad_records_are_logged_skipped_and_passed(world, port, receiver):
    agent = world.agent(RECORD_MAX_BYTES="100000").assigned()
    bad = [b"", None, b"not json", b"[1,2]", b"7", b"{" * 100000, b'{"a":"\xff"}', b'{"payload":7}', b'{"a":"' + b"x" * 200000 + b'"}',
           b'{"payload":{"action":{"invocationMethod":["agent"]}}}', b'{"a":1}{"b":2}']
    world.produce(*bad, run_event("r_good", receiver.url + "/ok"))
    receiver.wait_runs(["r_good"])
    agent.wait_log("webhook delivered", port__run_id="r_good")
    skipped = [i for i in agent.log.snapshot() if i["msg"] == "record skipped"]
    assert [i["messaging.kafka.offset"] for i in skipped] == list(range(len(bad)))
    assert all(i["reason"] and i["messaging.destination.name"] == world.runs for i in skipped)
    assert agent.terminate() == 0
    assert committed(world).offset == len(bad) + 1


def test_large_record_is_delivered(world, port, receiver):
    world.agent(QUEUE_MAX_BYTES="1048576").assigned()
    world.produce(run_event("r_large", receiver.url + "/ok", properties={"blob": "x" * 5_000_000}), run_event("r_after", receiver.url + "/ok"))
    receiver.wait_runs(["r_large", "r_after"])
    assert all(s["valid"] for s in receiver.seen.snapshot())


def test_redirects(world, port, receiver, node_receiver):
    world.agent().assigned()
    other = node_receiver.url.replace("/", "|")
    world.produce(run_event("r_307", receiver.url + "/redirect/307/|ok"), run_event("r_302", receiver.url + "/redirect/302/|ok"),
                  run_event("r_cross", receiver.url + f"/redirect/307/{other}|ok"), run_event("r_loop", receiver.url + "/redirect/308/|redirect|308|%7C"))
    port.wait(lambda: all(any(p == "" for _, p, _ in port.of_run(r)) for r in ("r_307", "r_302", "r_cross")))
    outcome = lambda run: [b for _, p, b in port.of_run(run) if p == ""][0]
    assert outcome("r_307")["status"] == "SUCCESS"
    assert [s["path"] for s in receiver.seen.snapshot() if s["run"] == "r_307" and s["valid"]] == ["/redirect/307/%7Cok", "/ok"]
    assert outcome("r_302")["status"] == "SUCCESS"
    assert "another port" in outcome("r_cross")["summary"]
    assert node_receiver.runs() == []


def test_settings_problems_are_all_told_at_once():
    result = subprocess.run([BINARY], env={"LOG_LEVEL": "loud", "WEBHOOK_MAX_IN_FLIGHT": "0", "PORT_API_BASE_URL": "api.getport.io", "KAFKA_RUNS_TOPIC": "org x.runs",
                                          "PORT_CLIENT_SECRET_FILE": "/nowhere/a", "SSL_CERT_FILE": "/nowhere/b", "REQUESTS_CA_BUNDLE": "/nowhere/c"},
                            capture_output=True, text=True, cwd="/tmp", timeout=120)
    assert result.returncode == 78
    names = [line.split(":")[0] for line in result.stderr.strip().splitlines()]
    assert sorted(names) == sorted(["PORT_ORG_ID", "PORT_CLIENT_ID", "PORT_CLIENT_SECRET_FILE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "LOG_LEVEL", "WEBHOOK_MAX_IN_FLIGHT",
                                    "PORT_API_BASE_URL", "KAFKA_CONSUMER_GROUP_ID", "KAFKA_RUNS_TOPIC"])


def test_help_and_version():
    text = subprocess.run([BINARY, "--help"], capture_output=True, text=True, timeout=120)
    assert text.returncode == 0 and "WEBHOOK_MAX_IN_FLIGHT" in text.stdout
    version = subprocess.run([BINARY, "--version"], capture_output=True, text=True, timeout=120)
    assert version.returncode == 0 and "librdkafka" in version.stdout


def test_no_secret_reaches_the_log(world, port, receiver):
    agent = world.agent(LOG_LEVEL="DEBUG").assigned()
    world.produce(run_event("r_ok", receiver.url + "/ok?token=hunter2"), run_event("r_bad", receiver.url + "/ok", tampered=True))
    port.wait(lambda: any(p == "" for _, p, _ in port.of_run("r_ok")))
    assert agent.terminate() == 0
    text = json.dumps(agent.log.snapshot()) + json.dumps(agent.errors.snapshot())
    for secret in (SECRET, "token-1-secret", "v1,"):
        assert secret not in text
    assert all("hunter2" not in i.get("url.full", "") for i in agent.log.snapshot())


@pytest.mark.host
def test_a_signal_during_the_start_is_heard_once_it_has_started(world, port, tmp_path):
    """The start waits for a mapping file that comes through a pipe: that is where SIGTERM meets it."""
    pipe = tmp_path / "mapping.json"
    os.mkfifo(pipe)
    agent = world.agent(CONTROL_THE_PAYLOAD_CONFIG_PATH=str(pipe))
    with open(pipe, "w") as mapping:  # returns when the agent has opened it
        agent.process.send_signal(signal.SIGTERM)
        mapping.write('[{"enabled": true}]')
    assert agent.wait() == 0
    assert any(i["msg"].startswith("stopping") for i in agent.log.snapshot())
