"""2,000 generated events through 60 generated mapping files, against results worked out in Python from the contract (mapping_cases.py, jq_oracle.py)."""
import json
import os
import subprocess

import pytest

import mapping_cases as cases
from harness import BINARY, SECRET, compact, encrypted, sign
from recorder import Recorder

pytestmark = pytest.mark.host  # what libraries do is most of what is tested here

FILES, EVENTS = 60, 2000


@pytest.fixture(scope="module")
def sealed():
    """What Port would send for each secret."""
    return {text: encrypted(text) for text in cases.SECRETS}


def per_file(number):
    return EVENTS // FILES + (number < EVENTS % FILES)


def mask(text, secrets):
    """Decrypted values are never shown: as they are, inside JSON, and percent-encoded."""
    for secret in secrets:
        for form in (secret, json.dumps(secret, ensure_ascii=False)[1:-1], cases.urllib.parse.quote(secret, safe="-._~")):
            text = text.replace(form, "***")
    return text


def explain(file, answer, tmp_path):
    (tmp_path / "mapping.json").write_text(json.dumps(file.json(), ensure_ascii=False))
    (tmp_path / "events.jsonl").write_text("".join(compact(e) + "\n" for e in file.events))
    (tmp_path / "answer.json").write_text(json.dumps(answer))
    done = subprocess.run([BINARY, "map", "--mapping", "mapping.json", "--events", "events.jsonl", "--response", "answer.json", "--output", "json"],
                          cwd=tmp_path, env={"PATH": os.environ["PATH"], "PORT_CLIENT_SECRET": SECRET, **cases.ENVIRONMENT}, capture_output=True, text=True, timeout=60)
    assert done.returncode in (0, 1) and done.stderr == "", (done.returncode, done.stderr)
    shown = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(shown) == len(file.events)
    return shown


def fields_that_warn(warnings):
    """"mapping 3, body.a: jq: …" is about body.a."""
    return [w.split(", ", 1)[1].split(": ")[0].split(" [")[0] for w in warnings]


def check_report(shown, outcome, status, answer, synchronized):
    wanted = cases.expected_report(outcome, status, answer)
    assert {k: shown[k] for k in wanted} == {k: json.loads(mask(json.dumps(v, ensure_ascii=False), outcome.secrets)) for k, v in wanted.items()}
    if "status" not in wanted:
        assert shown["status"] == ("FAILURE" if status >= 400 else "SUCCESS" if synchronized else None)
    if "summary" not in wanted:
        assert shown["summary"] is None if status < 400 else str(status) in shown["summary"]


def check(shown, outcome, status, answer, synchronized):
    assert shown["mapping"] == outcome.mapping
    if outcome.mapping is None or outcome.failed:
        assert shown["request"] is None and shown["failure"]
        return
    assert shown["failure"] is None, shown["failure"]
    request = shown["request"]
    assert request["method"] == outcome.method
    assert request["url"] == mask(outcome.url, outcome.secrets)
    assert request["body"] == (None if outcome.body is None else mask(outcome.body, outcome.secrets))
    assert {k: request["headers"].get(k) for k in outcome.headers} == {k: mask(v, outcome.secrets) for k, v in outcome.headers.items()}
    if shown["report"]:
        check_report(shown["report"], outcome, status, answer, synchronized)
    assert sorted(fields_that_warn(shown["warnings"])) == sorted(outcome.warned)


@pytest.mark.parametrize("number", range(FILES))
def test_generated_files(number, sealed, tmp_path):
    file = cases.File(number, per_file(number), "http://svc.internal:8080", sealed)
    unsealed = {v: k for k, v in sealed.items()}
    status = [200, 201, 204, 404, 503][number % 5]
    answer = {"id": number, "url": f"https://l/{number}"}
    for event, shown in zip(file.events, explain(file, {"statusCode": status, "json": answer}, tmp_path)):
        outcome = cases.expected(file.mappings, event, compact(event), unsealed)
        try:
            check(shown, outcome, status, answer, event["payload"]["action"]["invocationMethod"]["synchronized"])
        except AssertionError as difference:
            raise AssertionError(f"{difference}\nfile: {json.dumps(file.json(), ensure_ascii=False)}\nevent: {compact(event)}\nshown: {json.dumps(shown, ensure_ascii=False)}\n"
                                 f"expected: {vars(outcome)}") from None


# The same by the whole agent: a quarter of the files in one, with all their events, from Kafka to the endpoint and to Port

STATUSES = [201, 404]
ANSWER = {"id": 7, "url": "https://l/7"}


def offset_of(request):
    return int(request["headers"]["idempotency-key"].rsplit("-", 1)[1])


def check_request(request, outcome, base):
    assert (request["method"], request["target"]) == (outcome.method, outcome.url.removeprefix(base))
    assert request["body"] == (outcome.body or "").encode()
    for name, text in outcome.headers.items():
        assert request["headers"][name.lower()].encode("latin-1") == text.strip(" \t").encode(), name


def check_result(reported, wanted, status, synchronized):
    """What Port was told of a run whose endpoint was asked; `wanted`: what its mapping reports."""
    named, wanted = set(wanted), dict(wanted)
    if status >= 400:
        wanted.setdefault("status", "FAILURE")
    elif synchronized:
        wanted.setdefault("status", "SUCCESS")
    wanted = {field: value for field, value in wanted.items() if value is not None}
    results = [body for _, part, body in reported if part == ""]
    if status >= 400 and "summary" not in named:
        assert str(status) in results[0].pop("summary")
        results = [result for result in results if result]
    assert results == ([wanted] if wanted else [])
    assert [body for _, part, body in reported if part == "/response"] == ([{"response": ANSWER}] if synchronized else [])


def warned_fields(agent):
    """{run: the fields that warned}"""
    found = {}
    for line in agent.log.snapshot():
        if line["msg"] == "a mapping's expression gave nothing":
            found.setdefault(line["port.run_id"], []).append(line["error.message"])
    return {run: sorted(fields_that_warn(warnings)) for run, warnings in found.items()}


def test_generated_files_by_the_whole_agent(sealed, world, port, tmp_path):
    recorder = Recorder()
    recorder.answer = lambda request: (STATUSES[offset_of(request) % 2], ANSWER)
    unsealed = {v: k for k, v in sealed.items()}
    mappings, events, outcomes = [], [], []
    for number in range(0, FILES, 4):
        file = cases.File(number, per_file(number), recorder.url, sealed)
        mappings += file.json(restrict=f".context.file == {number}")
        for event in file.events:
            event = {**event, "headers": {}}
            events.append(event)
            outcomes.append(cases.expected(file.mappings, event, compact(event), unsealed))
    (tmp_path / "mapping.json").write_text(json.dumps(mappings, ensure_ascii=False))
    agent = world.agent(CONTROL_THE_PAYLOAD_CONFIG_PATH=str(tmp_path / "mapping.json"), DETAILED_LOGGING="false", **cases.ENVIRONMENT)
    world.produce(*[compact({**e, "headers": {"X-Port-Timestamp": "1768317616", "X-Port-Signature": sign(compact(e))}}) for e in events])
    sent = {i for i, outcome in enumerate(outcomes) if outcome.mapping and not outcome.failed}
    requests = {offset_of(r): r for r in recorder.wait(len(sent), timeout=120)}
    assert requests.keys() == sent and len(sent) > 100
    for offset, (event, outcome) in enumerate(zip(events, outcomes)):
        run, synchronized, status = event["context"]["runId"], event["payload"]["action"]["invocationMethod"]["synchronized"], STATUSES[offset % 2]
        try:
            if offset in sent:
                check_request(requests[offset], outcome, recorder.url)
                wanted = cases.expected_report(outcome, status, ANSWER)
                usual = {"status"} if status < 400 and synchronized else {"status", "summary"} if status >= 400 else set()
                settled = 2 + synchronized + bool(usual - set(wanted) or any(value is not None for value in wanted.values()))
                port.wait(lambda: len(port.of_run(run)) >= settled)
                check_result(port.of_run(run), wanted, status, synchronized)
            elif outcome.failed:
                port.wait(lambda: [body["status"] for _, part, body in port.of_run(run) if part == ""] == ["FAILURE"])
            else:
                assert port.of_run(run) == []
        except AssertionError as difference:
            raise AssertionError(f"{difference}\nevent: {compact(event)}\nexpected: {vars(outcome)}\nsent: {requests.get(offset)}\nreported: {port.of_run(run)}") from None
    assert agent.terminate() == 0
    assert warned_fields(agent) == {e["context"]["runId"]: sorted(o.warned) for e, o in zip(events, outcomes) if o.warned}
    recorder.close()
