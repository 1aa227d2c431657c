"""`port-agent listen`: a receiver on one's own machine."""
import json
import os
import re
import signal
import subprocess
import urllib.error
import urllib.request

from harness import BINARY, SECRET, sign

PLAIN = {"PATH": os.environ["PATH"], "PORT_CLIENT_SECRET": SECRET}
STAMP = "1768317616"


class Listener:
    def __init__(self, *arguments, secret=SECRET):
        self.process = subprocess.Popen([BINARY, "listen", "--port", "0", *arguments], env={**PLAIN, "PORT_CLIENT_SECRET": secret}, cwd="/tmp", stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True)
        self.line = self.process.stderr.readline()
        self.url = re.search(r"http://127\.0\.0\.1:\d+", self.line)[0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def ask(self, body, path="/hook?x=1", signature=None, method="POST"):
        headers = {"X-Port-Timestamp": STAMP, "X-Port-Signature": sign(body) if signature is None else signature, "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, body.encode(), headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.status, answer.read().decode(), answer.headers["Content-Type"]
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(), error.headers["Content-Type"]

    def end(self):
        self.process.send_signal(signal.SIGINT)
        out, _ = self.process.communicate(timeout=120)
        assert self.process.returncode == 0
        return out


def test_it_shows_webhooks_and_says_whether_they_are_signed():
    with Listener() as listener:
        assert listener.ask('{"a":{"b":[1]}}') == (200, '{"ok":true}', "application/json")
        assert listener.ask("{}", signature=sign("{ }"))[0] == 200
        out = listener.end()
    first, second = out.split("answered 200\n")[:2]
    assert " POST /hook?x=1\n" in first and f"  X-Port-Timestamp: {STAMP}\n" in first and '  "a": {\n    "b": [\n      1\n' in first
    assert "signature valid: over the body as it came, and over JSON.stringify(JSON.parse(body))" in first and "in the past" in first
    assert "signature not valid\n    - " in second and "\033" not in out


def test_it_answers_as_told():
    with Listener("--respond", "503:busy", "--delay", "1", "--output", "json") as listener:
        assert listener.ask("[1.0]", method="PUT") == (503, "busy", "text/plain; charset=utf-8")
        seen = json.loads(listener.end())
    assert (seen["method"], seen["path"], seen["body"], seen["headers"]["Content-Type"]) == ("PUT", "/hook?x=1", [1.0], "application/json")
    assert seen["signature"]["valid"] and seen["signature"]["raw"] and not seen["signature"]["parsed"]
    assert seen["answer"] == {"by": "listen", "status": 503, "problem": None}


def test_it_passes_webhooks_on_byte_for_byte_and_the_answer_back():
    with Listener("--respond", '404:{"why":"no such VM"}') as handler, Listener("--forward", handler.url) as listener:
        body = '{"spaced" :  1.0}'
        assert listener.ask(body, "/deep/path?q=1") == (404, '{"why":"no such VM"}', "application/json")
        shown, passed = listener.end(), handler.end()
    assert "answered 404 by the handler" in shown and '"why": "no such VM"' in shown
    assert " POST /deep/path?q=1\n" in passed and f"X-Port-Signature: {sign(body)}\n" in passed and "signature valid over the body as it came" in passed


def test_the_password_of_a_handlers_url_is_not_shown():
    process = subprocess.Popen([BINARY, "listen", "--forward", "http://me:hush-hush@127.0.0.1:1/"], env={"PATH": os.environ["PATH"], "PORT_CLIENT_SECRET": SECRET},
                               cwd="/tmp", stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    said = process.stderr.readline()
    process.terminate()
    process.wait(timeout=30)
    assert "passing webhooks on to http://" in said and "hush-hush" not in said
    refused = subprocess.run([BINARY, "listen", "--forward", "ftp://me:hush-hush@127.0.0.1:1/"], env={"PATH": os.environ["PATH"]}, cwd="/tmp", capture_output=True,
                             text=True, timeout=120)
    assert refused.returncode == 64 and "is no http or https URL" in refused.stderr and "hush-hush" not in refused.stderr


def test_a_handler_that_is_not_there_is_told():
    with Listener("--forward", "http://127.0.0.1:1/only/here") as listener:
        status, body, _ = listener.ask("{}")
        assert status == 502 and "refused" in body
        assert "answered 502: " in listener.end()


def test_wrong_usage_exits_64_and_no_secret_78():
    def call(*arguments, **environment):
        return subprocess.run([BINARY, "listen", *arguments], env={"PATH": os.environ["PATH"], **environment}, cwd="/tmp", capture_output=True, text=True,
                              timeout=120)
    for wrong in (["--port", "70000"], ["--respond", "99"], ["--respond", "200-x"], ["--forward", "localhost:1"], ["--forward", "http://"], ["--forward", "http://a b"],
                  ["--delay", "x"], ["--output", "xml"], ["--forward", "http://a", "--respond", "200"], ["more"]):
        done = call(*wrong, PORT_CLIENT_SECRET=SECRET)
        assert done.returncode == 64 and done.stderr.count("\n") == 1, wrong
    assert call().returncode == 78
    assert "port-agent listen --forward http://localhost:3000" in call("--help").stdout


def test_a_port_that_is_taken_is_told():
    with Listener() as first:
        port = first.url.rpartition(":")[2]
        done = subprocess.run([BINARY, "listen", "--port", port], env=PLAIN, cwd="/tmp", capture_output=True, text=True, timeout=120)
        assert done.returncode == 1 and f"cannot listen on 127.0.0.1:{port}" in done.stderr and "--port" in done.stderr
