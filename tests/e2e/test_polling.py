"""Runs and workflow node runs claimed from Port's API: no broker anywhere."""
import json
import signal

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


def test_the_invocation_method_has_five_members_whatever_port_names(start, port, receiver, tmp_path):
    """A mapping's bare `.method` is a text then, as with today's agent."""
    mapping = tmp_path / "mapping.json"
    mapping.write_text(json.dumps([{"method": ".payload.action.invocationMethod.method", "url": f'"{receiver.url}/ok"',
                                    "headers": ".payload.action.invocationMethod.headers", "body": "."}]))
    bare = {"id": "r_bare", "payload": {"type": "WEBHOOK", "url": receiver.url, "agent": True, "body": {"action": "a"}}}
    nulls = {"id": "r_nulls", "payload": {"agent": "true", "method": None, "headers": None, "synchronized": None, "url": None, "type": None,
                                          "extra": 1, "body": {"payload": {"action": {"invocationMethod": {"old": 1}, "trigger": "CREATE"}}}}}
    node = {"identifier": "wfnr_bare", "config": {"agent": 1, "extra": {"a": 1}}}
    port.offer(bare, nulls, node)
    start(CONTROL_THE_PAYLOAD_CONFIG_PATH=str(mapping))
    receiver.wait_runs(["r_bare", "r_nulls", "wfnr_bare"])
    seen = {one["run"]: one for one in receiver.seen.snapshot()}
    nothing = {"type": None, "url": None, "synchronized": False, "method": "POST", "headers": {}}
    assert all(one["valid"] and one["method"] == "POST" for one in seen.values())
    assert json.loads(seen["r_bare"]["body"]) == {"action": "a", "headers": {}, "context": {"runId": "r_bare"}, "payload": {
        "action": {"invocationMethod": {**nothing, "type": "WEBHOOK", "url": receiver.url}}}}
    assert json.loads(seen["r_nulls"]["body"])["payload"] == {"action": {"invocationMethod": nothing, "trigger": "CREATE"}}
    assert json.loads(seen["wfnr_bare"]["body"]) == {"headers": {}, "context": {"runId": "wfnr_bare", "nodeConfig": node["config"]},
                                                     "payload": {"action": {"invocationMethod": nothing}}}


def test_a_run_without_a_url_or_without_an_event_fails_with_the_reason(start, port, receiver):
    port.offer({"id": "r_nowhere", "payload": {"agent": True, "body": {}}}, {"id": "r_bodiless", "payload": {"agent": True, "url": receiver.url}},
               {"id": "r_list", "payload": {"agent": True, "url": receiver.url, "body": []}}, {"id": "r_bare"},
               {"id": "r_unsaid", "payload": {"url": receiver.url, "body": {}}}, {"identifier": "wfnr_unsaid", "config": {"url": receiver.url}},
               {"identifier": "wfnr_bare"})
    agent = start()
    for run, reason in (("r_nowhere", "URL"), ("r_bodiless", "payload.body"), ("r_list", "payload.body"), ("r_bare", "payload"), ("r_unsaid", "agent")):
        port.wait(lambda: any(p == "" for _, p, _ in port.of_run(run)))
        outcome = port.of_run(run)[-1][2]
        assert outcome["status"] == "FAILURE" and reason in outcome["summary"], outcome
    for run in ("wfnr_unsaid", "wfnr_bare"):
        port.wait(lambda: port.of_node_run(run) and port.of_node_run(run)[-1] == ("PATCH", "", {"status": "COMPLETED", "result": "FAILED"}))
    assert agent.terminate() == 0
    assert receiver.runs() == []


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
    assert sorted(port.acked) == ["r_ok"]


@pytest.mark.parametrize("agent", ["true", "false", 1, -0.5, [0], {"a": None}])
def test_a_run_is_for_an_agent_when_python_would_say_so(start, port, receiver, agent):
    port.offer(polled_run("r_1", receiver.url + "/ok", agent=agent))
    start()
    port.wait(lambda: port.of_run("r_1") and port.of_run("r_1")[-1] == ("PATCH", "", {"status": "SUCCESS"}))


def test_runs_for_somebody_else_are_left_to_port_told_once_and_claimed_at_the_interval(start, port, receiver):
    """A whole batch of them, offered again with each claim."""
    others = [polled_run(f"r_{n}", receiver.url + "/ok", agent=no) for n, no in enumerate([False, 0, 0.0, "", None, [], {}])]
    others += [polled_run("a/b", receiver.url + "/ok"), {"id": 7, "payload": {}}, {"payload": {}}]
    port.claim_answers["/v1/actions/runs/claim-pending"] = (200, {"runs": others})
    agent = start(POLLING_RUNS_BATCH_SIZE="10", POLLING_INTERVAL_SECONDS="0.5")
    port.wait(lambda: len(port.claims["runs"]) >= 5)
    times = [at for at, _ in port.claims["runs"]]
    assert times[-1] - times[0] >= 0.45 * (len(times) - 1)  # as a whole: one answer that is late makes the next wait look short
    assert agent.terminate() == 0
    assert port.acked == [] and receiver.runs() == []
    skipped = [i for i in agent.log.snapshot() if "for an agent" in i["msg"]]
    assert [i["count"] for i in skipped][0] == 1 and len(skipped) == 2
    rounds = sum(i["count"] for i in skipped) / 7  # the last claim may have been cut off by the stop
    assert rounds in (len(port.claims["runs"]) - 1, len(port.claims["runs"]))
    nameless = [i for i in agent.log.snapshot() if i["msg"].startswith("claimed run skipped")]
    assert sum(i["count"] for i in nameless) == 3 * rounds


@pytest.mark.parametrize("lost", [(500, {"ok": False}), (200, b""), (200, b"<html>"), (200, {"ok": True}), None])
def test_a_run_whose_acknowledgement_has_no_answer_is_delivered(start, port, receiver, lost):
    """Port counted the first one, whose answer did not come; so the second says 0."""
    port.ack_answers = [lost]
    port.counts_once = True
    port.offer(polled_run("r_1", receiver.url + "/ok"))
    agent = start()
    port.wait(lambda: port.of_run("r_1") and port.of_run("r_1")[-1] == ("PATCH", "", {"status": "SUCCESS"}))
    port.ack_answers = [lost]
    port.offer(polled_node_run("wfnr_1", receiver.url + "/ok"))
    port.wait(lambda: port.of_node_run("wfnr_1") and port.of_node_run("wfnr_1")[-1][0] == "PATCH")
    assert agent.terminate() == 0
    assert port.of_node_run("wfnr_1")[-1][2]["result"] == "SUCCESS"
    assert [(one["run"], one["idempotency"]) for one in receiver.seen.snapshot()] == [("r_1", "r_1"), ("wfnr_1", "wfnr_1")]


@pytest.mark.parametrize("status, words", [(401, "Port refuses our credentials"), (403, "this agent may not"), (404, "Port does not know it")])
def test_a_refused_acknowledgement_is_told_in_its_own_words(start, port, receiver, status, words):
    port.ack_answers = [(status, {"ok": False, "message": "because"})] * 2
    port.offer(polled_run("r_1", receiver.url + "/ok"))
    agent = start()
    if status == 401:  # the token is fetched anew once
        port.wait(lambda: port.token_serial == 2)
    line = agent.wait_log("run left to Port", port__run_id="r_1")
    assert words in line["msg"] and line["http.response.status_code"] == status and "because" in line["error.message"]
    assert agent.terminate() == 0
    assert receiver.runs() == []


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
    waits = [i["next_attempt_in"] for i in agent.log.snapshot() if i["msg"].startswith("polling failed") and i["url.path"].startswith("/v1/actions")]
    assert waits[:4] == [0.2, 0.4, 0.8, 0.8]
    assert agent.wait_log("polling has done nothing but fail")["failing_for"] >= 3


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


@pytest.mark.parametrize("drain", ["0", "1"])
def test_a_run_whose_acknowledgement_is_unanswered_at_the_stop_is_reported_failed(start, port, receiver, drain, tmp_path):
    port.acks_answered.clear()  # Port counts it, and its answer does not come
    port.offer(polled_run("r_1", receiver.url + "/ok"), polled_node_run("wfnr_1", receiver.url + "/ok"))
    agent = start(DRAIN_TIMEOUT_SECONDS=drain, DEAD_LETTER_DIR=str(tmp_path))
    port.wait(lambda: sorted(port.acked) == ["r_1", "wfnr_1"])
    assert agent.terminate() == 0
    assert receiver.runs() == []
    [letters] = tmp_path.glob("*.jsonl")
    kept = {letter["run_id"]: json.loads(letter["value"]) for letter in map(json.loads, letters.read_text().splitlines())}
    assert sorted(kept) == ["r_1", "wfnr_1"] and kept["r_1"]["action"] == "create_vm"  # they can be replayed
    outcome = port.of_run("r_1")[-1]
    assert outcome[:2] == ("PATCH", "") and outcome[2]["status"] == "FAILURE" and "the agent was stopped" in outcome[2]["summary"]
    assert port.of_node_run("wfnr_1")[-1] == ("PATCH", "", {"status": "COMPLETED", "result": "FAILED"})


def test_a_run_whose_acknowledgement_is_answered_while_it_drains_is_delivered(start, port, receiver):
    port.acks_answered.clear()
    port.offer(polled_run("r_1", receiver.url + "/ok"))
    agent = start()
    port.wait(lambda: port.acked == ["r_1"])
    agent.process.send_signal(signal.SIGTERM)
    agent.wait_log("stopping")
    port.acks_answered.set()
    assert agent.wait() == 0
    assert port.of_run("r_1")[-1] == ("PATCH", "", {"status": "SUCCESS"})


def test_a_run_that_cannot_even_be_reported_is_named(start, port, receiver):
    """Port is gone: neither its answer to the acknowledgement nor the report can come through."""
    port.acks_answered.clear()
    port.offer(polled_run("r_1", receiver.url + "/ok"))
    agent = start(DRAIN_TIMEOUT_SECONDS="0")
    port.wait(lambda: port.acked == ["r_1"])
    port.fail_status = 503
    assert agent.terminate() == 0
    assert agent.wait_log("run given up", port__run_id="r_1")["level"] == "ERROR"


def test_a_second_signal_names_what_was_acknowledged(start, port, receiver):
    port.offer(polled_run("r_sent", receiver.url + "/never"), polled_run("r_queued", receiver.url + "/never"),
               polled_node_run("wfnr_sent", receiver.url + "/never"))
    agent = start(DRAIN_TIMEOUT_SECONDS="60", WEBHOOK_MAX_IN_FLIGHT="1")
    port.wait(lambda: len(port.acked) == 3)
    port.acks_answered.clear()
    port.offer(polled_run("r_asked", receiver.url + "/ok"))
    port.wait(lambda: len(port.acked) == 4)
    agent.process.send_signal(signal.SIGTERM)
    agent.wait_log("stopping")
    agent.process.send_signal(signal.SIGINT)
    assert agent.wait() == 128 + signal.SIGINT
    given_up = sorted(i["port.run_id"] for i in agent.log.snapshot() if i["msg"].startswith("run given up"))
    assert given_up == ["r_asked", "r_queued", "r_sent", "wfnr_sent"]
    line = agent.wait_log("second signal")
    assert line["given_up"] == 4 and "delivered again" not in line["msg"]


def test_a_run_has_the_same_idempotency_key_in_every_agent(start, port, receiver):
    run = polled_run("r_1", receiver.url + "/never")
    port.offer(run)
    first = start()
    receiver.seen.wait(lambda items: len(items) == 1)
    first.kill()
    port.offer(run)  # Port knows of no outcome
    start()
    seen = receiver.seen.wait(lambda items: len(items) == 2)
    assert [one["idempotency"] for one in seen] == ["r_1", "r_1"]


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
