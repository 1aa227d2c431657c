"""Control the payload, by the whole agent: what reaches the endpoint, the run and the log."""
import base64
import hashlib
import hmac
import json
import os
import pathlib
import signal
import subprocess

import pytest

from harness import BINARY, SECRET, change_event, compact, encrypted, run_event, sign
from recorder import Recorder

pytestmark = pytest.mark.host  # what libraries do is most of what is tested here

MAPPINGS = pathlib.Path(__file__).parent / "mappings"


@pytest.fixture
def recorder():
    one = Recorder()
    yield one
    one.close()


@pytest.fixture
def mapped(world, tmp_path):
    """An agent with this mapping file; `path`: one that is there already."""
    def start(mapping=None, path=None, **environment):
        if path is None:
            path = tmp_path / "mapping.json"
            path.write_text(mapping if isinstance(mapping, str) else json.dumps(mapping))
        return world.agent(CONTROL_THE_PAYLOAD_CONFIG_PATH=str(path), **environment)

    return start


def event(run_id, url, properties, synchronized=True, **method):
    """A signed run event with anything in its invocation method."""
    payload = {"action": "act", "context": {"runId": run_id}, "payload": {"action": {"invocationMethod": {
        "type": "WEBHOOK", "agent": True, "synchronized": synchronized, "url": url, **method}}, "properties": properties}}
    return compact({**payload, "headers": {"X-Port-Timestamp": "1768317616", "X-Port-Signature": sign(compact(
        payload if method.get("type") == "GITLAB" else {**payload, "headers": {}}))}})


def signed(request):
    message = request["headers"]["x-port-timestamp"].encode() + b"." + request["body"]
    return request["headers"]["x-port-signature"] == "v1," + base64.b64encode(hmac.new(SECRET.encode(), message, hashlib.sha256).digest()).decode()


def outcome(port, run_id):
    """The result that was reported for a run, once it is."""
    port.wait(lambda: any(p == "" for _, p, _ in port.of_run(run_id)))
    return next(b for _, p, b in port.of_run(run_id) if p == "")


def node_calls(port, run_id):
    prefix = f"/v1/workflows/nodes/runs/{run_id}"
    with port.lock:
        return [(p[len(prefix):], b) for _, p, b in port.calls if p.startswith(prefix)]


def everything(agent, port):
    """All that may be read by somebody: the log, standard error, and what Port was told except results."""
    lines = json.dumps([agent.log.snapshot(), agent.errors.snapshot()], ensure_ascii=False)
    with port.lock:
        return lines + json.dumps([b for _, p, b in port.calls if p.endswith("/logs") or isinstance(b, dict) and "summary" in b], ensure_ascii=False)


def test_the_first_mapping_that_is_enabled_makes_the_request(mapped, world, port, recorder):
    agent = mapped([{"enabled": ".payload.properties.n == 1", "url": '.payload.action.invocationMethod.url + "/one"', "method": '"put"', "headers": {"X-N": ".payload.properties.n", "X-None": "null"},
                     "query": {"tag": '["a b", 2, null, true]', "none": "null"}, "body": {"n": ".payload.properties.n", "é": ["\"ü\"", None, 1.5]}},
                    {"enabled": ".payload.properties.n <= 2", "headers": {"Content-Type": '"text/plain"', "X-Port-Signature": '"forged"'}, "body": '"two"'},
                    {"enabled": False}, {"enabled": ".payload.properties.n", "url": '"http://127.0.0.1:1/never"'}]).assigned()
    world.produce(event("r_1", recorder.url + "/x", {"n": 1}))
    first = recorder.wait(1)[0]
    assert (first["method"], first["target"]) == ("PUT", "/x/one?tag=a%20b&tag=2&tag=true")
    assert first["body"] == '{"n":1,"é":["ü",null,1.5]}'.encode() and signed(first)
    assert first["headers"]["x-n"] == "1" and "x-none" not in first["headers"] and first["headers"]["content-type"] == "application/json"
    world.produce(event("r_2", recorder.url + "/x", {"n": 2}))
    second = recorder.wait(2)[1]
    assert (second["method"], second["target"], second["body"]) == ("POST", "/x", b'"two"') and signed(second)
    assert second["names"].count("content-type") == 1 and second["headers"]["content-type"] == "text/plain" and second["names"].count("x-port-signature") == 1
    assert outcome(port, "r_2") == {"status": "SUCCESS"}
    world.produce(event("r_3", recorder.url + "/x", {"n": 3}), event("r_4", recorder.url + "/x", {"n": 1}))  # nobody's; then one more
    assert outcome(port, "r_4") == {"status": "SUCCESS"}
    assert port.of_run("r_3") == [] and len(recorder.requests) == 3
    assert agent.terminate() == 0


def test_requests_without_a_body_sign_the_empty_text(mapped, world, recorder):
    mapped([{"enabled": ".payload.properties.n == 1", "method": '"GET"', "body": "null"}, {"enabled": ".payload.properties.n == 2", "body": None}, {"body": ".nothing"}]).assigned()
    for n in (1, 2, 3):
        world.produce(event(f"r_{n}", recorder.url + "/x", {"n": n}))
        request = recorder.wait(n)[-1]
        assert (request["method"], request["body"]) == ("GET" if n == 1 else "POST", b"") and signed(request)
        assert "transfer-encoding" not in request["headers"]


def test_a_head_request_has_no_body_and_signs_none(mapped, world, recorder):
    mapped([{"method": '"head"', "enabled": ".payload.properties.n == 1"}, {"method": '"HEAD"', "body": '"text"'}]).assigned()
    recorder.answer = lambda request: (200, "")
    for n in (1, 2):
        world.produce(event(f"r_{n}", recorder.url + "/x", {"n": n}))
        request = recorder.wait(n)[-1]
        assert (request["method"], request["body"]) == ("HEAD", b"") and signed(request) and "content-length" not in request["headers"]


def test_blanks_in_urls_are_sent_as_clients_send_them(mapped, world, recorder):
    mapped([{"enabled": ".payload.properties.n == 1", "url": '.payload.action.invocationMethod.url + "/jobs/my job"', "query": {"q": '"a b"'}}, {}]).assigned()
    for n, target in ((1, "/x%20y/jobs/my%20job?q=a%20b"), (2, "/x%20y")):
        world.produce(event(f"r_{n}", recorder.url + "/x y", {"n": n}))
        assert recorder.wait(n)[-1]["target"] == target


def test_an_unchanged_body_is_the_records_own_bytes(mapped, world, recorder):
    mapped([{"headers": {"X-Big": ".payload.properties.big | type"}, "report": {"summary": '"x"'}}]).assigned()
    record = event("r_1", recorder.url + "/x", {"big": "@", "text": "Zoë"}).replace('"@"', "[12345678901234567890,1.0,1e-7,0.10,-0]")
    payload = record.replace(record[record.index(',"headers":{'):], ',"headers":{}}')
    headers = {"X-Port-Timestamp": "1768317616", "X-Port-Signature": sign(payload)}
    world.produce(payload[:-len("{}}")] + compact(headers) + "}")
    request = recorder.wait(1)[0]
    assert request["body"] == payload.encode() and signed(request) and request["headers"]["x-big"] == "array"


def test_numbers_of_mapped_bodies_are_what_javascript_writes(mapped, world, node_receiver):
    mapped([{"body": "{context, v: [.payload.properties.tiny, 1e-7, 0.00001, 1e17, 1.5e300, .payload.properties.text]}"}]).assigned()
    world.produce(event("r_1", node_receiver.url + "/ok", {"tiny": 1e-9, "text": "\u007f\u2028/é"}))
    node_receiver.wait_runs(["r_1"])
    assert all(s["valid"] for s in node_receiver.seen.snapshot())  # over JSON.stringify(JSON.parse(body))


def test_what_is_no_request_fails_its_run_alone_with_the_reason(mapped, world, port, recorder):
    mapped([{"enabled": '.payload.properties | has("field")', "url": ".payload.properties.url // (.payload.action.invocationMethod.url)", "method": ".payload.properties.method // \"POST\"",
             "headers": ".payload.properties.headers", "query": ".payload.properties.query"},
            {"enabled": ".payload.properties.null_url", "url": "null"}, {"enabled": ".payload.properties.null_method", "method": "empty"}, {}]).assigned()
    bad = {"r_url": ({"field": 1, "url": 5}, "the url is number"), "r_ftp": ({"field": 1, "url": "ftp://x/y"}, "http"), "r_rel": ({"field": 1, "url": "/x"}, "http"),
           "r_crlf": ({"field": 1, "headers": {"X-A": "a\r\nX-B: b"}}, "line break"), "r_nul": ({"field": 1, "headers": {"X-A": "a\u0000b"}}, "control character"),
           "r_host": ({"field": 1, "headers": {"host": "evil"}}, "not a mapping's to set"), "r_len": ({"field": 1, "headers": {"Content-Length": "1"}}, "not a mapping's to set"),
           "r_te": ({"field": 1, "headers": {"Transfer-Encoding": "chunked"}}, "not a mapping's to set"), "r_conn": ({"field": 1, "headers": {"CONNECTION": "close"}}, "not a mapping's to set"),
           "r_name": ({"field": 1, "headers": {"a b": "1"}}, "name"), "r_list": ({"field": 1, "headers": {"X-A": [1]}}, "list or an object"),
           "r_method": ({"field": 1, "method": "GE T"}, "not an HTTP method"), "r_query": ({"field": 1, "query": {"a": {"b": 1}}}, "query parameter"),
           "r_null": ({"null_url": True}, "the url is null"), "r_none": ({"null_method": True}, "the method is null"), "r_nulurl": ({"field": 1, "url": recorder.url + "/a\u0000b"}, "")}
    records = []
    for run_id, (properties, _) in bad.items():
        records += [event(run_id, recorder.url + "/x", properties), event(run_id + "_good", recorder.url + "/ok", {})]
    world.produce(*records)
    for run_id, (_, words) in bad.items():
        result = outcome(port, run_id)
        assert result["status"] == "FAILURE" and words in result["summary"], (run_id, result)
        assert outcome(port, run_id + "_good") == {"status": "SUCCESS"}
    assert {r["target"] for r in recorder.wait(len(bad))} == {"/ok"}


def test_endless_and_greedy_expressions_fail_their_runs_alone(mapped, world, port, recorder):
    """The greedy one doubles a text: memory is out after milliseconds, far from the bound of time, however slow the machine is."""
    agent = mapped([{"body": "if .payload.properties.loop then last(repeat(1)) elif .payload.properties.eat then reduce range(40) as $i (\"x\"; . + .) elif .payload.properties.deep then "
                             "reduce range(1000000) as $i (null; [.]) elif .payload.properties.stop then halt_error else .payload.properties.n end"}],
                   MAPPING_TIMEOUT="0.5", MAPPING_MAX_MEMORY="48MiB").assigned()
    world.produce(event("r_loop", recorder.url + "/x", {"loop": True}), event("r_eat", recorder.url + "/x", {"eat": True}), event("r_deep", recorder.url + "/x", {"deep": True}),
                  event("r_stop", recorder.url + "/x", {"stop": True}), *[event(f"r_{n}", recorder.url + f"/{n}", {"n": n}) for n in range(20)])
    for n in range(20):
        assert outcome(port, f"r_{n}") == {"status": "SUCCESS"}
    assert "more than 500 ms of processor time (MAPPING_TIMEOUT)" in outcome(port, "r_loop")["summary"]
    assert "MAPPING_MAX_MEMORY" in outcome(port, "r_eat")["summary"]
    assert outcome(port, "r_deep")["status"] == "FAILURE"
    assert outcome(port, "r_stop") == {"status": "SUCCESS"}  # no output: null, and so no body
    assert {r["target"]: r["body"] for r in recorder.wait(21)} == {"/x": b"", **{f"/{n}": str(n).encode() for n in range(20)}}
    assert "r_stop" in json.dumps([i for i in agent.log.snapshot() if i.get("error.message") == "mapping 1, body: jq: no output"])
    assert agent.terminate() == 0


def children(pid):
    return [int(one) for one in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def evaluators(agent):
    return [evaluator for process in children(agent.process.pid) for evaluator in children(process)]


def test_an_evaluator_that_is_killed_costs_no_event(mapped, world, port, recorder):
    """As the kernel does when memory is short: while it is idle, and while it is at work."""
    agent = mapped([{"body": "if .payload.properties.slow then last(range(1000000)) else .payload.properties.n end"}]).assigned()
    world.produce(event("r_1", recorder.url + "/x", {"n": 1}))
    assert outcome(port, "r_1") == {"status": "SUCCESS"}
    for pid in evaluators(agent):
        os.kill(pid, signal.SIGKILL)
    world.produce(event("r_2", recorder.url + "/x", {"n": 2}))
    assert outcome(port, "r_2") == {"status": "SUCCESS"}
    [idle] = evaluators(agent)
    world.produce(event("r_slow", recorder.url + "/x", {"slow": True}), *[event(f"r_{n}", recorder.url + "/x", {"n": n}) for n in range(3, 20)])
    os.kill(idle, signal.SIGKILL)  # before it has the slow one, at it, or behind it: all must do
    for n in range(3, 20):
        assert outcome(port, f"r_{n}") == {"status": "SUCCESS"}
    assert outcome(port, "r_slow") == {"status": "SUCCESS"}
    assert sorted(int(r["body"]) for r in recorder.wait(20)) == [*range(1, 20), 999999]
    assert agent.terminate() == 0


def test_what_jq_leaks_does_not_count_against_later_events(mapped, world, recorder):
    """jq 1.6's ltrimstr() of what is no text keeps its input for ever; 400 times 512 KB is far more than the bound."""
    mapped([{"body": ".payload.properties.text | [.] | ltrimstr(\"x\") | length"}], MAPPING_MAX_MEMORY="32MiB").assigned()
    world.produce(*[event(f"r_{n}", recorder.url + "/x", {"text": "x" * 524288}, synchronized=False) for n in range(200)])
    assert {r["body"] for r in recorder.wait(200, timeout=60)} == {b"1"}


def test_decrypted_values_reach_the_endpoint_and_nothing_else(mapped, world, port, recorder):
    secret, quoted = "hunter2-öffentlich", 'a"b\\c/d e'
    echo = lambda request: {"you sent": [secret, quoted], "and": request["body"].decode()}
    recorder.answer = lambda request: (400, compact(echo(request)) + json.dumps(echo(request)))  # as it is, and with \\u escapes
    agent = mapped([{"fieldsToDecryptPaths": ["payload.properties.password", ".payload.properties.list.0.value", "payload.properties.broken", "payload.properties.absent"],
                     "url": '.payload.action.invocationMethod.url + "/" + (.payload.properties.password | @uri)', "query": {"q": ".payload.properties.list[0].value"},
                     "headers": {"X-Secret": "\"key-\\(.payload.properties.password | @base64)\""}, "body": {"all": ".payload.properties", "n": ".payload.properties.password | tonumber"}}],
                   LOG_LEVEL="DEBUG", DETAILED_LOGGING="true").assigned()
    world.produce(event("r_1", recorder.url + "/x", {"password": encrypted(secret), "list": [{"value": encrypted(quoted)}], "broken": "AAAA"}))
    result = outcome(port, "r_1")
    request = recorder.wait(1)[0]
    assert request["target"] == "/x/hunter2-%C3%B6ffentlich?q=a%22b%5Cc%2Fd%20e" and signed(request)
    assert json.loads(request["body"]) == {"all": {"password": secret, "list": [{"value": quoted}], "broken": "AAAA"}, "n": None}
    assert request["headers"]["x-secret"] == "key-" + base64.b64encode(secret.encode()).decode()
    assert result["status"] == "FAILURE" and "400" in result["summary"]
    assert agent.terminate() == 0
    shown = everything(agent, port)
    assert "fieldsToDecryptPaths" in shown and "not decrypted" in shown and "***" in shown
    for form in (secret, json.dumps(secret), quoted, json.dumps(quoted)[1:-1], "%C3%B6ffentlich", "a%22b%5Cc", base64.b64encode(secret.encode()).decode()):
        assert form not in shown and json.dumps(form)[1:-1] not in shown, form
    assert "ffentlich" not in shown


def test_reports_override_what_they_name(mapped, world, port, recorder):
    recorder.answer = lambda request: (503 if request["target"].endswith("bad") else 201, {"id": 7, "url": "https://l/7", "items": [1]})
    mapped([{"enabled": ".payload.properties.n == 1", "report": {"status": "\"FAILURE\"", "link": "[.response.json.url, \"https://second\"]", "externalRunId": ".response.json.id",
                                                                 "summary": "\"\\(.request.method) \\(.request.url | split(\"/\") | last) \\(.response.statusCode) \\(.response.headers | length > 0) \\(.body.context.runId)\""}},
            {"enabled": ".payload.properties.n == 2", "report": {"status": "if .response.statusCode == 503 then \"SUCCESS\" else null end", "link": ".response.json.url", "summary": "error(\"no\")"}},
            {"report": {"status": "null", "link": "null", "summary": "null", "externalRunId": "null"}}]).assigned()
    world.produce(event("r_1", recorder.url + "/ok", {"n": 1}), event("r_2", recorder.url + "/bad", {"n": 2}), event("r_3", recorder.url + "/ok", {"n": 3}),
                  event("r_4", recorder.url + "/ok", {"n": 1}, synchronized=False), event("r_5", recorder.url + "/ok", {"n": 3}, synchronized=False))
    said = {"status": "FAILURE", "link": ["https://l/7", "https://second"], "externalRunId": "7"}
    assert outcome(port, "r_1") == {**said, "summary": "POST ok 201 true r_1"}
    assert outcome(port, "r_4") == {**said, "summary": "POST ok 201 true r_4"}
    assert {k: v for k, v in outcome(port, "r_2").items() if k != "summary"} == {"status": "SUCCESS", "link": "https://l/7"}
    assert "503" in outcome(port, "r_2")["summary"]
    assert outcome(port, "r_3") == {"status": "SUCCESS"}
    port.wait(lambda: len(port.of_run("r_5")) == 2)
    assert [p for _, p, _ in port.of_run("r_5")] == ["/logs", "/logs"]


@pytest.mark.parametrize("miss", ["report", "skip"])
def test_a_node_run_that_no_mapping_wants(mapped, world, port, recorder, miss):
    mapped([{"enabled": ".payload.properties.mine"}], MAPPING_MISS=miss).assigned()
    world.produce(event("wfnr_other", recorder.url + "/x", {}), event("r_other", recorder.url + "/x", {}), event("r_mine", recorder.url + "/x", {"mine": True}))
    assert outcome(port, "r_mine") == {"status": "SUCCESS"}
    if miss == "report":
        port.wait(lambda: ("", {"status": "COMPLETED", "result": "FAILED"}) in node_calls(port, "wfnr_other"))
    else:
        assert node_calls(port, "wfnr_other") == []
    assert port.of_run("r_other") == [] and len(recorder.requests) == 1


def test_change_log_events_are_mapped_too(mapped, world, recorder):
    mapped([{"enabled": ".changelogDestination != null", "url": ".changelogDestination.url + \"/mapped\"", "body": "{action, resourceType}"}]).assigned()
    world.produce(change_event(recorder.url + "/x"), topic=world.changes)
    request = recorder.wait(1)[0]
    assert (request["target"], request["body"]) == ("/x/mapped", b'{"action":"UPDATE","resourceType":"entity"}') and signed(request)


def test_env_is_there_without_secrets(mapped, world, recorder, tmp_path):
    secret_file = tmp_path / "secret"
    secret_file.write_text(SECRET + "\n")
    world.environment.pop("PORT_CLIENT_SECRET")
    mapped([{"body": "[env, $ENV | .PORT_CLIENT_SECRET, .PORT_CLIENT_SECRET_FILE, .KAFKA_CONSUMER_PASSWORD, .KAFKA_CONSUMER_PASSWORD_FILE, .PORT_ORG_ID, .CI_TOKEN] "
                     "+ [env | tostring | test(\"s3cret-of-the\")]"}],
           PORT_CLIENT_SECRET_FILE=str(secret_file), CI_TOKEN="t0k").assigned()
    world.produce(event("r_1", recorder.url + "/x", {}))
    half = [None, None, None, None, world.org, "t0k"]
    assert json.loads(recorder.wait(1)[0]["body"]) == [*half, *half, False]


def test_warnings_leave_out_the_values_they_are_about(mapped, world, port, recorder):
    agent = mapped([{"body": {"a": "env.CI_TOKEN | tonumber", "b": ".payload.properties.name + 1", "c": "env.CI_TOKEN | .x"}}], CI_TOKEN="t0k-of-the-ci", LOG_LEVEL="INFO").assigned()
    world.produce(event("r_1", recorder.url + "/x", {"name": "private-name"}))
    assert outcome(port, "r_1") == {"status": "SUCCESS"}
    assert recorder.wait(1)[0]["body"] == b'{"a":null,"b":null,"c":null}'
    assert agent.terminate() == 0
    shown = everything(agent, port)
    assert all(f"mapping 1, body.{field}: jq: " in shown for field in "abc")
    assert "t0k" not in shown and "private" not in shown


@pytest.mark.parametrize("text, problems", [
    ('[{"url": 5}, {"enabled": ".a ==", "body": {"x": [".y | nothere"]}}, {"report": [], "fieldsToDecryptPaths": "a"}]',
     ["mapping 1, url: is number", "mapping 2, enabled: jq: syntax error", "mapping 2, body.x[0]: jq: nothere/0 is not defined", "(line 1, column 6)", "mapping 3, report: is array",
      "mapping 3, fieldsToDecryptPaths: is string"]),
    ("{", ["is not JSON"]), ("{}", ["write a list of mappings"]), ("", ["is not JSON"]), ("[1]", ["mapping 1: is number"])])
def test_a_wrong_file_stops_the_start_with_a_line_for_each_problem(mapped, text, problems):
    agent = mapped(text)
    assert agent.wait() == 78
    lines = "".join(agent.errors.snapshot()).splitlines()
    assert all(any(p in line for line in lines) for p in problems), lines
    assert len(lines) == max(1, sum(p.startswith("mapping") for p in problems)), lines


def test_a_file_that_cannot_be_read_stops_the_start(mapped, tmp_path):
    for path in (tmp_path, tmp_path / "absent.json"):
        agent = mapped(path=path)
        assert agent.wait() == 78
        assert "CONTROL_THE_PAYLOAD_CONFIG_PATH" in "".join(agent.errors.snapshot())


def test_unknown_fields_warn(mapped, world, recorder):
    agent = mapped([{"boddy": "1", "report": {"links": "2"}}]).assigned()
    told = [i["reason"] for i in agent.log.snapshot() if i["msg"] == "mapping file"]
    assert len(told) == 2 and any("mapping 1, boddy" in t for t in told) and any("mapping 1, report.links" in t for t in told)
    world.produce(event("r_1", recorder.url + "/x", {}))
    recorder.wait(1)


def test_without_a_file_gitlab_pipelines_are_triggered_and_the_rest_is_sent_as_it_is(world, port, recorder):
    recorder.answer = lambda request: (201, {"id": 4711, "web_url": "https://gitlab/p/4711"})
    world.agent(GITLAB_URL=recorder.url + "/", **{"acme_sub_web": "trigger-token"}).assigned()
    record = event("r_gitlab", "unused", {"ref": "dev", "n": 5, "o": {"a": 1}}, type="GITLAB", groupName="acme/sub", projectName="web")
    plain = run_event("r_plain", recorder.url + "/plain")
    world.produce(record, plain)
    assert outcome(port, "r_gitlab") == {"status": "SUCCESS", "link": "https://gitlab/p/4711", "externalRunId": "4711"}
    assert outcome(port, "r_plain") == {"status": "SUCCESS"}
    requests = {r["target"]: r for r in recorder.wait(2)}
    payload = json.loads(record)
    del payload["headers"]
    body = {"ref": "dev", "token": "trigger-token", "variables": {"ref": "dev", "n": "5", "o": '{"a":1}'}, "port_payload": payload}
    assert requests["/api/v4/projects/acme%2Fsub%2Fweb/trigger/pipeline"]["body"] == compact(body).encode()
    assert all(map(signed, requests.values()))


def test_documented_files_send_their_credentials(mapped, world, port, recorder):
    """test_documented_mappings.py checks the rest; the credentials in headers are only ever seen by the endpoint."""
    names = ["argo_workflow", "circleci_pipeline", "opsgenie_incident", "terraform_cloud_run"]
    recorder.answer = lambda request: (202 if "alerts" in request["target"] else 201, {"metadata": {"namespace": "argo", "name": "w2"}, "data": {"id": "run-7"}})
    agent = mapped([mapping for name in names for mapping in json.loads((MAPPINGS / f"{name}.json").read_text())], ARGO_WORKFLOW_TOKEN="argo-t0k", CIRCLE_CI_TOKEN="circle-t0k",
                   CIRCLE_CI_URL=recorder.url, OPSGENIE_API_KEY="genie-k3y", TF_TOKEN="terraform-t0k").assigned()

    def act(action, run_id, properties, entity, url=None, **method):
        record = json.loads(event(run_id, recorder.url + "/tf", properties, **method))
        record["action"], record["payload"]["entity"] = action, entity
        if url:
            record["payload"]["action"]["url"] = url
        payload = {**record, "headers": {}}
        return compact({**payload, "headers": {"X-Port-Timestamp": "1768317616", "X-Port-Signature": sign(compact(payload))}})

    world.produce(act("trigger_a_workflow", "r_argo", {"namespace": "argo", "memoized": False}, {"title": "w1"}, method="PUT"),
                  act("trigger_circle_ci_pipeline", "r_circle", {"branch": "dev"}, {"properties": {"project_slug": "gh/a/b"}}),
                  act("create_opsgenie_incident", "r_genie", {"message": "m"}, None, url=recorder.url + "/alerts"),
                  act("trigger_tf_run", "r_tf", {"a": 1}, {"properties": {"workspace_id": "ws", "workspace_name": "p", "organization_name": "acme"}}))
    assert outcome(port, "r_argo")["link"] == recorder.url + "/tf/workflows/argo/w2" and outcome(port, "r_argo")["status"] == "FAILURE"  # it answered 201, and the file wants 200
    assert outcome(port, "r_circle") == {"status": "SUCCESS"} and outcome(port, "r_genie") == {"status": "SUCCESS"}
    assert outcome(port, "r_tf") == {"status": "SUCCESS", "externalRunId": "run-7", "link": "https://app.terraform.io/app/acme/workspaces/p/runs/run-7"}
    by_target = {r["target"]: (r["method"], r["headers"], r["body"]) for r in recorder.wait(4)}
    assert by_target["/tf/api/v1/workflows/argo/w1/resubmit"][1]["authorization"] == "Bearer argo-t0k"
    assert by_target["/tf/api/v1/workflows/argo/w1/resubmit"][::2] == ("PUT", b'{"memoized":false}')
    assert by_target["/api/v2/project/gh%2Fa%2Fb/pipeline"][1]["circle-token"] == "circle-t0k"
    assert by_target["/alerts"][1]["authorization"] == "GenieKey genie-k3y"
    assert by_target["/tf"][1]["authorization"] == "Bearer terraform-t0k" and by_target["/tf"][1]["content-type"] == "application/vnd.api+json"
    assert agent.terminate() == 0
    shown = everything(agent, port)
    assert not [t for t in ("argo-t0k", "circle-t0k", "genie-k3y", "terraform-t0k") if t in shown]


def test_port_agent_map_shows_what_the_agent_sends_and_reports(mapped, world, port, recorder, tmp_path):
    """The same file, event and answer, once through each."""
    own = {"content-type": '"text/plain"', "idempotency-key": '"mine"', "X-Port-Attempt": '"7"', "X-Port-Signature": '"forged"'}
    report = {"summary": '[.request.method, .request.url, .request.query.a, .request.body.n, .response.text] | map(tostring) | join(" ")', "externalRunId": ".request.headers | keys | join(\" \")"}
    mapping = [{"enabled": ".payload.properties.n == 1", "method": '"options"', "query": {"a": '"b c"'}, "headers": own, "body": "{n: 1}", "report": report},
               {"enabled": ".payload.properties.n == 2", "body": "null"}, {"enabled": ".payload.properties.n == 3", "url": '.payload.action.invocationMethod.url + "?x=1#f"', "query": {"y": "2"}}, {}]
    recorder.answer = lambda request: (503 if "y=2" in request["target"] or request["body"] == b"" else 201, {"id": 7})
    agent = mapped(mapping).assigned()
    for n in range(1, 5):
        record = event(f"r_{n}", recorder.url + "/x", {"n": n}, method="PUT")
        (tmp_path / "event.json").write_text(record)
        world.produce(record)
        result, request = outcome(port, f"r_{n}"), recorder.wait(n)[n - 1]
        (tmp_path / "answer.json").write_text(json.dumps({"statusCode": 503 if n in (2, 3) else 201, "text": json.dumps({"id": 7})}))
        done = subprocess.run([BINARY, "map", "--event", "event.json", "--mapping", "mapping.json", "--response", "answer.json", "--output", "json"], cwd=tmp_path, capture_output=True, text=True)
        shown = json.loads(done.stdout)
        assert shown["request"]["method"] == request["method"] and shown["request"]["url"].split("#")[0] == recorder.url + request["target"]
        assert (shown["request"]["body"] or "").encode() == request["body"]
        headers = {k.lower(): v for k, v in shown["request"]["headers"].items()}
        connections = {"host", "content-length", "accept", "accept-encoding", "user-agent"}
        assert headers.keys() == request["headers"].keys() - connections
        assert all(value == request["headers"][name] for name, value in headers.items() if "<" not in value)
        assert {name for name, value in headers.items() if "<" in value} <= {"x-port-timestamp", "x-port-signature", "x-port-attempt", "idempotency-key", "webhook-id"}
        assert {k: v for k, v in shown["report"].items() if k in ("status", "summary", "externalRunId", "link") and v is not None} == result
    assert agent.terminate() == 0
