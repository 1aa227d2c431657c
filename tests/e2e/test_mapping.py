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
    return [evaluator for process in children(agent.process.pid) for compiler in children(process) for evaluator in children(compiler)]


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
    assert outcome(port, "r_2") == {"status": "SUCCESS", "link": "https://l/7"}  # its summary is an error: left out, and no other one in its place
    port.wait(lambda: len(port.of_run("r_3")) == 3 and len(port.of_run("r_5")) == 2)
    assert [p for _, p, _ in port.of_run("r_3")] == ["/logs", "/logs", "/response"]
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


def test_report_fields_that_give_nothing_are_left_out(mapped, world, port, recorder):
    """Null, nothing and an error are one; a status that is left out leaves the run to its backend, except where no answer came at all."""
    recorder.answer = lambda request: (503 if "bad" in request["target"] else 200, {"done": "done" in request["target"]})
    every = lambda text: {"status": text, "link": text, "summary": text, "externalRunId": text}
    silent = {"null": "null", "none": "empty", "error": "error(\"no\")"}
    mapped([*[{"enabled": f'.payload.properties.kind == "{kind}"', "report": every(text)} for kind, text in silent.items()],
            {"enabled": '.payload.properties.kind == "polls"', "report": {"status": 'if .response.json.done then "SUCCESS" else null end'}},
            {"enabled": '.payload.properties.kind == "link"', "report": {"link": ".nothing"}},
            {"enabled": '.payload.properties.kind == "says"', "report": {"status": '"SUCCESS"', "summary": '"all well"'}}]).assigned()
    runs = {**{f"r_{kind}_{url}_{s}": (kind, f"{recorder.url}/{url}", s == "s") for kind in silent for url in ("ok", "bad") for s in ("s", "a")},
            "r_gone": ("null", "http://127.0.0.1:1/x", True), "r_gone_a": ("error", "http://127.0.0.1:1/x", False), "r_gone_says": ("says", "http://127.0.0.1:1/x", True),
            "r_polls": ("polls", recorder.url + "/ok", True), "r_polls_done": ("polls", recorder.url + "/done", True), "r_link": ("link", recorder.url + "/ok", True),
            "wfnr_null": ("null", recorder.url + "/ok", True), "wfnr_bad": ("error", recorder.url + "/bad", True), "wfnr_gone": ("null", "http://127.0.0.1:1/x", True),
            "wfnr_link": ("link", recorder.url + "/ok", True)}
    world.produce(*[event(run, url, {"kind": kind}, synchronized=synchronized) for run, (kind, url, synchronized) in runs.items()], event("r_last", recorder.url + "/ok", {"kind": "link"}))
    assert outcome(port, "r_last") == {"status": "SUCCESS"}
    told = {"r_gone": {"status": "FAILURE"}, "r_gone_a": {"status": "FAILURE"}, "r_gone_says": {"status": "SUCCESS", "summary": "all well"}, "r_polls_done": {"status": "SUCCESS"},
            "r_link": {"status": "SUCCESS"}}
    for run, (kind, url, synchronized) in runs.items():
        if run in told:
            assert outcome(port, run) == told[run], run
        elif run.startswith("r_"):
            port.wait(lambda: len(port.of_run(run)) == 2 + synchronized)
            assert [part for _, part, _ in port.of_run(run) if part != "/logs"] == (["/response"] if synchronized else []), run
    failed = ("", {"status": "COMPLETED", "result": "FAILED"})
    port.wait(lambda: failed in node_calls(port, "wfnr_gone") and any(part == "" for part, _ in node_calls(port, "wfnr_link")))
    assert node_calls(port, "wfnr_link")[-1][1]["result"] == "SUCCESS"
    for run in ("wfnr_null", "wfnr_bad"):
        port.wait(lambda: len(node_calls(port, run)) == 2)
        assert [part for part, _ in node_calls(port, run)] == ["/logs", "/logs"], run


def test_a_report_that_breaks_leaves_out_its_fields_and_tells_the_run(mapped, world, port, recorder):
    mapped([{"report": {"status": "if .body.payload.properties.loop then last(repeat(1)) else strftime([]) end", "link": '"l"'}}], MAPPING_TIMEOUT="0.5").assigned()
    world.produce(event("r_loop", recorder.url + "/x", {"loop": True}), event("r_crash", recorder.url + "/x", {"loop": False}))
    for run, words in (("r_loop", "MAPPING_TIMEOUT"), ("r_crash", "")):
        port.wait(lambda: any("could not be evaluated" in (b or {}).get("message", "") and words in b["message"] for _, p, b in port.of_run(run) if p == "/logs") or words == "")
        assert [b for _, p, b in port.of_run(run) if p == ""] in ([], [{"link": "l"}])


def test_a_death_by_a_signal_is_told_by_the_signals_name(mapped, world, port, recorder):
    mapped([{"body": "if .payload.properties.crash then 5 | strftime([]) else first(paths) end"}], MAPPING_MAX_MEMORY="64MiB").assigned()
    world.produce(event("r_crash", recorder.url + "/x", {"crash": True}), event("r_paths", recorder.url + "/x", {}), event("r_again", recorder.url + "/x", {}))
    summary = outcome(port, "r_crash")["summary"]
    assert "signal 6 (SIGABRT)" in summary and "memory" not in summary.lower()
    assert outcome(port, "r_paths") == outcome(port, "r_again") == {"status": "SUCCESS"}
    assert [r["body"] for r in recorder.wait(2)] == [b'["action"]'] * 2


@pytest.mark.parametrize("version", ["1.1", "2"])
def test_host_is_the_mappings_and_framing_the_agents(mapped, world, port, recorder, version):
    """Headers as an object of jq and as one expression; the warning names the mapping and the field."""
    agent = mapped([{"enabled": ".payload.properties.n == 1", "headers": {"Host": '"h.example"', "Content-Length": "5", "TRANSFER-encoding": '"chunked"', "Connection": '"close"', "X-A": "1"}},
                    {"headers": '{host: ("n" + (.payload.properties.n | tostring) + ".example:81"), "content-length": "0", connection: "upgrade"}'}], WEBHOOK_HTTP_VERSION=version).assigned()
    world.produce(event("r_1", recorder.url + "/x", {"n": 1}))
    first = recorder.wait(1)[0]
    world.produce(event("r_2", recorder.url + "/x", {"n": 2}))
    second = recorder.wait(2)[1]
    assert (first["headers"]["host"], first["headers"]["x-a"], second["headers"]["host"]) == ("h.example", "1", "n2.example:81")
    for request in (first, second):
        assert signed(request) and request["headers"]["content-length"] == str(len(request["body"])) and request["names"].count("content-length") == 1
        assert not {"connection", "transfer-encoding"} & request["headers"].keys() and request["names"].count("host") == 1
    assert outcome(port, "r_1") == outcome(port, "r_2") == {"status": "SUCCESS"}
    assert agent.terminate() == 0
    told = [i["error.message"] for i in agent.log.snapshot() if "error.message" in i]
    assert [t.split(":")[0] for t in told if "left out" in t] == ["mapping 1, headers.Content-Length", "mapping 1, headers.TRANSFER-encoding", "mapping 1, headers.Connection",
                                                                   "mapping 2, headers.content-length", "mapping 2, headers.connection"]


def test_what_would_change_the_connection_or_is_no_webhook_is_not_sent(mapped, world, port, recorder):
    """Headers of the connection are left out; a tunnel, a trace, and headers beyond their bounds fail the run."""
    kind = lambda name: f'.payload.properties.kind == "{name}"'
    agent = mapped([{"enabled": kind("hop"), "headers": {"Upgrade": '"websocket"', "te": '"trailers"', "Proxy-Authorization": '"Basic aHVudGVyMjp4"', "X-A": "1"}},
                    {"enabled": kind("method"), "method": ".payload.properties.method"},
                    {"enabled": kind("count"), "headers": '[range(.payload.properties.n) | {"x\\(.)": .}] | add'},
                    {"enabled": kind("bytes"), "headers": '{a: ("x" * .payload.properties.n)}'}]).assigned()
    failing = {"r_connect": {"kind": "method", "method": "CONNECT"}, "r_trace": {"kind": "method", "method": "trace"}, "r_101": {"kind": "count", "n": 101}, "r_long": {"kind": "bytes", "n": 65536}}
    reasons = {"r_connect": "CONNECT, which the agent does not send", "r_trace": "TRACE, which the agent does not send", "r_101": "more than 100 headers", "r_long": "more than 64 KiB of headers"}
    world.produce(*[event(run, recorder.url + "/x", properties) for run, properties in failing.items()], event("r_hop", recorder.url + "/hop", {"kind": "hop"}),
                  event("r_80", recorder.url + "/80", {"kind": "count", "n": 80}))
    for run, reason in reasons.items():
        told = outcome(port, run)
        assert told["status"] == "FAILURE" and reason in told["summary"], told
    assert outcome(port, "r_hop") == outcome(port, "r_80") == {"status": "SUCCESS"}
    requests = {r["target"]: r for r in recorder.wait(2)}
    assert requests["/hop"]["headers"]["x-a"] == "1" and not {"upgrade", "te", "proxy-authorization"} & requests["/hop"]["headers"].keys()
    assert sum(name.startswith("x") and name[1:].isdigit() for name in requests["/80"]["headers"]) == 80
    assert agent.terminate() == 0 and len(recorder.wait(2)) == 2
    told = [i["error.message"] for i in agent.log.snapshot() if "left out" in i.get("error.message", "")]
    assert [t.split(":")[0] for t in told] == ["mapping 1, headers.Upgrade", "mapping 1, headers.te", "mapping 1, headers.Proxy-Authorization"]


def test_a_host_of_the_mapping_is_kept_over_redirects(mapped, world, port, recorder):
    recorder.answer = lambda request: (307, {}, {"Location": "/y"}) if request["target"] == "/x" else (200, {})
    mapped([{"headers": {"Host": '"h.example"'}}]).assigned()
    world.produce(event("r_1", recorder.url + "/x", {}))
    assert outcome(port, "r_1") == {"status": "SUCCESS"}
    assert [(r["target"], r["headers"]["host"]) for r in recorder.wait(2)] == [("/x", "h.example"), ("/y", "h.example")]


def test_no_body_has_no_content_type_of_ours(mapped, world, port, recorder):
    methods = ["POST", "PUT", "PATCH", "DELETE", "GET"]
    mapped([{"enabled": ".payload.properties.type", "body": "null", "headers": {"content-type": '"text/plain"'}},
            {"body": "if .payload.properties.how == 0 then null elif .payload.properties.how == 1 then empty else error(\"no\") end"}]).assigned()
    for i, method in enumerate(methods):
        world.produce(event(f"r_{i}", recorder.url + f"/{method}", {"how": i % 3}, method=method))
        request = recorder.wait(i + 1)[i]
        assert (request["method"], request["body"]) == (method, b"") and signed(request) and "content-type" not in request["headers"]
        assert request["headers"].get("content-length") == ("0" if method in ("POST", "PUT", "PATCH") else None)
    world.produce(event("r_typed", recorder.url + "/x", {"type": True}))
    assert recorder.wait(len(methods) + 1)[-1]["headers"]["content-type"] == "text/plain"


def test_a_query_may_be_a_text_or_pairs(mapped, world, recorder):
    queries = ['"x=1&y=2"', '"?x=1&y=ü z"', '[["x",1],["y",null],["x",["a b",true]]]', '""', ".payload.properties.query"]
    mapped([*[{"enabled": f".payload.properties.n == {n}", "query": query} for n, query in enumerate(queries)],
            {"query": [["x", ".payload.properties.n"], ["tag", [1, "null", "\"&\""]]], "url": '.payload.action.invocationMethod.url + "?a=1#f"'}]).assigned()
    wanted = ["/x?x=1&y=2", "/x?x=1&y=%C3%BC%20z", "/x?x=1&x=a%20b&x=true", "/x", "/x?k=v", "/x?a=1&x=5&tag=1&tag=%26"]
    for n, target in enumerate(wanted):
        world.produce(event(f"r_{n}", recorder.url + "/x", {"n": n, "query": [["k", "v"]]}))
        assert recorder.wait(n + 1)[n]["target"] == target


def test_answers_that_count_as_empty_are_no_response(mapped, world, port, recorder):
    answers = {"0": None, "-0": None, "0.0": None, "0e5": None, "false": None, "null": None, '""': None, "[]": None, "{}": None, "": None, "[[]]": [[]], '"0"': "0", "0.1": 0.1, "done": "done"}
    recorder.answer = lambda request: (200, list(answers)[int(request["target"].split("/")[1])])
    mapped([{}]).assigned()
    for n in range(len(answers)):
        world.produce(event(f"r_{n}", f"{recorder.url}/{n}", {}), event(f"wfnr_{n}", f"{recorder.url}/{n}", {}))
    for n, value in enumerate(answers.values()):
        assert outcome(port, f"r_{n}") == {"status": "SUCCESS"}
        assert [b for _, p, b in port.of_run(f"r_{n}") if p == "/response"] == ([] if value is None else [{"response": value}])
        port.wait(lambda: any(p == "" for p, _ in node_calls(port, f"wfnr_{n}")))
        [output] = [b["output"] for p, b in node_calls(port, f"wfnr_{n}") if p == ""]
        assert output == {"response": {"status": 200, "data": {} if value is None else value}}


def test_long_numbers_keep_their_digits_or_a_warning_names_the_field(mapped, world, port, recorder):
    digits = "5113603275375104668"
    agent = mapped([{"url": '.payload.action.invocationMethod.url + "/\\(.payload.properties.id)"', "query": {"id": ".payload.properties.id"}, "headers": {"X-Id": ".payload.properties.id | tojson"},
                     "body": {"id": ".payload.properties.id", "in": "{deep: [.payload.properties | .id]}"}, "report": {"externalRunId": ".response.json.id | tostring", "link": '"l"'}}]).assigned()
    recorder.answer = lambda request: (200, '{"id":' + digits + "}")
    record = event("r_1", recorder.url + "/x", {"id": "@"})
    payload = record[:record.index(',"headers":{')].replace('"@"', digits) + ',"headers":{}}'
    world.produce(payload[:-len("{}}")] + compact({"X-Port-Timestamp": "1768317616", "X-Port-Signature": sign(payload)}) + "}")
    result, request = outcome(port, "r_1"), recorder.wait(1)[0]
    port.wait(lambda: len(port.of_run("r_1")) >= 4)
    assert agent.terminate() == 0
    warned = " ".join(i["error.message"] for i in agent.log.snapshot() if "lost its last digits" in i.get("error.message", ""))
    body = request["body"].decode()
    kept = {"url": request["target"].split("?")[0].endswith(digits), "query.id": request["target"].endswith("id=" + digits), "headers.X-Id": request["headers"]["x-id"] == digits,
            "body.id": f'"id":{digits}' in body, "body.in": f'"deep":[{digits}]' in body, "report.externalRunId": result["externalRunId"] == digits}
    assert all(right != (f"mapping 1, {field}:" in warned) for field, right in kept.items()), (kept, warned)


def test_deep_nesting_fails_the_expression_with_its_reason(mapped, world, port, recorder):
    agent = mapped([{"body": {"text": ".payload.properties.d | tojson", "inside": "\"<\\(.payload.properties.d)>\"", "fits": ".payload.properties.d[0] | length", "kept": ".payload.properties.d"}}]).assigned()
    deep = "[" * 300 + "]" * 300
    record = event("r_1", recorder.url + "/x", {"d": "@"})
    payload = record[:record.index(',"headers":{')].replace('"@"', deep) + ',"headers":{}}'
    world.produce(payload[:-len("{}}")] + compact({"X-Port-Timestamp": "1768317616", "X-Port-Signature": sign(payload)}) + "}")
    body = json.loads(recorder.wait(1)[0]["body"])
    assert body == {"text": None, "inside": None, "fits": 1, "kept": json.loads(deep)}
    assert outcome(port, "r_1") == {"status": "SUCCESS"}
    assert agent.terminate() == 0
    told = [i["error.message"] for i in agent.log.snapshot() if "nested too deeply" in i.get("error.message", "")]
    assert [t.split(":")[0] for t in told] == ["mapping 1, body.text", "mapping 1, body.inside"]


def test_what_only_jq_1_5_accepted_is_delivered(mapped, world, port, recorder):
    mapped([{"enabled": "yes", "body": {"leaves": "[.payload.properties | leaf_paths]", "down": "[.payload.properties.a | recurse_down]", "or": '.payload.properties.x?//"d"',
                                        "some": "[.payload.properties.a[] | scalars_or_empty]"}}]).assigned()
    world.produce(event("r_1", recorder.url + "/x", {"a": [1, [2], []]}))
    assert json.loads(recorder.wait(1)[0]["body"]) == {"leaves": [["a", 0], ["a", 1, 0]], "down": [[1, [2], []], 1, [2], 2, []], "or": "d", "some": [1, []]}
    assert outcome(port, "r_1") == {"status": "SUCCESS"}
