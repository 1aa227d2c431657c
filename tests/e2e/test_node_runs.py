"""Workflow node runs over Kafka: every call to Port that is made for each, and no other."""
import json

import pytest

from harness import compact, run_event
from recorder import Recorder

FAILED = ("PATCH", "", {"status": "COMPLETED", "result": "FAILED"})
ANSWERS = {"/json": (201, {"id": 7, "big": 12345678901234567890, "list": [None, True]}), "/text": (200, "plain text"), "/empty": (204, ""),
           "/bad": (500, {"why": "no"})}


@pytest.fixture
def recorder():
    one = Recorder()
    one.answer = lambda request: ANSWERS[request["target"]]
    yield one
    one.close()


def success(status, data):
    return "PATCH", "", {"status": "COMPLETED", "result": "SUCCESS", "output": {"response": {"status": status, "data": data}}}


def unsigned(record):
    event = json.loads(record)
    event["headers"] = {}
    return compact(event)


def check_progress(calls, words):
    """Progress is logged in Port's form, and names what happened."""
    for (method, part, body), word in zip(calls, words, strict=True):
        [line] = body["logs"]
        assert (method, part, line["level"]) == ("POST", "/logs", "INFO") and word in line["message"]


@pytest.mark.host
def test_each_outcome_makes_its_calls_and_no_other(world, port, recorder):
    agent = world.agent(WEBHOOK_RETRY_MAX_ATTEMPTS="1").assigned()
    node = lambda name, path, **options: run_event(f"wfnr_{name}", recorder.url + path, **options)
    ends = {"json": success(*ANSWERS["/json"]), "text": success(200, "plain text"), "empty": success(204, {}), "bad": FAILED, "bad_async": FAILED,
            "refused": FAILED, "no_url": FAILED}
    alone = {"tampered": [FAILED], "unsigned": [FAILED]}  # nothing else is done on the word of an event that nobody signed
    world.produce(*[node(path[1:], path) for path in ANSWERS], node("bad_async", "/bad", synchronized=False), node("async", "/json", synchronized=False),
                  run_event("wfnr_refused", "http://127.0.0.1:1/"), run_event("wfnr_no_url", "ftp://127.0.0.1/"), node("tampered", "/json", tampered=True),
                  unsigned(node("unsigned", "/json")), run_event("r_last", recorder.url + "/json"))
    for name, end in ends.items():
        port.wait(lambda: port.of_node_run(f"wfnr_{name}")[-1:] == [end])
    for name, calls in alone.items():
        port.wait(lambda: port.of_node_run(f"wfnr_{name}") == calls)
    port.wait(lambda: len(port.of_node_run("wfnr_async")) == 2 and any(part == "" for _, part, _ in port.of_run("r_last")))
    assert agent.terminate() == 0  # nothing more can come
    for name, end in ends.items():
        calls = port.of_node_run(f"wfnr_{name}")
        assert calls[-1] == end and calls.count(end) == 1
        if name == "no_url":
            assert len(calls) <= 2
        else:
            check_progress(calls[:-1], ["Sending POST", "failed after" if name == "refused" else f"answered {ANSWERS['/bad' if name == 'bad_async' else '/' + name][0]}"])
    check_progress(port.of_node_run("wfnr_async"), ["Sending POST", "answered 201"])
    assert {name: port.of_node_run(f"wfnr_{name}") for name in alone} == alone
    assert len(recorder.requests) == 7  # four synchronous node runs, two asynchronous ones, one action run; none of the others
    assert all(not p.startswith("/v1/actions/runs/wfnr") for _, p, _ in port.calls)


@pytest.mark.parametrize("miss", ["report", "skip"])
def test_one_that_no_mapping_wants(world, port, recorder, tmp_path, miss):
    (tmp_path / "mapping.json").write_text(json.dumps([{"enabled": ".payload.properties.mine", "body": "{mine: true}"}]))
    agent = world.agent(CONTROL_THE_PAYLOAD_CONFIG_PATH=str(tmp_path / "mapping.json"), MAPPING_MISS=miss).assigned()
    world.produce(run_event("wfnr_other", recorder.url + "/json"), run_event("wfnr_mine", recorder.url + "/json", properties={"mine": True}),
                  run_event("r_other", recorder.url + "/json"))
    port.wait(lambda: success(*ANSWERS["/json"]) in port.of_node_run("wfnr_mine") and (miss == "skip" or FAILED in port.of_node_run("wfnr_other")))
    assert agent.terminate() == 0
    calls = port.of_node_run("wfnr_other")
    if miss == "report":
        check_progress(calls[:1], ["no mapping wants this workflow node run"])
        assert calls[1:] == [FAILED]
        assert agent.wait_log("webhook failed", port__run_id="wfnr_other")["error.type"] == "no_mapping"
    assert miss == "report" or calls == []
    assert port.of_run("r_other") == []
    assert [r["body"] for r in recorder.requests] == [b'{"mine":true}']
