"""An endpoint that remembers every request whole, and answers as it is told."""
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Recorder:
    def __init__(self):
        self.changed = threading.Condition()
        self.requests = []  # {"method", "target", "headers": lower-case names, "body": bytes}
        self.answer = lambda request: (200, {})  # or (status, value, {header: value})
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *_):
                pass

            def handle_any(self):
                request = {"method": self.command, "target": self.path, "headers": {k.lower(): v for k, v in self.headers.items()},
                           "names": [k.lower() for k in self.headers.keys()],
                           "body": self.rfile.read(int(self.headers.get("Content-Length") or 0))}
                status, value, *headers = recorder.answer(request)
                body = value.encode() if isinstance(value, str) else json.dumps(value).encode()
                with recorder.changed:
                    recorder.requests.append(request)
                    recorder.changed.notify_all()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Content-Type", "text/plain" if isinstance(value, str) else "application/json")
                for name, text in (headers[0] if headers else {}).items():
                    self.send_header(name, text)
                self.end_headers()
                self.wfile.write(body)

            def __getattr__(self, name):
                if name.startswith("do_"):
                    return self.handle_any
                raise AttributeError(name)

        class Server(ThreadingHTTPServer):
            request_queue_size = 256
            daemon_threads = True

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def wait(self, count, timeout=120):
        """The requests, once there are `count` of them."""
        deadline = time.monotonic() + timeout
        with self.changed:
            while len(self.requests) < count:
                left = deadline - time.monotonic()
                assert left > 0, f"{len(self.requests)} of {count} requests came; last: {self.requests[-3:]}"
                self.changed.wait(left)
            return list(self.requests)

    def close(self):
        self.server.shutdown()
        self.server.server_close()
