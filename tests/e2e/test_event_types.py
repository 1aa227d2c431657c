"""Members of unusual types, as a user meets them: what counts as true, what cannot be sent, what is refused."""
import json

import pytest

from harness import change_event, compact, run_event, sign
from recorder import Recorder


@pytest.fixture
def recorder():
    one = Recorder()
    yield one
    one.close()


def event(run_id, url, changes, **more):
    """A signed run event, with members of its invocation method changed; a change to `...` takes a member out."""
    value = json.loads(run_event(run_id, url))
    method = value["payload"]["action"]["invocationMethod"]
    method.update(changes)
    value["payload"]["action"]["invocationMethod"] = {k: v for k, v in method.items() if v is not ...}
    value.update(more)
    value["headers"] = {}
    value["headers"] = {"X-Port-Timestamp": "1768317616", "X-Port-Signature": sign(compact(value))}
    return compact(value)


def results(port, run_id):
    return [body for method, part, body in port.of_run(run_id) if (method, part) == ("PATCH", "")]


TRUE = ["true", 1, -1, 0.5, "false", "0", " ", [0], {"a": None}]
FALSE = [False, None, 0, 0.0, "", [], {}]


@pytest.mark.host
def test_agent_and_synchronized_count_in_the_way_of_python(world, port, recorder):
    agent = world.agent().assigned()
    records = [event(f"r_agent_{i}", recorder.url + f"/agent/{i}", {"agent": value}) for i, value in enumerate(TRUE)]
    records += [event(f"r_other_{i}", recorder.url + f"/other/{i}", {"agent": value}) for i, value in enumerate([*FALSE, ...])]
    records += [event(f"r_sync_{i}", recorder.url + f"/sync/{i}", {"synchronized": value}) for i, value in enumerate(TRUE)]
    records += [event(f"r_async_{i}", recorder.url + f"/async/{i}", {"synchronized": value}) for i, value in enumerate([*FALSE, ...])]
    world.produce(*records, run_event("r_last", recorder.url + "/last"))
    sync = [f"r_agent_{i}" for i in range(len(TRUE))] + [f"r_sync_{i}" for i in range(len(TRUE))] + ["r_last"]
    port.wait(lambda: all(results(port, run) == [{"status": "SUCCESS"}] for run in sync))
    agent.log.wait(lambda items: sum(i["msg"] == "webhook delivered" for i in items) == len(sync) + len(FALSE) + 1)
    assert agent.terminate() == 0
    sent = sorted(request["target"] for request in recorder.requests)
    assert sent == sorted([f"/agent/{i}" for i in range(len(TRUE))] + [f"/sync/{i}" for i in range(len(TRUE))] +
                          [f"/async/{i}" for i in range(len(FALSE) + 1)] + ["/last"])
    assert all(results(port, f"r_async_{i}") == [] for i in range(len(FALSE) + 1))


CANNOT = {"url_number": {"url": 5}, "url_list": {"url": ["http://x"]}, "url_object": {"url": {}}, "url_true": {"url": True}, "url_none": {"url": ...},
          "url_null": {"url": None}, "url_empty": {"url": ""}, "method_number": {"method": 7}, "method_list": {"method": ["POST"]},
          "method_false": {"method": False}, "method_unknown": {"method": "TRACE"}}


@pytest.mark.parametrize("prefix", ["r", "wfnr"])
def test_what_cannot_be_sent_is_a_failure_with_its_reason(world, port, recorder, prefix):
    agent = world.agent().assigned()
    world.produce(*[event(f"{prefix}_{name}", recorder.url + "/never", changes) for name, changes in CANNOT.items()],
                  run_event("r_last", recorder.url + "/last"))
    if prefix == "r":
        port.wait(lambda: all(results(port, f"r_{name}") for name in CANNOT))
        for name in CANNOT:
            [result] = results(port, f"r_{name}")
            assert result["status"] == "FAILURE" and name.split("_")[0] in result["summary"].lower(), (name, result)
    else:
        failed = ("PATCH", "", {"status": "COMPLETED", "result": "FAILED"})
        port.wait(lambda: all(failed in port.of_node_run(f"wfnr_{name}") for name in CANNOT))
    port.wait(lambda: results(port, "r_last"))
    assert agent.terminate() == 0
    assert [request["target"] for request in recorder.requests] == ["/last"]
    assert not any(i["msg"] == "record skipped" for i in agent.log.snapshot())


def test_a_mapping_makes_up_for_a_url_and_a_method_of_wrong_types(world, port, recorder, tmp_path):
    (tmp_path / "mapping.json").write_text(json.dumps([{"url": f'"{recorder.url}/mapped"', "method": '"PUT"'}]))
    agent = world.agent(CONTROL_THE_PAYLOAD_CONFIG_PATH=str(tmp_path / "mapping.json")).assigned()
    world.produce(event("r_mapped", "http://x", {"url": 5, "method": [], "type": 7}))
    port.wait(lambda: results(port, "r_mapped") == [{"status": "SUCCESS"}])
    assert agent.terminate() == 0
    assert [(r["method"], r["target"]) for r in recorder.requests] == [("PUT", "/mapped")]


def test_a_timestamp_that_is_a_number_is_as_good_as_a_text(world, port, recorder):
    agent = world.agent().assigned()
    value = json.loads(run_event("r_number", recorder.url + "/number"))
    value["headers"]["X-Port-Timestamp"] = int(value["headers"]["X-Port-Timestamp"])
    fraction = json.loads(run_event("r_fraction", recorder.url + "/never"))
    fraction["headers"] = {}
    fraction["headers"] = {"X-Port-Signature": sign(compact(fraction), "1768317616.0"), "X-Port-Timestamp": 1768317616.0}
    world.produce(compact(fraction), compact(value))
    port.wait(lambda: results(port, "r_number") == [{"status": "SUCCESS"}])
    assert agent.wait_log("event refused: timestamp malformed", port__run_id="r_fraction")["level"] == "WARNING"
    assert agent.terminate() == 0
    assert [r["target"] for r in recorder.requests] == ["/number"] and port.of_run("r_fraction") == []


def test_a_run_whose_id_is_no_text_is_told_in_the_log(world, recorder):
    agent = world.agent().assigned()
    world.produce(event("r_x", recorder.url + "/never", {}, context={"runId": 5}), run_event("r_last", recorder.url + "/last"))
    agent.wait_log("webhook delivered", port__run_id="r_last")
    assert "runId" in agent.wait_log("record skipped")["reason"]
    assert agent.terminate() == 0
    assert [r["target"] for r in recorder.requests] == ["/last"]


def test_members_that_decide_and_come_twice_fail_the_run(world, port, recorder):
    """Which of two counts differs from reader to reader. They are signed: the text is put together by hand."""
    agent = world.agent().assigned()
    url, other = json.dumps(recorder.url + "/never"), json.dumps(recorder.url + "/other")

    def record(run_id, method='"url":URL', context='"runId":ID', root=""):
        text = ('{"action":"a","context":{' + context + '},"payload":{"action":{"invocationMethod":{"type":"WEBHOOK","agent":true,"synchronized":true,'
                + method + '}}}' + root + ',"headers":{HEADERS}}').replace("URL", url).replace("OTHER", other).replace("ID", json.dumps(run_id))
        stamp = "1768317616"
        return text.replace("HEADERS", f'"X-Port-Timestamp":"{stamp}","X-Port-Signature":"{sign(text.replace("HEADERS", ""), stamp)}"')

    def gitlab(run_id):
        """Nothing of its headers is signed."""
        signed = '{"context":{"runId":"' + run_id + '"},"payload":{"action":{"invocationMethod":{"type":"GITLAB","agent":true}}}}'
        return signed[:-1] + ',"headers":{},"headers":' + compact({"X-Port-Timestamp": "1768317616", "X-Port-Signature": sign(signed)}) + "}"

    world.produce(gitlab("r_gitlab"), record("r_url", '"url":URL,"url":OTHER'), record("r_agent", '"url":URL,"agent":true'), record("r_payload", root=',"payload":{"action":{"invocationMethod":{"agent":true,"url":OTHER}}}'),
                  record("r_run", context='"runId":ID,"runId":"r_victim"'), record("r_context", root=',"context":{"runId":"r_victim"}'),
                  record("wfnr_url", '"url":URL,"url":OTHER'), record("r_fine"), run_event("r_last", recorder.url + "/last"))
    for run in ("r_gitlab", "r_url", "r_agent", "r_payload"):
        port.wait(lambda: results(port, run))
        [result] = results(port, run)
        assert result["status"] == "FAILURE" and "comes twice" in result["summary"]
    port.wait(lambda: ("PATCH", "", {"status": "COMPLETED", "result": "FAILED"}) in port.of_node_run("wfnr_url"))
    port.wait(lambda: results(port, "r_last"))
    skipped = lambda items: [i for i in items if i["msg"] == "record skipped"]
    assert all("comes twice" in i["reason"] for i in skipped(agent.log.wait(lambda items: len(skipped(items)) == 2)))
    assert agent.terminate() == 0
    assert not any(i["msg"].startswith("event refused") for i in agent.log.snapshot())
    assert sorted(r["target"] for r in recorder.requests) == ["/last", "/never"]  # r_fine's
    assert port.of_run("r_run") == port.of_run("r_context") == port.of_run("r_victim") == []


def test_a_change_log_event_in_the_shape_of_a_run_does_not_come_back_as_one(world, port, recorder):
    """The agent signs what it sends: were an unsigned change-log event in the shape of a run sent, its receiver would hold a run with a
    valid signature."""
    agent = world.agent().assigned()
    run = json.loads(run_event("r_forged", recorder.url + "/never"))
    del run["headers"]
    shaped = {**run, "changelogDestination": {"type": "WEBHOOK", "agent": True, "url": recorder.url + "/change"}}
    echoed = {**shaped, "headers": {}}
    echoed["headers"] = {"X-Port-Timestamp": "1768317616", "X-Port-Signature": sign(compact(echoed))}
    world.produce(compact(shaped), change_event(recorder.url + "/plain"), topic=world.changes)
    world.produce(compact(echoed), run_event("r_last", recorder.url + "/last"))
    port.wait(lambda: results(port, "r_last") == [{"status": "SUCCESS"}])
    agent.log.wait(lambda items: sum(i["msg"] == "webhook delivered" for i in items) == 2)
    refused = [i for i in agent.log.snapshot() if i["msg"] == "event refused: it belongs on another topic"]
    assert {i["messaging.destination.name"] for i in refused} == {world.runs, world.changes}
    assert all(i["level"] == "WARNING" and i["reason"] for i in refused)
    assert agent.terminate() == 0
    assert sorted(r["target"] for r in recorder.requests) == ["/last", "/plain"] and port.of_run("r_forged") == []


def test_forged_node_runs_are_all_reported_in_the_end(world, port, recorder):
    agent = world.agent().assigned()
    world.produce(*[run_event(f"wfnr_{i}", recorder.url + "/never", tampered=True) for i in range(30)], run_event("r_last", recorder.url + "/last"))
    failed = [("PATCH", "", {"status": "COMPLETED", "result": "FAILED"})]
    port.wait(lambda: results(port, "r_last"))
    port.wait(lambda: all(port.of_node_run(f"wfnr_{i}") == failed for i in range(30)))
    assert agent.terminate() == 0
    assert [r["target"] for r in recorder.requests] == ["/last"]


def test_a_mapping_says_for_which_events_it_is_and_powers_are_named_at_the_start(world, port, recorder, tmp_path):
    (tmp_path / "mapping.json").write_text(json.dumps([
        {"events": ["run"], "headers": {"Authorization": "env.MY_KEY"}}, {"enabled": ".action == \"powerful\"", "headers": {"X-Key": "env.MY_KEY"}},
        {"events": ["change-log"], "headers": {"X-Kind": '"change"'}}]))
    agent = world.agent(CONTROL_THE_PAYLOAD_CONFIG_PATH=str(tmp_path / "mapping.json"), MY_KEY="k3y").assigned()
    named = [i["reason"] for i in agent.log.snapshot() if i["msg"] == "mapping file"]
    assert len(named) == 1 and "mapping 2: reads env or decrypts" in named[0] and '"events": ["run"]' in named[0], named
    world.produce(run_event("r_1", recorder.url + "/run"))
    world.produce(change_event(recorder.url + "/change"), topic=world.changes)
    headers = {request["target"]: request["headers"] for request in recorder.wait(2)}
    assert headers["/run"]["authorization"] == "k3y" and headers["/change"]["x-kind"] == "change"
    assert "authorization" not in headers["/change"] and agent.terminate() == 0


def test_a_mapped_body_that_would_pass_as_another_run_is_not_sent(world, port, recorder, tmp_path):
    forged = {"context": {"runId": '"r_victim"'}, "payload": {"action": {"invocationMethod": {"agent": True, "url": '"http://x"'}}}}
    (tmp_path / "mapping.json").write_text(json.dumps([{"enabled": '.action == "forge" or (.changelogDestination != null)', "body": forged}, {}]))
    agent = world.agent(CONTROL_THE_PAYLOAD_CONFIG_PATH=str(tmp_path / "mapping.json")).assigned()
    world.produce(change_event(recorder.url + "/never"), topic=world.changes)
    world.produce(event("r_forge", recorder.url + "/never", {}, action="forge"), run_event("r_own", recorder.url + "/own"))
    port.wait(lambda: results(port, "r_forge") and results(port, "r_own"))
    [result] = results(port, "r_forge")
    assert result["status"] == "FAILURE" and "pass as a run for an agent" in result["summary"]
    agent.log.wait(lambda items: sum("pass as a run for an agent" in i.get("error.message", "") for i in items) >= 2)
    assert agent.terminate() == 0
    assert [r["target"] for r in recorder.requests] == ["/own"]
