"""A small Port API that remembers everything, per run, in order."""
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class PortApi:
    def __init__(self, tls=None):
        self.lock = threading.Condition()
        self.calls = []          # (method, path, body)
        self.token_serial = 0
        self.valid_tokens = set()
        self.expires_in = 10800
        self.fail_status = None  # every call but the token's answers this
        self.token_status = None
        self.credentials = None
        self.organisation = None # GET /v1/organization names it
        self.date_offset = 0     # seconds that its clock is ahead
        self.pending = {"runs": [], "nodeRuns": []}  # what can be claimed: runs with an id, node runs with an identifier
        self.claims = {"runs": [], "nodeRuns": []}   # (monotonic time, limit) of each claim
        self.acked = []
        self.unacknowledged = set()                  # ids whose acknowledgement does not count
        self.logs_answered = threading.Event()       # cleared: progress logs are taken, and their answer waits for it
        self.logs_answered.set()
        self.ack_answers = []                        # (status, body) of the next acknowledgements, which count; None: the connection is lost
        self.counts_once = False                     # an acknowledgement of a run that has been acknowledged does not count
        self.acks_answered = threading.Event()       # cleared: acknowledgements count, and their answer waits for it
        self.acks_answered.set()
        self.claim_answers = {}                      # path: (status, body, headers) instead of a claim's own answer
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *_):
                pass

            def date_time_string(self, timestamp=None):
                return super().date_time_string((timestamp or time.time()) + api.date_offset)

            def answer(self, status, value, headers=()):
                body = value if isinstance(value, bytes) else json.dumps(value).encode()
                self.send_response(status)
                for name, content in headers:
                    self.send_header(name, content)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(body)

            def handle_any(self):
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length) or "null") if length else None
                answer = api.serve(self.command, self.path, body, self.headers)
                if self.path.endswith("/logs"):
                    api.logs_answered.wait()
                if self.path.endswith("/runs/ack"):
                    api.acks_answered.wait()
                if answer is None:
                    self.close_connection = True
                    return
                self.answer(*answer)

            do_GET = do_POST = do_PATCH = handle_any

        class Server(ThreadingHTTPServer):
            request_queue_size = 256
            daemon_threads = True

            def handle_error(self, request, client_address):
                if not isinstance(sys.exc_info()[1], OSError):  # agents are killed, and handshakes refused, on purpose
                    super().handle_error(request, client_address)

        self.server = Server(("127.0.0.1", 0), Handler)
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def serve(self, method, path, body, headers):
        with self.lock:
            self.calls.append((method, path, body))
            self.lock.notify_all()
            if path == "/v1/auth/access_token":
                if self.token_status:
                    return self.token_status, {"ok": False}
                self.token_serial += 1
                token = f"token-{self.token_serial}-secret"
                self.valid_tokens.add(token)
                return 200, {"ok": True, "accessToken": token, "expiresIn": self.expires_in, "tokenType": "Bearer"}
            if headers.get("Authorization", "").removeprefix("Bearer ") not in self.valid_tokens:
                return 401, {"ok": False}
            if self.fail_status:
                return self.fail_status, {"ok": False}
            if path.endswith("/claim-pending"):
                return self.claim(path, "runs" if path.startswith("/v1/actions/") else "nodeRuns", body, headers)
            if path.endswith("/runs/ack"):
                return self.acknowledge(body)
            if path == "/v1/kafka-credentials":
                return 200, {"ok": True, "credentials": self.credentials}
            if (method, path) == ("GET", "/v1/organization") and self.organisation:
                return 200, {"ok": True, "organization": {"id": self.organisation}}
            return 200, {"ok": True}

    def claim(self, path, queue, body, headers):
        if headers.get("x-port-reserved-usage") != "true" or body.get("installationId") != "_PORT_EXEC_AGENT":
            return 400, {"ok": False}
        self.claims[queue].append((time.monotonic(), body["limit"]))
        if path in self.claim_answers:
            return self.claim_answers[path]
        given, self.pending[queue] = self.pending[queue][:body["limit"]], self.pending[queue][body["limit"]:]
        return 200, {"ok": True, queue: given}

    def acknowledge(self, body):
        ids = body.get("runIds") or [body["nodeRunIdentifier"]]
        ours = [one for one in ids if one not in self.unacknowledged and not (self.counts_once and one in self.acked)]
        self.acked += ours
        if self.ack_answers:
            return self.ack_answers.pop(0)
        return 200, {"ok": True, "ackedCount": len(ours)} if "runIds" in body else {"ok": True, "acked": bool(ours)}

    def offer(self, *runs):
        """Puts runs (with an id) and node runs (with an identifier) where an agent can claim them."""
        with self.lock:
            for run in runs:
                self.pending["runs" if "id" in run else "nodeRuns"].append(run)

    def revoke_tokens(self):
        with self.lock:
            self.valid_tokens.clear()

    def of_run(self, run_id):
        """What was accepted or tried for a run: [(method, last part of the path, body)]."""
        prefix = f"/v1/actions/runs/{run_id}"
        with self.lock:
            return [(m, p[len(prefix):], b) for m, p, b in self.calls if p == prefix or p.startswith(prefix + "/")]

    def of_node_run(self, run_id):
        """The same for a workflow node run."""
        prefix = f"/v1/workflows/nodes/runs/{run_id}"
        with self.lock:
            return [(m, p[len(prefix):], b) for m, p, b in self.calls if p == prefix or p.startswith(prefix + "/")]

    def count(self, path):
        with self.lock:
            return sum(1 for _, p, _ in self.calls if p == path)

    def wait(self, predicate, timeout=120):
        deadline = time.monotonic() + timeout
        with self.lock:
            while not predicate():
                left = deadline - time.monotonic()
                assert left > 0, f"Port was not told in time; last calls: {self.calls[-5:]}"
                self.lock.wait(left)

    def close(self):
        self.logs_answered.set()
        self.acks_answered.set()
        self.server.shutdown()
        self.server.server_close()
