"""The trace of an event: what goes on to the endpoint, and the spans of its delivery at a collector."""
import json
import re

import pytest

from harness import compact, outcome, run_event, sign
from otlp import Collector, attributes
from recorder import Recorder

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"
OTHER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"


@pytest.fixture
def recorder():
    one = Recorder()
    yield one
    one.close()


@pytest.fixture
def collector():
    one = Collector()
    yield one
    one.close()


def with_headers(event, **headers):
    """The event, signed with these members of its `headers`."""
    value = json.loads(event)
    value["headers"] = headers
    signature = sign(compact(value))
    value["headers"] = {**headers, "X-Port-Timestamp": "1768317616", "X-Port-Signature": signature}
    return compact(value)


def sent(recorder, path):
    return [request["headers"] for request in recorder.requests if request["target"] == path]


def test_a_trace_goes_on_as_it_came_and_none_begins_where_nothing_is_recorded(world, recorder):
    agent = world.agent().assigned()
    url = recorder.url
    world.produce(run_event("r_record", url + "/record"), headers=[("traceparent", OTHER), ("traceparent", PARENT), ("tracestate", "a=1")])
    world.produce(with_headers(run_event("r_both", url + "/both"), traceparent=OTHER), headers=[("traceparent", PARENT)])
    world.produce(with_headers(run_event("r_event", url + "/event"), traceparent=OTHER, tracestate="b=2"),
                  run_event("r_none", url + "/none"), with_headers(run_event("r_wrong", url + "/wrong"), traceparent=PARENT.upper()))
    recorder.wait(5)
    seen = {request["target"]: [request["headers"].get(name) for name in ("traceparent", "tracestate")] for request in recorder.requests}
    assert seen == {"/record": [PARENT, "a=1"], "/both": [PARENT, None], "/event": [OTHER, "b=2"], "/none": [None, None], "/wrong": [None, None]}
    assert agent.wait_log("webhook delivered", **{"port.run_id": "r_record"})["trace_id"] == TRACE
    assert "trace_id" not in agent.wait_log("webhook delivered", **{"port.run_id": "r_none"})


def nanoseconds(span):
    return span.start_time_unix_nano, span.end_time_unix_nano


def test_a_delivery_is_a_trace_from_its_sender_to_its_endpoint(world, recorder, collector):
    answers = {"/retried": [(503, {}, {"Retry-After": "0"}), (200, {})], "/failing?key=value": [(404, {})]}
    recorder.answer = lambda request: (answers.get(request["target"]) or [(200, {})]).pop(0)
    agent = world.agent(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url + "/", OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20of-the-collector",
                        OTEL_SERVICE_NAME="deliveries", OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=test,team=a%20b").assigned()
    world.produce(run_event("r_retried", recorder.url + "/retried"), headers=[("traceparent", PARENT), ("tracestate", "a=1")])
    world.produce(run_event("r_failing", recorder.url + "/failing?key=value"))
    world.produce(run_event("r_unsampled", recorder.url + "/unsampled"), headers=[("traceparent", OTHER)])
    recorder.wait(4)
    lines = {run: agent.wait_log(message, **{"port.run_id": run}) for run, message in
             [("r_retried", "webhook delivered"), ("r_failing", "webhook failed"), ("r_unsampled", "webhook delivered")]}
    agent.terminate()  # what is left is sent, and nobody waits for more
    spans = {span.span_id.hex(): span for span in collector.wait(7)}
    assert len(spans) == 7 and all(path == "/v1/traces" and headers["authorization"] == "Bearer of-the-collector"
                                   and headers["content-type"] == "application/json" for path, headers in collector.requests)
    resource = collector.spans[0][0]
    assert resource.items() >= {"service.name": "deliveries", "deployment.environment.name": "test", "team": "a b"}.items()
    assert resource["service.instance.id"] and re.match(r"\d+\.\d+\.\d+", resource["service.version"])

    def of(parent):
        return sorted((span for span in spans.values() if span.parent_span_id.hex() == parent), key=lambda span: (span.name, span.start_time_unix_nano,
                                                                                                          "http.request.resend_count" in attributes(span)))

    [delivery] = of(SPAN)
    assert delivery.trace_id.hex() == TRACE and delivery.kind == delivery.SPAN_KIND_CONSUMER and delivery.name == f"process {world.runs}"
    assert attributes(delivery).items() >= {"messaging.system": "kafka", "messaging.destination.name": world.runs, "messaging.kafka.offset": 0,
                                            "messaging.consumer.group.name": world.group, "port.run_id": "r_retried", "port.attempts": 2}.items()
    first, second, report = of(delivery.span_id.hex())
    headers = sent(recorder, "/retried")
    assert [one["traceparent"] for one in headers] == [f"00-{TRACE}-{one.span_id.hex()}-01" for one in (first, second)]
    assert [one["tracestate"] for one in headers] == ["a=1", "a=1"]
    assert attributes(first).items() >= {"http.request.method": "POST", "http.response.status_code": 503, "error.type": "503",
                                         "url.full": recorder.url + "/retried", "server.address": "127.0.0.1"}.items()
    assert first.status.code == first.status.STATUS_CODE_ERROR and second.status.code == second.status.STATUS_CODE_UNSET
    assert attributes(second).items() >= {"http.response.status_code": 200, "http.request.resend_count": 1}.items()
    assert report.name == "report" and report.trace_id == first.trace_id
    outer = nanoseconds(delivery)
    assert all(outer[0] <= begin <= end <= outer[1] for begin, end in map(nanoseconds, (first, second, report)))

    [begun] = of("")
    assert begun.trace_id.hex() != TRACE and attributes(begun)["error.type"] == "404" and begun.status.code == begun.status.STATUS_CODE_ERROR
    attempt, _ = of(begun.span_id.hex())
    assert sent(recorder, "/failing?key=value")[0]["traceparent"] == f"00-{begun.trace_id.hex()}-{attempt.span_id.hex()}-01"
    assert attributes(attempt)["url.full"] == recorder.url + "/failing?key=***"
    assert sent(recorder, "/unsampled")[0]["traceparent"] == OTHER  # its sender does not record it

    assert [(lines[run]["trace_id"], lines[run].get("span_id")) for run in ("r_retried", "r_failing", "r_unsampled")] == [
        (TRACE, delivery.span_id.hex()), (begun.trace_id.hex(), begun.span_id.hex()), (OTHER.split("-")[1], None)]
    assert "of-the-collector" not in "".join(map(json.dumps, agent.log.snapshot()))


def test_a_collector_that_is_not_there_costs_deliveries_nothing(world, port, recorder):
    agent = world.agent(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1").assigned()
    world.produce(*[run_event(f"r_{i}", f"{recorder.url}/{i}") for i in range(200)])  # more spans than a batch has: it is sent at once
    recorder.wait(200)
    warning = agent.wait_log("traces do not reach their collector; deliveries are not affected")
    assert warning["level"] == "WARNING" and "127.0.0.1" in json.dumps(warning)
    assert outcome(port, "r_199")["status"] == "SUCCESS"
    assert agent.terminate() == 0
