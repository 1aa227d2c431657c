"""The agent's traces at OpenTelemetry's own collector, built from its sources (tests/collector): what it has understood is what was sent."""
import json
import os
import re
import socket
import subprocess

import pytest
from broker import free_port
from harness import BINARY, ROOT, run_event, wait_until
from otlp import attributes, read
from recorder import Recorder
from test_tracing import OTHER, PARENT, SPAN, TRACE, nanoseconds, sent

pytestmark = pytest.mark.slow(reason="building the collector takes minutes")

CONFIGURATION = """
receivers:
  otlp:
    protocols:
      http:
        endpoint: 127.0.0.1:{port}
exporters:
  file:
    path: {file}
    flush_interval: 100ms
service:
  pipelines:
    traces:
      receivers: [otlp]
      exporters: [file]
"""


def go_version():
    told = subprocess.run(["go", "version"], capture_output=True, text=True, check=True).stdout
    return tuple(map(int, re.search(r"go(\d+)\.(\d+)", told).groups()))


class RealCollector:
    def __init__(self, directory):
        self.port, self.file = free_port(), directory / "spans.jsonl"
        (directory / "collector.yaml").write_text(CONFIGURATION.format(port=self.port, file=self.file))
        self.log = directory / "collector.log"
        with open(self.log, "wb") as out:
            self.process = subprocess.Popen([ROOT / "build/collector", "--config", f"file:{directory}/collector.yaml"], stdout=out, stderr=out)
        self.url = f"http://127.0.0.1:{self.port}"
        wait_until(self.answers, lambda: f"the collector does not listen: {self.log.read_text()[-3000:]}")

    def answers(self):
        assert self.process.poll() is None, self.log.read_text()[-3000:]
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", self.port)) == 0

    def spans(self):
        """[(resource's attributes, span)] of all that it has written. It writes an empty parent where there is none."""
        lines = self.file.read_text().splitlines() if self.file.exists() else []
        read_all = [read(json.dumps(json.loads(line, object_hook=without_empty_parent))) for line in lines if line.endswith("}")]
        return [(attributes(resource.resource), span) for one in read_all for resource in one.resource_spans
                for scope in resource.scope_spans for span in scope.spans]

    def close(self):
        self.process.terminate()
        self.process.wait(60)


def without_empty_parent(members):
    return {name: value for name, value in members.items() if (name, value) != ("parentSpanId", "")}


@pytest.fixture(scope="module")
def program():
    if go_version() < (1, 21):
        pytest.skip("Go before 1.21 cannot fetch the release that the collector needs")
    # The release that go.mod names is fetched where the installed one is older.
    built = subprocess.run(["go", "build", "-C", ROOT / "tests/collector", "-o", ROOT / "build/collector", "."],
                           env={**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "auto"}, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr


@pytest.fixture
def collector(program, tmp_path):
    one = RealCollector(tmp_path)
    yield one
    one.close()


@pytest.fixture
def recorder():
    one = Recorder()
    yield one
    one.close()


def test_a_real_collector_understands_every_span(world, recorder, collector):
    answers = {"/retried": [(503, {}, {"Retry-After": "0"}), (200, {})], "/failing?key=value": [(404, {})]}
    recorder.answer = lambda request: (answers.get(request["target"]) or [(200, {})]).pop(0)
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_SERVICE_NAME": "deliveries",
                "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test,team=a%20b"}
    asked = subprocess.run([BINARY, "check", "--connect"], env={"PATH": os.environ["PATH"], **world.environment, **settings}, capture_output=True,
                           text=True, timeout=120)
    assert f"{collector.url}/v1/traces answers 200" in asked.stdout, asked.stdout
    agent = world.agent(**settings).assigned()
    world.produce(run_event("r_retried", recorder.url + "/retried"), headers=[("traceparent", PARENT), ("tracestate", "a=1")])
    world.produce(run_event("r_failing", recorder.url + "/failing?key=value"))
    world.produce(run_event("r_unsampled", recorder.url + "/unsampled"), headers=[("traceparent", OTHER)])
    recorder.wait(4)
    agent.wait_log("webhook delivered", **{"port.run_id": "r_retried"})
    agent.wait_log("webhook failed", **{"port.run_id": "r_failing"})
    assert agent.terminate() == 0  # what is left is sent
    wait_until(lambda: len(collector.spans()) >= 7, lambda: f"spans: {collector.spans()}; {collector.log.read_text()[-3000:]}")
    assert [line for line in agent.log.snapshot() if line["msg"].startswith("traces do not reach")] == []

    assert len(collector.spans()) == 7
    for resource, _ in collector.spans():
        assert resource.items() >= {"service.name": "deliveries", "deployment.environment.name": "test", "team": "a b"}.items()
        assert resource["service.instance.id"] and resource["service.version"]
    spans = {span.span_id.hex(): span for _, span in collector.spans()}
    of = lambda parent: sorted((span for span in spans.values() if span.parent_span_id.hex() == parent),
                               key=lambda span: (span.name, attributes(span).get("http.request.resend_count", 0)))

    [delivery] = of(SPAN)
    assert delivery.trace_id.hex() == TRACE and delivery.kind == delivery.SPAN_KIND_CONSUMER and delivery.name == f"process {world.runs}"
    assert attributes(delivery).items() >= {"messaging.system": "kafka", "messaging.destination.name": world.runs, "messaging.kafka.offset": 0,
                                            "messaging.consumer.group.name": world.group, "port.run_id": "r_retried", "port.attempts": 2}.items()
    assert delivery.status.code == delivery.status.STATUS_CODE_UNSET
    first, second, report = of(delivery.span_id.hex())
    assert [one.name for one in (first, second, report)] == ["POST", "POST", "report"]
    assert {one.trace_id.hex() for one in (first, second, report)} == {TRACE}
    assert first.kind == first.SPAN_KIND_CLIENT and report.kind == report.SPAN_KIND_INTERNAL
    assert attributes(first).items() >= {"http.request.method": "POST", "http.response.status_code": 503, "error.type": "503",
                                         "url.full": recorder.url + "/retried", "server.address": "127.0.0.1"}.items()
    assert first.status.code == first.status.STATUS_CODE_ERROR and second.status.code == second.status.STATUS_CODE_UNSET
    assert attributes(second).items() >= {"http.response.status_code": 200, "http.request.resend_count": 1}.items()
    assert [one["traceparent"] for one in sent(recorder, "/retried")] == [f"00-{TRACE}-{one.span_id.hex()}-01" for one in (first, second)]
    outer = nanoseconds(delivery)
    assert all(outer[0] <= begin <= end <= outer[1] for begin, end in map(nanoseconds, (first, second, report)))

    [begun] = of("")
    assert begun.trace_id.hex() != TRACE and attributes(begun)["error.type"] == "404" and begun.status.code == begun.status.STATUS_CODE_ERROR
    attempt, outcome = of(begun.span_id.hex())
    assert (attempt.name, outcome.name) == ("POST", "report") and attributes(attempt)["url.full"] == recorder.url + "/failing?key=***"
