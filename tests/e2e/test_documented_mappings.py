"""The mapping files that Port's documentation shows: each with an event of its action, and the request it must make."""
import json
import os
import pathlib
import subprocess

import pytest

from harness import BINARY, SECRET, compact, encrypted, sign

pytestmark = pytest.mark.host  # what libraries do is most of what is tested here

MAPPINGS = pathlib.Path(__file__).parent / "mappings"


def event(action, properties, method, entity=None, run="r_1"):
    """A signed run event, and the payload that was signed."""
    payload = {"action": action, "resourceType": "run", "status": "TRIGGERED", "trigger": {"by": {"user": {"email": "a@b.c"}}, "origin": "UI"},
               "context": {"entity": "e_1", "blueprint": "b", "runId": run},
               "payload": {"entity": entity, "action": {"invocationMethod": {"type": "WEBHOOK", "agent": True, "synchronized": True, **method}, "trigger": "DAY-2"},
                           "properties": properties, "censoredProperties": []}, "headers": {}}
    if method.get("type") == "GITLAB":
        del payload["headers"]
    signature = {"X-Port-Timestamp": "1768317616", "X-Port-Signature": sign(compact(payload))}
    return compact({**payload, "headers": signature}), compact(payload)


def explain(tmp_path, mapping, record, response=None, environment=None):
    (tmp_path / "event.json").write_text(record)
    words = ["--event", "event.json", "--output", "json"] + (["--mapping", str(MAPPINGS / mapping)] if mapping else [])
    if response is not None:
        (tmp_path / "response.json").write_text(json.dumps(response))
        words += ["--response", "response.json"]
    done = subprocess.run([BINARY, "map", *words], cwd=tmp_path, env={"PATH": os.environ["PATH"], **(environment or {})}, capture_output=True,
                          text=True, timeout=120)
    assert done.stderr == "", done.stderr
    return json.loads(done.stdout)


def check(shown, method, url, body, warnings=()):
    assert shown["failure"] is None and shown["warnings"] == list(warnings)
    assert (shown["request"]["method"], shown["request"]["url"]) == (method, url)
    assert shown["request"]["body"] == (body if body is None or isinstance(body, str) else compact(body))


def test_argo_workflow(tmp_path):
    record, _ = event("trigger_a_workflow", {"namespace": "argo", "memoized": True}, {"method": "PUT", "url": "https://argo.internal"},
                      {"identifier": "f7d5", "title": "hello-world-x9w5h"})
    answer = {"metadata": {"namespace": "argo", "name": "hello-world-b2c3d"}}
    shown = explain(tmp_path, "argo_workflow.json", record, {"statusCode": 200, "json": answer}, {"ARGO_WORKFLOW_TOKEN": "v2-token-of-argo"})
    check(shown, "PUT", "https://argo.internal/api/v1/workflows/argo/hello-world-x9w5h/resubmit", {"memoized": True})
    assert shown["request"]["headers"]["Content-Type"] == "application/json"
    assert (shown["report"]["status"], shown["report"]["link"]) == ("SUCCESS", "https://argo.internal/workflows/argo/hello-world-b2c3d")
    assert explain(tmp_path, "argo_workflow.json", record, {"statusCode": 404, "json": answer})["report"]["status"] == "FAILURE"


def test_circleci_pipeline(tmp_path):
    entity = {"properties": {"project_slug": "gh/acme org/web"}}
    record, _ = event("trigger_circle_ci_pipeline", {"branch": "dev", "count": 3, "deep": {"a": [1]}, "flag": False}, {"url": "https://circleci.com"}, entity)
    shown = explain(tmp_path, "circleci_pipeline.json", record)
    check(shown, "POST", "https://circleci.com/api/v2/project/gh%2Facme%20org%2Fweb/pipeline",
          {"branch": "dev", "parameters": {"branch": "dev", "count": "3", "deep": '{"a":[1]}', "flag": "false"}})
    assert "Circle-Token" not in shown["request"]["headers"]  # env has none: null is left out
    shown = explain(tmp_path, "circleci_pipeline.json", event("trigger_circle_ci_pipeline", {}, {"url": "https://circleci.com"}, entity)[0],
                    environment={"CIRCLE_CI_URL": "https://ci.internal", "CIRCLE_CI_TOKEN": "token-of-circle"})
    check(shown, "POST", "https://ci.internal/api/v2/project/gh%2Facme%20org%2Fweb/pipeline", {"branch": "main", "parameters": None})
    assert shown["request"]["headers"]["Circle-Token"] == "***"


def test_opsgenie_incident(tmp_path):
    properties = {"message": "disk full", "description": "on db-1", "details": {"host": "db-1"}, "priority": "P2"}
    record, _ = event("create_opsgenie_incident", properties, {"url": "https://api.opsgenie.com/v1/incidents/create"})
    shown = explain(tmp_path, "opsgenie_incident.json", record)
    # Port's events have no payload.action.url: the documented file makes no request of them, and that is said.
    assert shown["request"] is None and "the url is null" in shown["failure"]
    with_url = json.loads(record)
    with_url["payload"]["action"]["url"] = "https://api.opsgenie.com/v1/incidents/create"
    shown = explain(tmp_path, "opsgenie_incident.json", compact(with_url), {"statusCode": 202, "json": {}})
    check(shown, "POST", "https://api.opsgenie.com/v1/incidents/create", properties)
    assert shown["report"]["status"] == "SUCCESS"
    assert explain(tmp_path, "opsgenie_incident.json", compact(with_url), {"statusCode": 201, "json": {}})["report"]["status"] == "FAILURE"


def test_terraform_cloud_run(tmp_path):
    entity = {"properties": {"workspace_id": "ws-1", "workspace_name": "prod", "organization_name": "acme"}}
    record, _ = event("trigger_tf_run", {"region": "eu", "size": 3}, {"url": "https://app.terraform.io/api/v2/runs/"}, entity)
    shown = explain(tmp_path, "terraform_cloud_run.json", record, {"statusCode": 201, "json": {"data": {"id": "run-77"}}}, {"TF_TOKEN": "token-of-terraform"})
    check(shown, "POST", "https://app.terraform.io/api/v2/runs/", {"data": {
        "attributes": {"is-destroy": False, "message": "Triggered via Port", "variables": [{"key": "region", "value": "eu"}, {"key": "size", "value": 3}]},
        "type": "runs", "relationships": {"workspace": {"data": {"type": "workspaces", "id": "ws-1"}}}}})
    assert shown["request"]["headers"]["Content-Type"] == "application/vnd.api+json"
    assert {k: shown["report"][k] for k in ("status", "link", "externalRunId")} == {
        "status": "SUCCESS", "link": "https://app.terraform.io/app/acme/workspaces/prod/runs/run-77", "externalRunId": "run-77"}


@pytest.mark.parametrize("mapping, path, answer, status, external", [
    ("windmill_job.json", "run", {"statusCode": 201, "text": "018f-job"}, "SUCCESS", "018f-job"),
    ("windmill_job.json", "run", {"statusCode": 500, "text": "no"}, "FAILURE", "no"),
    ("windmill_job_result.json", "run_wait_result", {"statusCode": 201, "json": {"result": 1}}, "SUCCESS", None),
    ("windmill_job_result.json", "run_wait_result", {"statusCode": 201, "json": {"error": "oh"}}, "FAILURE", None)])
def test_windmill_job(tmp_path, mapping, path, answer, status, external):
    data = {"value": "batman", "database": "$res:f/examples/demo", "n": 1.5}
    record, _ = event("trigger_windmill_pipeline", {"workspace": "demo", "file_path": "f/examples/ban_user", "job_data": data}, {"url": "https://app.windmill.dev/api"})
    shown = explain(tmp_path, mapping, record, answer, {"WINDMILL_TOKEN": "token-of-windmill"})
    url = f"https://app.windmill.dev/api/w/demo/jobs/{path}/f/f/examples/ban_user"
    check(shown, "POST", url, data)
    assert (shown["report"]["status"], shown["report"]["link"], shown["report"]["externalRunId"]) == (status, url, external)


def test_the_file_with_every_field(tmp_path):
    secret = encrypted("pässword")
    record, _ = event("any", {"secret_field": secret}, {"url": "https://svc.internal/x", "method": "PATCH"})
    shown = explain(tmp_path, "every_field.json", record, {"statusCode": 500, "json": {"link": "https://l", "summary": "done", "runId": 7}},
                    {"PORT_CLIENT_SECRET": SECRET})
    check(shown, "PATCH", "https://svc.internal/x", None)  # the event has no `body`: null, so there is none
    assert {k: shown["report"][k] for k in ("status", "link", "summary", "externalRunId")} == {
        "status": "SUCCESS", "link": "https://l", "summary": "done", "externalRunId": "7"}


def test_forwarded_headers_and_partly_constructed_bodies(tmp_path):
    method = {"url": "http://test.com:", "headers": {"X-Team": "core", "X-Ratio": 0.5, "X-None": None}}
    properties = {"target_cluster": "cluster-a", "network_port": "8080", "im": {"a": {"jq": {"expression": [1, None]}}}}
    shown = explain(tmp_path, "forwarded_headers.json", event("any", properties, method)[0])
    check(shown, "POST", "http://test.com:8080", {"key": 2, "key2": {"key3": [1, None], "key4": "im a string"}})
    assert shown["request"]["headers"]["X-Team"] == "core" and shown["request"]["headers"]["X-Ratio"] == "0.5"
    assert "X-None" not in shown["request"]["headers"]
    other = explain(tmp_path, "forwarded_headers.json", event("any", {**properties, "target_cluster": "cluster-b"}, method)[0])
    assert other["mapping"] is None and other["failure"].startswith("no mapping wants the event")


def test_encrypted_elements_of_lists(tmp_path):
    sealed = [encrypted(text) for text in ("first", "second")]
    body = {"secrets": [{"key": "a", "value": sealed[0]}, {"key": "b", "value": sealed[1]}], "users": [{"username": "u", "password": sealed[0]}]}
    record, _ = event("any", {}, {"url": "https://svc.internal/x", "body": body})
    shown = explain(tmp_path, "encrypted_list.json", record, environment={"PORT_CLIENT_SECRET": SECRET})
    masked = {"secrets": [{"key": "a", "value": "***"}, {"key": "b", "value": "***"}], "users": [{"username": "u", "password": "***"}]}
    check(shown, "POST", "https://svc.internal/x", masked)
    # with another secret the values stay as they are, and it is said of each
    shown = explain(tmp_path, "encrypted_list.json", record, environment={"PORT_CLIENT_SECRET": "x" * 32})
    assert json.loads(shown["request"]["body"]) == body and len(shown["warnings"]) == 3


GITLAB = {"type": "GITLAB", "groupName": "acme/platform/Zoë team", "projectName": "web&app"}
ENCODED = "acme%2Fplatform%2FZo%C3%AB%20team%2Fweb%26app"


@pytest.mark.parametrize("mapping", ["gitlab_pipeline.json", None], ids=["users' copy", "built-in"])
def test_gitlab_pipeline(tmp_path, mapping):
    record, payload = event("any", {"ref": "feature/x", "n": 5, "flag": True, "list": [1, {"a": None}], "text": "é"}, GITLAB)
    answer = {"statusCode": 201, "json": {"id": 4711, "web_url": "https://gitlab.com/p/4711"}}
    shown = explain(tmp_path, mapping, record, answer, {"acme_platform_Zoë team_web&app": "trigger-token"})
    variables = {"ref": "feature/x", "n": "5", "flag": "true", "list": '[1,{"a":null}]', "text": "é"}
    check(shown, "POST", f"https://gitlab.com/api/v4/projects/{ENCODED}/trigger/pipeline",
          {"ref": "feature/x", "token": "***", "variables": variables, "port_payload": json.loads(payload)})
    assert (shown["report"]["status"], shown["report"]["link"], shown["report"]["externalRunId"]) == ("SUCCESS", "https://gitlab.com/p/4711", "4711")
    method = {**GITLAB, "omitUserInputs": True, "omitPayload": True, "defaultRef": "develop"}
    shown = explain(tmp_path, mapping, event("any", {"n": 1}, method)[0], environment={"GITLAB_URL": "http://git.internal/"})
    check(shown, "POST", f"http://git.internal/api/v4/projects/{ENCODED}/trigger/pipeline", {"ref": "develop", "token": None, "variables": {}, "port_payload": {}})
    shown = explain(tmp_path, mapping, event("any", {"n": 1}, {**GITLAB, "omitUserInputs": False, "omitPayload": False})[0])
    assert json.loads(shown["request"]["body"])["ref"] == "main"
    assert json.loads(shown["request"]["body"])["variables"] == {"n": "1"}


def test_the_built_in_mappings_leave_other_events_alone(tmp_path):
    record, payload = event("any", {"big": 12345678901234567890, "tiny": 1e-07}, {"method": "PUT", "url": "https://svc.internal/x"})
    shown = explain(tmp_path, None, record)
    check(shown, "PUT", "https://svc.internal/x", payload)
    assert shown["mapping"] == 2


def test_gitlab_answers_of_another_kind_leave_the_report_as_it_is(tmp_path):
    record, _ = event("any", {}, GITLAB)
    for answer in ({"statusCode": 404, "json": {"message": "404 Not Found"}}, {"statusCode": 502, "text": "<html>"}, {"statusCode": 500, "json": [1]}):
        shown = explain(tmp_path, None, record, answer)
        assert shown["warnings"] == []
        assert (shown["report"]["status"], shown["report"]["link"], shown["report"]["externalRunId"]) == ("FAILURE", None, None)
