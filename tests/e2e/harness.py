"""The agent as a process, receivers as processes, and signed events."""
import base64
import hashlib
import hmac
import json
import os
import pathlib
import select
import shutil
import signal
import subprocess
import threading
import time

from confluent_kafka import Producer

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("PORT_AGENT_BINARY", str(ROOT / "build/release/port-agent"))
VERSION = (ROOT / "VERSION").read_text().strip()
SECRET = "s3cret-of-the-organisation-0123456789"


def sign(payload: str, timestamp="1768317616"):
    return "v1," + base64.b64encode(hmac.new(SECRET.encode(), f"{timestamp}.{payload}".encode(), hashlib.sha256).digest()).decode()


def speaks_http2():
    """Does the agent offer HTTP/2 with WEBHOOK_HTTP_VERSION=2?"""
    words = subprocess.run([BINARY, "--version"], capture_output=True, text=True, check=True).stdout
    version = words.split("libcurl ")[1].split(",")[0].split(".")
    return tuple(map(int, version[:2])) >= (8, 13)


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def run_event(run_id, url, synchronized=True, method="POST", agent=True, tampered=False, context=None, properties=None):
    event = {"action": "create_vm", "resourceType": "run", "status": "TRIGGERED",
             "context": {"blueprint": "vm", "runId": run_id, **(context or {})},
             "payload": {"action": {"invocationMethod": {"type": "WEBHOOK", "agent": agent, "synchronized": synchronized,
                                                         "method": method, "url": url}},
                         "properties": properties or {"region": "eu-west-1", "title": "Zoë 東京 🚀"}}, "headers": {}}
    signature = sign(compact(event))
    event["headers"] = {"X-Port-Timestamp": "1768317616", "X-Port-Signature": signature}
    if tampered:
        event["payload"]["properties"]["region"] = "us-east-1"
    return compact(event)


def change_event(url, context=None, agent=True):
    return compact({"action": "UPDATE", "resourceType": "entity", "status": "SUCCESS", "context": context or {},
                    "diff": {"before": None, "after": {}}, "changelogDestination": {"type": "WEBHOOK", "agent": agent, "url": url}})


ENCRYPT = """const [key, text] = process.argv.slice(1), iv = Buffer.from([...Array(16).keys()]);
const cipher = require("crypto").createCipheriv("aes-256-gcm", Buffer.from(key).subarray(0, 32), iv);
const sealed = Buffer.concat([iv, cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()]);
process.stdout.write(sealed.toString("base64"));"""


def encrypted(text):
    """As Port encrypts a property: base64 of IV, ciphertext and tag, AES-256-GCM under the client secret."""
    return subprocess.run(["node", "-e", ENCRYPT, SECRET, text], check=True, capture_output=True, text=True).stdout


class Lines:
    """Reads a process's output into a list; wait() blocks until a predicate over it holds. A thread reads, and so does who looks:
    what was written before anything that a test has learnt otherwise is in the list when the test looks."""

    def __init__(self, stream, parse):
        self.items, self.changed, self.bad = [], threading.Condition(), []
        self.stream, self.parse, self.rest = stream, parse, b""
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _readable(self, timeout=None):
        ready = select.poll()
        ready.register(self.stream.fileno(), select.POLLIN)
        return ready.poll(timeout)

    def _read(self):
        more = True
        while more:
            self._readable()
            with self.changed:
                more = self._take()
                self.changed.notify_all()

    def _take(self):
        """All that is there, without waiting; false at the end."""
        while self._readable(0):
            chunk = os.read(self.stream.fileno(), 1 << 16)
            *lines, self.rest = (self.rest + chunk).split(b"\n")
            for line in lines:
                self._add(line + b"\n")
            if not chunk:
                if self.rest:
                    self._add(self.rest)
                self.rest = b""
                return False
        return True

    def _add(self, line):
        try:
            item = self.parse(line.decode())
        except ValueError:
            item = None
            self.bad.append(line)
        if item is not None:
            self.items.append(item)

    def snapshot(self):
        with self.changed:
            self._take()
            self.changed.notify_all()
            return list(self.items)

    def wait(self, predicate, timeout=120, what="a condition"):
        deadline = time.monotonic() + timeout
        with self.changed:
            while not predicate(self.items):
                left = deadline - time.monotonic()
                assert left > 0, f"{what} did not come true; {len(self.items)} lines, last: {self.items[-5:]}"
                self.changed.wait(left)
            return list(self.items)


class Receiver:
    def __init__(self, *command, tls=()):
        self.process = subprocess.Popen([*command, SECRET, *tls], stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self.seen = Lines(self.process.stdout, json.loads)

    def runs(self):
        return [s["run"] for s in self.seen.snapshot()]

    def wait_runs(self, run_ids, timeout=120):
        wanted = set(run_ids)
        return self.seen.wait(lambda items: wanted <= {i["run"] for i in items}, timeout, f"delivery of {len(wanted)} runs")

    def close(self):
        self.process.kill()
        self.process.wait()


class Agent:
    def __init__(self, environment, within=()):
        self.process = subprocess.Popen([*within, BINARY], env={"PATH": os.environ["PATH"], **environment}, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, cwd="/tmp")
        self.log = Lines(self.process.stdout, json.loads)
        self.errors = Lines(self.process.stderr, str)

    def wait_log(self, message, timeout=120, **fields):
        matches = lambda item: item["msg"].startswith(message) and all(item.get(k.replace("__", ".")) == v for k, v in fields.items())
        return next(i for i in self.log.wait(lambda items: any(map(matches, items)), timeout, f"log line '{message}'") if matches(i))

    def assigned(self):
        self.wait_log("partitions assigned")
        return self

    def terminate(self, timeout=60):
        self.process.send_signal(signal.SIGTERM)
        return self.wait(timeout)

    def wait(self, timeout=60):
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            stacks = shutil.which("gdb") and subprocess.run(["gdb", "-p", str(self.process.pid), "-batch", "-ex", "thread apply all bt"],
                                                            capture_output=True, text=True, timeout=60).stdout
            raise AssertionError(f"still there after {timeout} s; its last lines: {self.log.snapshot()[-20:]}\n{stacks or ''}") from None
        self.log.thread.join(5)
        self.errors.thread.join(5)
        assert self.log.bad == [], f"not JSON: {self.log.bad[:3]}"
        return code

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def last_words(self):
        code = self.process.poll()
        lines = [json.dumps(line, ensure_ascii=False)[:1000] for line in self.log.snapshot()[-40:]]
        return "\n".join([f"{'still there' if code is None else f'exit code {code}'}; the end of its log:", *lines, *self.errors.snapshot()[-20:]])


def outcome(port, run_id):
    """The result that was reported for a run, once it is."""
    final = lambda: [body for method, path, body in port.of_run(run_id) if (method, path) == ("PATCH", "")]
    port.wait(lambda: final())
    return final()[0]


def wait_until(holds, what, timeout=120):
    """For what nobody tells of: a cluster's state, a process's signals. what: its name, or what gives it once the time is over."""
    deadline = time.monotonic() + timeout
    while not holds():
        assert time.monotonic() < deadline, what() if callable(what) else what
        time.sleep(0.01)


def produce(bootstrap, topic, records, partition=None, headers=None):
    """records: values, or (key, value) pairs."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, "message.max.bytes": 67108864})
    failures = []
    for record in records:
        key, value = record if isinstance(record, tuple) else (None, record)
        options = {"headers": headers} | ({} if partition is None else {"partition": partition})
        while True:
            try:
                producer.produce(topic, value=value, key=key, on_delivery=lambda e, _: failures.append(e) if e else None, **options)
                break
            except BufferError:
                producer.poll(0.1)
    assert producer.flush(60) == 0
    assert not failures, failures[:3]
