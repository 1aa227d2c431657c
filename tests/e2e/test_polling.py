"""Runs and workflow node runs claimed from Port's API: no broker anywhere."""
import json

import pytest

from broker import free_port
from harness import SECRET, Agent


def polled_run(run_id, url, synchronized=True, method="POST", body=None, headers=None, agent=True):
    return {"id": run_id, "payload": {"type": "WEBHOOK", "url": url, "agent": agent, "synchronized": synchronized, "method": method,
                                      "headers": headers or {}, "body": body or {"action": "create_vm", "payload": {"properties": {}}}}}


def polled_node_run(run_id, url, synchronized=True):
    return {"identifier": run_id, "config": {"type": "WEBHOOK", "url": url, "agent": True, "synchronized": synchronized,
                                             "method": "POST", "headers": {"X-Team": "a"}}}


@pytest.fixture
def start(port):
    agents = []

    def start(**environment):
        agents.append(Agent({"PORT_ORG_ID": "org_polling", "PORT_CLIENT_ID": "client", "PORT_CLIENT_SECRET": SECRET,
                             "PORT_API_BASE_URL": port.url, "STREAMER_NAME": "POLLING", "POLLING_INTERVAL_SECONDS": "0.1",
                             "LOG_FORMAT": "json", **environment}))
        return agents[-1]

    yield start
    for agent in agents:
        agent.kill()


@pytest.mark.host
def test_runs_are_delivered_as_events_and_reported(start, port, receiver):
    body = {"action": "create_vm", "context": {"entity": "e_1"}, "payload": {"properties": {"title": "Zoë 東京"}, "action": {"trigger": "CREATE"}}}
    port.offer(polled_run("r_ok", receiver.url + "/ok", body=body, headers={"X-Team": "a"}, method="PUT"),
               polled_run("r_bad", receiver.url + "/status/502", synchronized=False))
    agent = start()
    port.wait(lambda: len(port.of_run("r_ok")) == 4 and any(p == "" for _, p, _ in port.of_run("r_bad")))
    assert [(m, p) for m, p, _ in port.of_run("r_ok")] == [("POST", "/logs"), ("POST", "/logs"), ("PATCH", "/response"), ("PATCH", "")]
    assert port.of_run("r_ok")[3][2] == {"status": "SUCCESS"}
    assert port.of_run("r_bad")[-1][2]["status"] == "FAILURE"
    seen = {one["run"]: one for one in receiver.seen.snapshot()}
    assert seen["r_ok"]["valid"] and seen["r_ok"]["method"] == "PUT"
    assert seen["r_ok"]["idempotency"] == seen["r_ok"]["webhook_id"] == "r_ok"
    method = {"type": "WEBHOOK", "url": receiver.url + "/ok", "synchronized": True, "method": "PUT", "headers": {"X-Team": "a"}}
    assert json.loads(seen["r_ok"]["body"]) == {**body, "headers": {"X-Team": "a"}, "context": {"entity": "e_1", "runId": "r_ok"},
                                                "payload": {**body["payload"], "action": {"trigger": "CREATE", "invocationMethod": method}}}
    assert sorted(port.acked) == ["r_bad", "r_ok"]
    with port.lock:
        order = [(p, b) for _, p, b in port.calls if "r_ok" in json.dumps([p, b])]
    assert order[0][0] == "/v1/actions/runs/ack"
    assert ("PATCH", "/v1/organization", {"settings": {"portAgentStreamerName": "POLLING"}}) in port.calls
    assert port.count("/v1/kafka-credentials") == 0
    line = agent.wait_log("webhook delivered", port__run_id="r_ok")
    assert "messaging.kafka.offset" not in line and "messaging.destination.name" not in line
    assert agent.terminate() == 0
    assert SECRET not in str(agent.log.snapshot())


def test_numbers_come_through_as_they_were_written(start, port, receiver):
    numbers = '{"big":12345678901234567890,"float":1.0,"small":1e-7,"list":[9007199254740993,-0.0]}'
    run = json.dumps(polled_run("r_n", receiver.url + "/ok"))
    answer = '{"ok":true,"runs":[' + run.replace('"properties": {}', '"properties": ' + numbers) + "]}"
    port.claim_answers["/v1/actions/runs/claim-pending"] = (200, answer.encode())
    start(POLLING_INTERVAL_SECONDS="60")
    seen = receiver.wait_runs(["r_n"])
    assert seen[0]["valid"] and '"properties":' + numbers in seen[0]["body"]


@pytest.mark.host
def test_node_runs_are_delivered_and_reported(start, port, receiver):
    port.offer(polled_node_run("wfnr_ok", receiver.url + "/ok"), polled_node_run("wfnr_bad", receiver.url + "/status/500"),
               polled_node_run("wfnr_async", receiver.url + "/ok", synchronized=False))
    agent = start()
    port.wait(lambda: any(m == "PATCH" for m, _, _ in port.of_node_run("wfnr_ok")) and any(m == "PATCH" for m, _, _ in port.of_node_run("wfnr_bad")))
    receiver.wait_runs(["wfnr_async"])
    assert agent.terminate() == 0
    assert port.of_node_run("wfnr_ok")[0][1:] == ("/logs", {"logs": [{"level": "INFO", "message": port.of_node_run("wfnr_ok")[0][2]["logs"][0]["message"]}]})
    assert port.of_node_run("wfnr_ok")[-1] == ("PATCH", "", {"status": "COMPLETED", "result": "SUCCESS",
                                                             "output": {"response": {"status": 200, "data": {"received": True}}}})
    assert port.of_node_run("wfnr_bad")[-1] == ("PATCH", "", {"status": "COMPLETED", "result": "FAILED"})
    assert all(m == "POST" for m, _, _ in port.of_node_run("wfnr_async"))
    config = polled_node_run("wfnr_ok", receiver.url + "/ok")["config"]
    seen = {one["run"]: json.loads(one["body"]) for one in receiver.seen.snapshot()}
    assert seen["wfnr_ok"] == {"headers": {"X-Team": "a"}, "context": {"runId": "wfnr_ok", "nodeConfig": config},
                               "payload": {"action": {"invocationMethod": {k: v for k, v in config.items() if k != "agent"}}}}


def test_only_what_is_acknowledged_and_meant_for_an_agent_is_delivered(start, port, receiver):
    port.unacknowledged = {"r_lost", "wfnr_lost"}
    port.offer(polled_run("r_lost", receiver.url + "/ok"), polled_node_run("wfnr_lost", receiver.url + "/ok"),
               polled_run("r_other", receiver.url + "/ok", agent=False), polled_run("r_ok", receiver.url + "/ok"))
    agent = start()
    agent.wait_log("run left to Port", port__run_id="r_lost")
    agent.wait_log("run left to Port", port__run_id="wfnr_lost")
    agent.wait_log("run skipped", port__run_id="r_other")
    receiver.wait_runs(["r_ok"])
    assert agent.terminate() == 0
    assert receiver.runs() == ["r_ok"]


def test_a_run_that_cannot_be_read_is_reported_failed_and_stops_no_other(start, port, receiver):
    deep = "[" * 600 + "]" * 600
    broken = json.dumps(polled_run("r_deep", receiver.url + "/ok")).replace('"properties": {}', '"properties": ' + deep)
    bodiless = {"id": "r_bodiless", "payload": {"type": "WEBHOOK", "url": receiver.url, "agent": True}}
    port.claim_answers["/v1/actions/runs/claim-pending"] = (200, ('{"runs":[' + broken + "," + json.dumps(bodiless) + ',{"id":7},3,'
                                                                 + json.dumps(polled_run("r_ok", receiver.url + "/ok")) + "]}").encode())
    start(POLLING_INTERVAL_SECONDS="60")
    receiver.wait_runs(["r_ok"])
    for run in ("r_deep", "r_bodiless"):
        port.wait(lambda: any(p == "" for _, p, _ in port.of_run(run)))
        assert [b for _, p, b in port.of_run(run) if p == ""][0]["status"] == "FAILURE"


def test_a_backlog_is_claimed_batch_after_batch_whatever_the_size_of_its_runs(start, port, receiver):
    runs = [polled_run(f"r_{n}", receiver.url + "/ok", synchronized=False, body={"pad": "x" * 40000}) for n in range(250)]
    port.offer(*runs)
    agent = start(POLLING_INTERVAL_SECONDS="60", QUEUE_MAX_BYTES="4MiB")
    receiver.wait_runs([run["id"] for run in runs])
    assert agent.terminate() == 0
    assert sorted(receiver.runs()) == sorted(run["id"] for run in runs)
    assert port.claims["runs"][0][1] == 100


def test_errors_back_off_and_long_failure_exits(start, port):
    port.fail_status = 500
    agent = start(POLLING_INITIAL_BACKOFF_SECONDS="0.2", POLLING_MAX_BACKOFF_SECONDS="0.8", POLLING_BACKOFF_JITTER_FACTOR="0",
                  POLLING_MAX_FAILURE_DURATION_SECONDS="3")
    assert agent.wait(20) == 1
    waits = [i["wait_ms"] for i in agent.log.snapshot() if i["msg"].startswith("polling failed") and i["url.path"].startswith("/v1/actions")]
    assert waits[:4] == [200, 400, 800, 800]
    assert agent.wait_log("polling has done nothing but fail")["failing_ms"] >= 3000


def test_port_is_polled_again_when_it_is_back_and_left_alone_when_it_asks(start, port, receiver):
    port.claim_answers["/v1/actions/runs/claim-pending"] = (429, {"ok": False}, [("Retry-After", "2")])
    start()
    port.wait(lambda: port.claims["runs"])
    with port.lock:
        del port.claim_answers["/v1/actions/runs/claim-pending"]
    port.offer(polled_run("r_ok", receiver.url + "/ok"))
    receiver.wait_runs(["r_ok"])
    times = [at for at, _ in port.claims["runs"]]
    assert times[1] - times[0] >= 1.9


def test_a_full_window_claims_no_more(start, port, receiver):
    runs = [f"r_{n}" for n in range(80)]
    port.offer(*[polled_run(run, receiver.url + "/delay/30", body={"pad": "x" * 100000}) for run in runs])
    agent = start(QUEUE_MAX_BYTES="1MiB", POLLING_RUNS_BATCH_SIZE="4")
    port.wait(lambda: all(port.of_run(run) and port.of_run(run)[-1][1] == "" for run in runs))
    assert agent.terminate() == 0
    held, most = 0, 0
    for method, path, body in port.calls:
        if path == "/v1/actions/runs/ack":
            held += len(body["runIds"])
        elif method == "PATCH" and "status" in (body or {}):
            held -= 1
        most = max(most, held)
    assert held == 0 and 1 < most < 20


def test_sigterm_finishes_what_was_acknowledged(start, port, receiver):
    runs = [f"r_{n}" for n in range(12)]
    port.offer(*[polled_run(run, receiver.url + "/delay/400") for run in runs])
    agent = start(WEBHOOK_MAX_IN_FLIGHT="4", POLLING_INTERVAL_SECONDS="60")
    port.wait(lambda: len(port.acked) == 12)
    assert agent.terminate() == 0
    assert sorted(receiver.runs()) == sorted(runs)
    for run in runs:
        assert port.of_run(run)[-1] == ("PATCH", "", {"status": "SUCCESS"})


def test_what_outlasts_the_drain_is_reported_failed(start, port, receiver):
    """Nobody else delivers what was acknowledged: sent, waiting for its retry, or not even started."""
    port.offer(polled_run("r_silent", receiver.url + "/never"), polled_run("r_refused", f"http://127.0.0.1:{free_port()}/"),
               polled_node_run("wfnr_silent", receiver.url + "/never"), *[polled_run(f"r_queued_{n}", receiver.url + "/never") for n in range(3)])
    agent = start(WEBHOOK_MAX_IN_FLIGHT="2", DRAIN_TIMEOUT_SECONDS="1", WEBHOOK_RETRY_INITIAL_BACKOFF="20", WEBHOOK_RETRY_MAX_BACKOFF="20")
    port.wait(lambda: len(port.acked) == 6)
    receiver.seen.wait(lambda items: items)
    assert agent.terminate() == 0
    method, path, body = port.of_node_run("wfnr_silent")[-1]
    assert (method, path, body["result"]) == ("PATCH", "", "FAILED")
    for run in ["r_silent", "r_refused", "r_queued_0", "r_queued_1", "r_queued_2"]:
        method, path, body = port.of_run(run)[-1]
        assert (method, path, body["status"]) == ("PATCH", "", "FAILURE"), run
        assert "the agent was stopped" in body["summary"], body
    assert not [i for i in agent.log.snapshot() if i["msg"].startswith("run given up")]


def test_a_run_claimed_again_meanwhile_is_delivered_once(start, port, receiver):
    run = polled_run("r_slow", receiver.url + "/delay/1500")
    port.offer(run)
    start()
    receiver.wait_runs(["r_slow"])
    port.offer(run, polled_run("r_next", receiver.url + "/ok"))
    receiver.wait_runs(["r_next"])
    port.wait(lambda: port.of_run("r_slow") and port.of_run("r_slow")[-1][1] == "")
    assert sorted(receiver.runs()) == ["r_next", "r_slow"]


def test_refused_credentials_stop_with_a_word(start, port):
    port.token_status = 403
    agent = start()
    assert agent.wait(20) == 1
    assert "PORT_CLIENT_SECRET" in agent.wait_log("Port refused our credentials")["msg"]
