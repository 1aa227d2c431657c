"""A collector of traces that takes OTLP over HTTP as JSON, and reads it with OpenTelemetry's own messages: a member that they do not have,
or of another type, is an error."""
import json
import re
import threading
import time
from base64 import b64encode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

IDS = {"traceId": 32, "spanId": 16, "parentSpanId": 16}


def read(body):
    """The request. OTLP's JSON has ids in hexadecimal, where that of protobuf has base64."""
    def members(pairs):
        value = dict(pairs)
        assert len(value) == len(pairs), f"a member comes twice: {pairs}"
        for name in IDS.keys() & value.keys():
            assert re.fullmatch(f"[0-9a-f]{{{IDS[name]}}}", value[name]), f"{name}: {value[name]}"
            value[name] = b64encode(bytes.fromhex(value[name])).decode()
        return value
    return json_format.ParseDict(json.loads(body, object_pairs_hook=members), ExportTraceServiceRequest())


def attributes(holder):
    values = {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in holder.attributes}
    assert len(values) == len(holder.attributes), f"an attribute comes twice: {holder.attributes}"
    return values


class Collector:
    def __init__(self):
        self.changed = threading.Condition()
        self.spans = []  # (resource's attributes, span)
        self.requests = []  # (path, headers: lower-case names)
        self.wrong = []  # what could not be read
        self.answer = lambda: 200
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = collector.answer()
                with collector.changed:
                    collector.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
                    if status == 200:
                        collector.take(body)
                    collector.changed.notify_all()
                self.send_response(status)
                self.send_header("Content-Length", "2")
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(b"{}")

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, body):
        try:
            for resource in read(body).resource_spans:
                shown = attributes(resource.resource)
                self.spans += [(shown, span) for scope in resource.scope_spans for span in scope.spans]
        except Exception as error:  # told by the test, not by this thread
            self.wrong.append((error, body))

    def wait(self, count, timeout=120):
        """The spans, once there are `count` of them."""
        deadline = time.monotonic() + timeout
        with self.changed:
            while len(self.spans) < count and not self.wrong:
                left = deadline - time.monotonic()
                assert left > 0, f"{len(self.spans)} of {count} spans came: {self.spans}"
                self.changed.wait(left)
            assert self.wrong == []
            return [span for _, span in self.spans]

    def close(self):
        self.server.shutdown()
        self.server.server_close()
