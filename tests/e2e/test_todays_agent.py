"""What the tests of today's agent (port-labs/port-agent, tests/unit) assert, of this one, by the whole agent. Each test names the function
that it answers to. Where the two differ on purpose, the test shows what this agent does, and its text begins with "Differs"."""
import base64
import itertools
import json

import pytest

from conftest import World
from harness import SECRET, Agent, compact, encrypted, sign
from port_api import PortApi
from recorder import Recorder

serials = itertools.count(1)
FIELDS = {"fields": ["payload.properties.field1", "payload.properties.nested.field2"],
          "nested": ["payload.properties.nested.field1", "payload.properties.nested.field2", "payload.properties.field3"],
          "listed": ["payload.level1.level2.secret", "payload.top_secret", "payload.level1.list.0.deep.secret"],
          "unreadable": ["payload.properties.a", "payload.properties.b", "payload.properties.c", "payload.properties.gone.x"]}
MAPPINGS = [
    {"enabled": ".payload.non_existing_field"},
    *[{"enabled": f'.action == "decrypt_{name}"', "fieldsToDecryptPaths": paths} for name, paths in FIELDS.items()],
    {"enabled": '.action == "mapped"', "body": ".", "headers": {"MY-HEADER": ".resourceType"}, "query": {}, "report": {"link": '"http://test.example"'}},
    {"enabled": True}]


@pytest.fixture(scope="module")
def running(kafka, tmp_path_factory):
    """One agent on a real broker for the tests of this page."""
    port, recorder = PortApi(), Recorder()
    world = World(kafka, port, 1)
    mapping = tmp_path_factory.mktemp("mapping") / "mapping.json"
    mapping.write_text(json.dumps(MAPPINGS))
    world.recorder = recorder
    world.one = world.agent(CONTROL_THE_PAYLOAD_CONFIG_PATH=str(mapping), WEBHOOK_RETRY_ON="none").assigned()
    yield world
    assert world.one.terminate() == 0
    port.close()
    recorder.close()


class Case:
    """One event of its own, and what became of it."""

    def __init__(self, world, kind="r", number=True):
        self.world, self.number = world, number
        self.run = f"{kind}_{next(serials)}"
        self.path = f"/{self.run}"
        self.url = world.recorder.url + self.path
        world.recorder.answer = lambda request: (500, "broken") if "fails" in request["target"] else (200, "") if "empty" in request["target"] else (200, {"ok": True})

    def signed(self, event):
        """As the fixtures of today's agent have it: the timestamp is a number."""
        event = {**event, "headers": {}}
        stamp = 1713277889
        event["headers"] = {"X-Port-Signature": sign(compact(event), str(stamp)), "X-Port-Timestamp": stamp if self.number else str(stamp)}
        return compact(event)

    def send_run(self, method, action="create", properties=None, more=None):
        event = {"action": action, "resourceType": "run", "context": {"runId": self.run},
                 "payload": {"action": {"invocationMethod": {"type": "WEBHOOK", "agent": True, "url": self.url, **method}}, "properties": properties or {}, **(more or {})}}
        self.world.produce(self.signed(event))
        return event

    def send_change(self, destination, run_id=None):
        event = {"action": "Create", "resourceType": "run", "status": "TRIGGERED", "context": {"entity": None, **({"runId": run_id} if run_id else {})},
                 "diff": {"before": None, "after": {"id": self.run}}, "changelogDestination": {"type": "WEBHOOK", "agent": True, "url": self.url, **destination}}
        self.world.produce(compact(event), topic=self.world.changes)
        return event

    def request(self):
        of_this = lambda: [r for r in self.world.recorder.requests if r["target"].startswith(self.path)]
        with self.world.recorder.changed:
            assert self.world.recorder.changed.wait_for(of_this, 30), "no request came"
            [request] = of_this()
        return request

    def body(self):
        return json.loads(self.request()["body"])

    def results(self, count=1):
        got = lambda: [b for m, p, b in self.world.port.of_run(self.run) if (m, p) == ("PATCH", "")]
        self.world.port.wait(lambda: len(got()) >= count)
        return got()

    def logged(self, message):
        return self.world.one.wait_log(message, **{"port__run_id": self.run})


def verified(request):
    """The receiver's side, as documented: HMAC over the timestamp, a dot and the body."""
    return request["headers"]["x-port-signature"] == sign(request["body"].decode(), request["headers"]["x-port-timestamp"])


# tests/unit/invokers/test_webhook_invoker.py


def test_fields_named_by_their_paths_are_decrypted(running):
    """test_decrypt_simple_fields"""
    case = Case(running)
    case.send_run({}, "decrypt_fields", {"field1": encrypted("one"), "nested": {"field2": encrypted("two")}})
    assert case.body()["payload"]["properties"] == {"field1": "one", "nested": {"field2": "two"}}


def test_nested_fields_and_others_are_decrypted_at_once(running):
    """test_decrypt_complex_fields"""
    case = Case(running)
    case.send_run({}, "decrypt_nested", {"nested": {"field1": encrypted("a"), "field2": encrypted("b")}, "field3": encrypted("c")})
    assert case.body()["payload"]["properties"] == {"nested": {"field1": "a", "field2": "b"}, "field3": "c"}


def test_a_field_that_is_not_named_stays_as_it_is(running):
    """test_partial_decryption"""
    case, sealed = Case(running), encrypted("two")
    case.send_run({}, "decrypt_fields", {"field1": encrypted("one"), "field2": sealed, "field3": "plain"})
    assert case.body()["payload"]["properties"] == {"field1": "one", "field2": sealed, "field3": "plain"}


def test_the_rest_of_the_event_is_untouched_by_decryption(running):
    """test_decrypt_with_complex_jq"""
    case = Case(running)
    event = case.send_run({}, "decrypt_fields", {"field1": encrypted("one"), "nested": {"field2": encrypted("two")}, "field3": "plain"})
    event["payload"]["properties"].update(field1="one", nested={"field2": "two"})
    assert case.body() == {**event, "headers": {}}


def test_fields_deep_in_objects_and_lists_are_decrypted(running):
    """test_decrypt_payload_fields_complex"""
    case, sealed = Case(running), encrypted("hidden")
    case.send_run({}, "decrypt_listed", more={"top_secret": sealed, "level1": {
        "level2": {"secret": sealed, "other": "open"}, "list": [{"deep": {"secret": sealed}}, {"deep": {"not_secret": "foo"}}]}})
    payload = case.body()["payload"]
    assert payload["top_secret"] == "hidden"
    assert payload["level1"] == {"level2": {"secret": "hidden", "other": "open"}, "list": [{"deep": {"secret": "hidden"}}, {"deep": {"not_secret": "foo"}}]}


@pytest.mark.parametrize("value", [
    pytest.param("aGVsbG8=", id="test_decrypt_field_too_short"),
    pytest.param(base64.b64encode(b"a" * 48).decode(), id="test_decrypt_field_decrypt_failure"),
    pytest.param("encrypted", id="test_decrypt_payload_fields_decrypt_exception")])
def test_a_field_that_cannot_be_decrypted_stays_and_the_others_are(running, value):
    case = Case(running)
    case.send_run({}, "decrypt_unreadable", {"a": value, "b": encrypted("open"), "c": 7})
    assert case.body()["payload"]["properties"] == {"a": value, "b": "open", "c": 7}
    assert '"payload","properties","a"' in case.logged("a mapping's expression gave nothing")["error.message"]


def test_with_a_secret_that_is_too_short_for_a_key_fields_stay(kafka, port, tmp_path):
    """test_decrypt_field_key_too_short"""
    recorder, world = Recorder(), World(kafka, port, 1)
    (tmp_path / "mapping.json").write_text(json.dumps([{"fieldsToDecryptPaths": ["payload.properties.a"], "method": '"PUT"'}]))
    secret, sealed = "short", base64.b64encode(b"a" * 40).decode()
    event = {"context": {"runId": "r_short"}, "payload": {"properties": {"a": sealed}, "action": {"invocationMethod": {
        "type": "WEBHOOK", "agent": True, "url": recorder.url}}}, "headers": {}}
    import hashlib
    import hmac
    mac = hmac.new(secret.encode(), b"1713277889." + compact(event).encode(), hashlib.sha256).digest()
    event["headers"] = {"X-Port-Signature": "v1," + base64.b64encode(mac).decode(), "X-Port-Timestamp": 1713277889}
    agent = world.agent(PORT_CLIENT_SECRET=secret, CONTROL_THE_PAYLOAD_CONFIG_PATH=str(tmp_path / "mapping.json")).assigned()
    world.produce(compact(event))
    assert json.loads(recorder.wait(1)[0]["body"])["payload"]["properties"]["a"] == sealed
    assert agent.wait_log("a mapping's expression gave nothing")["level"] == "WARNING"
    assert agent.terminate() == 0
    recorder.close()


def test_a_path_goes_through_list_elements_and_one_that_leads_nowhere_changes_nothing(running):
    """test_get_nested_and_set_nested. Differs: a path that leads nowhere makes no members."""
    case, sealed = Case(running), encrypted("value")
    event = case.send_run({}, "decrypt_listed", more={"level1": {"list": [{"deep": {"secret": sealed}}, 7]}})
    event["payload"]["level1"]["list"][0]["deep"]["secret"] = "value"
    assert case.body() == {**event, "headers": {}}


# tests/unit/processors/kafka/test_kafka_to_webhook_processor.py and tests/unit/streamers/kafka/test_kafka_streamer.py


@pytest.mark.host
def test_a_run_whose_timestamp_is_a_number_is_delivered(running):
    """test_single_stream_success of both, for a run"""
    case = Case(running)
    event = case.send_run({})
    assert case.body() == {**event, "headers": {}} and verified(case.request())
    assert case.logged("webhook delivered")["level"] == "INFO"


def test_a_change_log_event_is_delivered(running):
    """test_single_stream_success of the processor, for a change-log event"""
    case = Case(running)
    event = case.send_change({})
    assert case.body() == event and verified(case.request())


@pytest.mark.host
def test_a_run_whose_endpoint_fails_is_told_in_the_log_and_to_port(running):
    """test_single_stream_failed of both, for a run. Differs: the line is "webhook failed" with the status as a field."""
    case = Case(running)
    case.url += "/fails"
    case.send_run({})
    [result] = case.results()
    assert result["status"] == "FAILURE" and "500" in result["summary"]
    assert case.logged("webhook failed")["http.response.status_code"] == 500


def test_a_change_log_event_whose_endpoint_fails_is_told_in_the_log(running):
    """test_single_stream_failed of the processor, for a change-log event. Differs: today's agent reports to Port when a change-log event
    has a run's id in it, though nobody signed the event; this one never does."""
    case = Case(running)
    case.url += "/fails"
    case.send_change({}, run_id=case.run)
    assert case.logged("webhook failed")["http.response.status_code"] == 500
    assert running.port.of_run(case.run) == []


@pytest.mark.host
def test_the_first_enabled_mapping_shapes_the_request(running):
    """test_single_stream_success_control_the_payload, for a run"""
    case = Case(running)
    event = case.send_run({}, "mapped")
    request = case.request()
    assert (request["method"], request["target"]) == ("POST", case.path)
    assert request["headers"]["my-header"] == "run" and verified(request)
    assert json.loads(request["body"]) == {**event, "headers": {}}
    assert case.results() == [{"link": "http://test.example"}]


def test_a_mapping_shapes_the_request_of_a_change_log_event(kafka, port, tmp_path):
    """test_single_stream_success_control_the_payload, for a change-log event"""
    world, recorder = World(kafka, port, 1), Recorder()
    world.recorder = recorder
    (tmp_path / "mapping.json").write_text(json.dumps([MAPPINGS[0], {**MAPPINGS[5], "enabled": True}]))
    agent = world.agent(CONTROL_THE_PAYLOAD_CONFIG_PATH=str(tmp_path / "mapping.json")).assigned()
    case = Case(world)
    event = case.send_change({})
    request = case.request()
    assert request["headers"]["my-header"] == "run" and json.loads(request["body"]) == event and verified(request)
    assert agent.terminate() == 0
    recorder.close()


def test_a_synchronous_run_has_its_response_and_then_its_status_reported(running):
    """test_invocation_method_synchronized"""
    case = Case(running)
    case.send_run({"synchronized": True})
    assert case.results() == [{"status": "SUCCESS"}]
    patches = [(p, b) for m, p, b in running.port.of_run(case.run) if m == "PATCH"]
    assert patches == [("/response", {"response": {"ok": True}}), ("", {"status": "SUCCESS"})]


@pytest.mark.parametrize("kind", ["run", "change-log"])
def test_the_invocation_methods_method_is_used_with_the_body(running, kind):
    """test_invocation_method_method_override"""
    case = Case(running)
    case.send_run({"method": "GET"}) if kind == "run" else case.send_change({"method": "GET"})
    assert case.request()["method"] == "GET" and json.loads(case.request()["body"])["resourceType"] == "run" and verified(case.request())


@pytest.mark.host
def test_a_synchronous_node_run_is_completed_with_its_output(running):
    """test_wf_node_run_stream_success of both. An answer without a body is {}."""
    case = Case(running, "wfnr")
    case.url += "/empty"
    case.send_run({"synchronized": True, "headers": {"Content-Type": "application/json"}})
    done = ("PATCH", "", {"status": "COMPLETED", "result": "SUCCESS", "output": {"response": {"status": 200, "data": {}}}})
    running.port.wait(lambda: running.port.of_node_run(case.run)[-1:] == [done])


def test_an_asynchronous_node_run_has_no_result_reported(running):
    """test_wf_node_run_not_synchronized"""
    case = Case(running, "wfnr")
    case.send_run({"synchronized": False})
    case.logged("webhook delivered")
    last = Case(running)
    last.send_run({"synchronized": True})
    last.results()
    assert all(method == "POST" for method, _, _ in running.port.of_node_run(case.run))


@pytest.mark.parametrize("kind", [pytest.param("r", id="test_single_stream_skipped_due_to_agentless"), pytest.param("wfnr", id="test_wf_node_run_stream_skips_non_agent")])
def test_an_event_that_is_not_for_an_agent_is_skipped(running, kind):
    """Differs: it is a line at DEBUG alone, for most events of a topic may be of this kind."""
    case, last = Case(running, kind), Case(running)
    case.send_run({"agent": False})
    last.send_run({})
    last.request()
    assert not any(r["target"] == case.path for r in running.recorder.requests)
    assert running.port.of_run(case.run) == running.port.of_node_run(case.run) == []
    assert not any(i.get("port.run_id") == case.run for i in running.one.log.snapshot())


# tests/unit/processors/polling, tests/unit/streamers/polling


class Polling:
    """Agents that poll, each with a Port of its own."""

    def __init__(self, recorder):
        self.port, self.recorder, self.agents = PortApi(), recorder, []

    def start(self, **environment):
        self.agents.append(Agent({"PORT_ORG_ID": "org_polling", "PORT_CLIENT_ID": "client", "PORT_CLIENT_SECRET": SECRET, "PORT_API_BASE_URL": self.port.url,
                                  "STREAMER_NAME": "POLLING", "POLLING_INTERVAL_SECONDS": "0.1", "LOG_FORMAT": "json", **environment}))
        return self.agents[-1]

    def offer(self, *runs):
        self.port.offer(*runs)

    def run(self, run_id, body=..., **method):
        payload = {"type": "WEBHOOK", "url": f"{self.recorder.url}/{run_id}", "agent": True, "body": {} if body is ... else body, **method}
        return {"_id": run_id, "id": run_id, "payload": {k: v for k, v in payload.items() if v is not ...}}

    def node_run(self, run_id, **config):
        return {"identifier": run_id, "status": "IN_PROGRESS", "config": {"type": "WEBHOOK", "url": f"{self.recorder.url}/{run_id}", "agent": True, **config}}

    def event(self, run_id):
        of_this = lambda: [r for r in self.recorder.requests if r["target"] == f"/{run_id}"]
        with self.recorder.changed:
            assert self.recorder.changed.wait_for(of_this, 30), "no request came"
            [request] = of_this()
        assert verified(request)
        return json.loads(request["body"])

    def close(self):
        for agent in self.agents:
            agent.kill()
        self.port.close()


@pytest.fixture
def polling():
    recorder = Recorder()
    one = Polling(recorder)
    yield one
    one.close()
    recorder.close()


def test_a_claimed_run_is_delivered_as_an_event(polling):
    """test_process_run_success, test_http_polling_consumer_successful_poll, test_polling_streamer_process_run: the run is acknowledged, then
    delivered; the event has its own members, the run's id and the invocation method without `agent`."""
    body = {"context": {"entity": "entity_1", "blueprint": "microservice"}, "trigger": {"by": {"userId": "user_1"}},
            "payload": {"action": {"identifier": "deploy"}, "properties": {"environment": "production"}}}
    polling.offer(polling.run("run_1", body, synchronized=False, method="POST", headers={}))
    agent = polling.start()
    event = polling.event("run_1")
    assert event["context"] == {**body["context"], "runId": "run_1"} and event["trigger"] == body["trigger"]
    method = {"type": "WEBHOOK", "url": f"{polling.recorder.url}/run_1", "synchronized": False, "method": "POST", "headers": {}}
    assert event["payload"] == {"properties": {"environment": "production"}, "action": {"identifier": "deploy", "invocationMethod": method}}
    assert polling.port.acked == ["run_1"]
    assert agent.terminate() == 0


def test_a_body_without_an_action_gets_one_and_the_id_overrides(polling):
    """test_process_run_without_invocation_method, test_process_run_adds_run_id_to_context, test_process_run_overwrites_body_run_id"""
    polling.offer(polling.run("run_bare"), polling.run("run_other", {"context": {"runId": "existing", "entity": "e"}}))
    agent = polling.start()
    assert polling.event("run_bare")["context"] == {"runId": "run_bare"}
    assert polling.event("run_bare")["payload"]["action"]["invocationMethod"]["url"].endswith("/run_bare")
    assert polling.event("run_other")["context"] == {"runId": "run_other", "entity": "e"}
    assert agent.terminate() == 0


def test_a_claimed_node_run_is_delivered_with_its_config(polling):
    """test_process_wf_node_run_success, test_http_polling_consumer_wf_node_run_successful_poll, test_polling_streamer_process_wf_node_run"""
    node_run = polling.node_run("wfnr_1", synchronized=True, method="POST", headers={"Content-Type": "application/json"})
    polling.offer(node_run)
    agent = polling.start()
    event = polling.event("wfnr_1")
    assert event["context"] == {"runId": "wfnr_1", "nodeConfig": node_run["config"]}
    assert event["payload"]["action"]["invocationMethod"] == {k: v for k, v in node_run["config"].items() if k != "agent"}
    assert polling.port.acked == ["wfnr_1"]
    assert agent.terminate() == 0


def test_a_node_run_whose_webhook_fails_is_reported_failed(polling):
    """test_process_wf_node_run_webhook_failure_propagates, test_http_polling_consumer_workflow_processing_error"""
    polling.offer(polling.node_run("wfnr_refused", url="http://127.0.0.1:1/"))
    agent = polling.start(WEBHOOK_RETRY_MAX_ATTEMPTS="1")
    failed = ("PATCH", "", {"status": "COMPLETED", "result": "FAILED"})
    polling.port.wait(lambda: polling.port.of_node_run("wfnr_refused")[-1:] == [failed])
    assert polling.port.acked == ["wfnr_refused"] and agent.terminate() == 0


def test_a_run_that_cannot_be_processed_is_reported_failed(polling):
    """test_http_polling_consumer_processing_error. Differs: the summary says why."""
    polling.offer(polling.run("run_refused", url="http://127.0.0.1:1/"))
    agent = polling.start(WEBHOOK_RETRY_MAX_ATTEMPTS="1")
    polling.port.wait(lambda: any(m == "PATCH" for m, _, _ in polling.port.of_run("run_refused")))
    [result] = [b for m, p, b in polling.port.of_run("run_refused") if (m, p) == ("PATCH", "")]
    assert result["status"] == "FAILURE" and "refused" in result["summary"]
    assert polling.port.acked == ["run_refused"] and agent.terminate() == 0


def test_a_node_run_without_an_identifier_is_neither_acknowledged_nor_delivered(polling):
    """test_process_wf_node_run_missing_identifier, test_polling_streamer_process_wf_node_run_missing_identifier"""
    nameless = polling.node_run("wfnr_x")
    del nameless["identifier"]
    polling.port.claim_answers["/v1/workflows/runs/claim-pending"] = (200, {"ok": True, "nodeRuns": [nameless]})
    agent = polling.start()
    agent.wait_log("claimed run skipped")
    assert agent.terminate() == 0
    assert polling.port.acked == [] and polling.recorder.requests == []


def test_a_node_run_without_a_config_is_told(polling):
    """test_process_wf_node_run_empty_config. Differs: there the test hands the method over beside the run; of a run as it is claimed, nothing
    says where to send it or whether it is for an agent, so nothing is sent."""
    polling.offer({"identifier": "wfnr_empty", "status": "IN_PROGRESS", "config": None}, polling.node_run("wfnr_next"))
    agent = polling.start()
    polling.event("wfnr_next")
    agent.log.wait(lambda items: any("wfnr_empty" in str(i) or "not for an agent" in i["msg"] for i in items))
    assert agent.terminate() == 0
    assert [r["target"] for r in polling.recorder.requests] == ["/wfnr_next"]


def test_a_poll_without_runs_acknowledges_nothing(polling):
    """test_http_polling_consumer_no_pending_runs, test_http_polling_consumer_workflow_no_pending_node_runs, test_polling_streamer_initialization,
    test_polling_streamer_stream: the agent polls both kinds from its start on."""
    agent = polling.start()
    polling.port.wait(lambda: len(polling.port.claims["runs"]) > 1 and len(polling.port.claims["nodeRuns"]) > 1)
    assert agent.terminate() == 0
    assert polling.port.acked == [] and polling.recorder.requests == []
    assert not any(p.endswith("/ack") for _, p, _ in polling.port.calls)


def test_polls_that_fail_back_off_and_go_on_when_port_is_back(polling):
    """test_http_polling_consumer_exponential_backoff, test_http_polling_consumer_backoff_reset"""
    polling.port.fail_status = 500
    polling.offer(polling.run("run_after"))
    agent = polling.start(POLLING_INITIAL_BACKOFF_SECONDS="0.1", POLLING_MAX_BACKOFF_SECONDS="1")
    waits = lambda items: [i["next_attempt_in"] for i in items if i["msg"].startswith("polling failed")]
    said = waits(agent.log.wait(lambda items: len(waits(items)) >= 4))
    assert said[0] < 0.15 and said[2] > said[0]
    polling.port.fail_status = None
    polling.event("run_after")
    polling.port.wait(lambda: len(polling.port.claims["runs"]) > 3)  # at the interval again, not at the backoff's
    assert agent.terminate() == 0


def test_every_claimed_run_is_acknowledged_by_itself(polling):
    """test_http_polling_consumer_ack_all_claimed_runs: one that fails does not keep the next from being acknowledged"""
    polling.offer(polling.run("run_1", url="http://127.0.0.1:1/"), polling.run("run_2"), polling.run("run_3"))
    agent = polling.start(WEBHOOK_RETRY_MAX_ATTEMPTS="1")
    polling.event("run_2"), polling.event("run_3")
    assert sorted(polling.port.acked) == ["run_1", "run_2", "run_3"]
    assert sorted(b["runIds"] for _, p, b in polling.port.calls if p == "/v1/actions/runs/ack") == [["run_1"], ["run_2"], ["run_3"]]
    assert agent.terminate() == 0


@pytest.mark.parametrize("kind", [pytest.param("r", id="test_http_polling_consumer_ack_failure_skips_processing"),
                                  pytest.param("wfnr", id="test_http_polling_consumer_workflow_ack_failure_skips_processing")])
def test_a_run_that_is_not_acknowledged_is_not_processed(polling, kind):
    polling.port.unacknowledged.add(f"{kind}_not_ours")
    make = polling.run if kind == "r" else polling.node_run
    polling.offer(make(f"{kind}_not_ours"), make(f"{kind}_ours"))
    agent = polling.start()
    polling.event(f"{kind}_ours")
    agent.wait_log("run left to Port")
    assert agent.terminate() == 0
    assert [r["target"] for r in polling.recorder.requests] == [f"/{kind}_ours"]


def test_action_runs_and_node_runs_are_both_claimed(polling):
    """test_http_polling_consumer_both_action_and_workflow_runs. Differs from test_http_polling_consumer_workflow_skipped_without_callback: there is
    no agent without workflows here, as there is none outside that test."""
    polling.offer(polling.run("run_1"), polling.node_run("wfnr_1"))
    agent = polling.start()
    assert polling.event("run_1") and polling.event("wfnr_1")
    assert sorted(polling.port.acked) == ["run_1", "wfnr_1"] and agent.terminate() == 0


@pytest.mark.parametrize("kind", [pytest.param("r", id="test_polling_streamer_process_run_skips_non_agent"),
                                  pytest.param("wfnr", id="test_polling_streamer_process_wf_node_run_skips_non_agent")])
def test_a_claimed_run_that_is_not_for_an_agent_is_not_delivered(polling, kind):
    make = polling.run if kind == "r" else polling.node_run
    polling.offer(make(f"{kind}_other", agent=False), make(f"{kind}_ours"))
    agent = polling.start()
    polling.event(f"{kind}_ours")
    assert agent.terminate() == 0
    assert [r["target"] for r in polling.recorder.requests] == [f"/{kind}_ours"]


# The list above is whole


FUNCTIONS = {
    "invokers/test_webhook_invoker.py": """test_decrypt_simple_fields test_decrypt_complex_fields test_partial_decryption test_decrypt_with_complex_jq
        test_decrypt_payload_fields_complex test_decrypt_field_too_short test_decrypt_field_key_too_short test_decrypt_field_decrypt_failure
        test_decrypt_payload_fields_decrypt_exception test_get_nested_and_set_nested""",
    "processors/kafka/test_kafka_to_webhook_processor.py": """test_single_stream_success test_single_stream_failed test_single_stream_success_control_the_payload
        test_invocation_method_synchronized test_invocation_method_method_override test_wf_node_run_stream_success test_wf_node_run_not_synchronized""",
    "processors/polling/test_polling_to_webhook_processor.py": """test_process_run_success test_process_run_without_invocation_method
        test_process_run_adds_run_id_to_context test_process_run_overwrites_body_run_id test_process_wf_node_run_success
        test_process_wf_node_run_webhook_failure_propagates test_process_wf_node_run_missing_identifier test_process_wf_node_run_empty_config""",
    "streamers/kafka/test_kafka_streamer.py": """test_single_stream_success test_single_stream_failed test_single_stream_skipped_due_to_agentless
        test_wf_node_run_stream_success test_wf_node_run_stream_skips_non_agent""",
    "streamers/polling/test_http_polling_consumer.py": """test_http_polling_consumer_successful_poll test_http_polling_consumer_no_pending_runs
        test_http_polling_consumer_processing_error test_http_polling_consumer_exponential_backoff test_http_polling_consumer_backoff_reset
        test_http_polling_consumer_ack_all_claimed_runs test_http_polling_consumer_ack_failure_skips_processing
        test_http_polling_consumer_wf_node_run_successful_poll test_http_polling_consumer_workflow_no_pending_node_runs
        test_http_polling_consumer_workflow_processing_error test_http_polling_consumer_workflow_ack_failure_skips_processing
        test_http_polling_consumer_workflow_skipped_without_callback test_http_polling_consumer_both_action_and_workflow_runs""",
    "streamers/polling/test_polling_streamer.py": """test_polling_streamer_initialization test_polling_streamer_stream test_polling_streamer_process_run
        test_polling_streamer_process_run_skips_non_agent test_polling_streamer_process_wf_node_run test_polling_streamer_process_wf_node_run_skips_non_agent
        test_polling_streamer_process_wf_node_run_missing_identifier""",
}


def test_each_function_of_todays_tests_is_answered_to():
    names = [name for functions in FUNCTIONS.values() for name in functions.split()]
    text = open(__file__).read().split("# The list above is whole")[0]
    assert len(names) == 50 and [name for name in names if name not in text] == []
