"""An endpoint that sends back whatever it was sent, in every writing: nothing that the agent writes or tells shows a secret."""
import base64
import http.server
import json
import pathlib
import re
import subprocess
import threading
import urllib.parse

import pytest

from harness import BINARY, SECRET, encrypted, outcome, run_event

PASSWORD, TOKEN, KEY, SEALED = "user-info's pass/word+", "environment-token-0123?>~", "query-value-that-is-a-key", "decrypted>value?~"
IN_BODY = "token-in-body"
PATH = "hooks/T0123456789/B-path-that-is-a-secret"


def writings(secret):
    """In base64 of both alphabets, whatever stood before it; in hexadecimal; percent-encoded; as in JSON."""
    value = secret.encode()
    for before in (b"", b"x", b"xy"):
        coded = base64.b64encode(before + value + b"#")
        yield coded.decode()
        yield base64.urlsafe_b64encode(before + value).decode()
    yield from (secret, value.hex(), value.hex().upper(), value.hex(":"), urllib.parse.quote(secret, safe=""), json.dumps(secret)[1:-1], "".join(f"%{b:02x}" for b in value))


def cores(secret):
    """What of each writing the secret alone decides."""
    value = secret.encode()
    yield from (secret, value.hex(), value.hex().upper(), value.hex(":"), urllib.parse.quote(secret, safe=""), json.dumps(secret)[1:-1], "".join(f"%{b:02x}" for b in value))
    for before in range(3):
        bits = (b"\0" * before + value + b"\0\0")
        first, last = (before * 8 + 5) // 6, (before + len(value)) * 8 // 6
        yield base64.b64encode(bits).decode()[first:last]
        yield base64.urlsafe_b64encode(bits).decode()[first:last]


@pytest.fixture
def echo():
    """Answers 400 with all that it was sent and all the secrets there are."""
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.append((self.path, dict(self.headers), body))
            sent = [PASSWORD, TOKEN, KEY, SEALED, IN_BODY, SECRET, self.headers["X-Port-Signature"], self.path]
            text = "\n".join(w for secret in sent for w in writings(secret.removeprefix("v1,"))).encode() + str(self.headers).encode()
            assert len(text) < 8192  # what is kept of an answer
            self.send_response(400)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_):
            pass

    seen = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.seen = seen
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def key_lines(key):
    """What a private key is made of: lines of base64."""
    lines = [line for line in pathlib.Path(key).read_text().splitlines() if len(line) > 16 and not line.startswith("-")]
    assert lines
    return lines


def certificates(authority):
    """Settings in their three forms (path, file, PEM itself), and the lines that nobody may see."""
    ours, key = authority.issue("ours")
    text = pathlib.Path(key).read_text()
    return {"WEBHOOK_CLIENT_CERT": ours, "WEBHOOK_CLIENT_KEY": text, "PORT_API_CLIENT_CERT_FILE": ours, "PORT_API_CLIENT_KEY_FILE": key,
            "KAFKA_CONSUMER_SSL_CERTIFICATE": pathlib.Path(ours).read_text() + text}, key_lines(key)


def shown_of(secrets, told):
    return [f"{secret} as {form}: {told[max(0, told.index(form) - 100):told.index(form) + 100]}" for secret in secrets for form in cores(secret) if form in told]


def test_no_command_shows_a_secret_of_its_settings(authority, tmp_path):
    settings, lines = certificates(authority)
    environment = {"PATH": "/usr/bin:/bin", "PORT_ORG_ID": "o", "PORT_CLIENT_ID": "c", "PORT_CLIENT_SECRET": SECRET, "HTTPS_PROXY": f"http://u:{KEY}@127.0.0.1:1",
                   "PORT_CLIENT_SECRET_PREVIOUS": "the-one-before-it-0123456789abcdef", "DEAD_LETTER_DIR": str(tmp_path / "letters"), **settings}
    secrets = [SECRET, KEY, environment["PORT_CLIENT_SECRET_PREVIOUS"], *lines]

    def told_by(*arguments, **more):
        done = subprocess.run([BINARY, *arguments], env={**environment, **more}, cwd=tmp_path, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
        assert done.stdout + done.stderr
        return done.stdout + done.stderr

    commands = re.findall(r"^  ([a-z-]+) +\S", told_by("--help").split("Commands:")[1].split("Options:")[0], re.M)
    assert len(commands) >= 8
    told = told_by("--help") + told_by("--version") + told_by("settings") + told_by("run")  # without a consumer group it says so, and ends
    for command in (*([one] for one in commands), *(["dead-letters", one] for one in ("list", "show", "replay"))):
        told += told_by(*command, "--help") + told_by(*command, "--no-such-option")
    for output in ("text", "json"):
        told += told_by("check", "--output", output, KAFKA_CONSUMER_GROUP_ID="g")
    # what is wrong with a key is said without it
    told += told_by("check", WEBHOOK_CLIENT_KEY=settings["WEBHOOK_CLIENT_KEY"].replace("\nM", "\nN", 1)) + told_by("check", WEBHOOK_CLIENT_CERT=settings["WEBHOOK_CLIENT_KEY"])
    assert "WEBHOOK_CLIENT_KEY: its text holds a private key that is damaged" in told and "WEBHOOK_CLIENT_CERT: its text holds no certificate" in told
    assert shown_of(secrets, told) == []


@pytest.mark.parametrize("paths", ["true", "false"])
def test_no_secret_is_shown_in_any_writing(world, port, echo, authority, tmp_path, paths):
    mapping = {"headers": {"X-Custom": "\"Key \" + env.GATEWAY"},
               "body": {"sealed": ".payload.properties.sealed", "token": "env.TRIGGER"}, "fieldsToDecryptPaths": ["payload.properties.sealed"]}
    (tmp_path / "mapping.json").write_text(json.dumps([mapping]))
    letters = tmp_path / "letters"
    settings, lines = certificates(authority)
    agent = world.agent(LOG_LEVEL="DEBUG", CONTROL_THE_PAYLOAD_CONFIG_PATH=str(tmp_path / "mapping.json"), GATEWAY=TOKEN, TRIGGER=IN_BODY, LOG_URL_PATHS=paths,
                        DEAD_LETTER_DIR=str(letters), **settings).assigned()
    url = f"http://me:{urllib.parse.quote(PASSWORD, safe='')}@127.0.0.1:{echo.server_port}/{PATH}?key={KEY}&n=1"
    world.produce(run_event("r_1", url, synchronized=False, properties={"sealed": encrypted(SEALED)}))
    result = outcome(port, "r_1")
    assert result["status"] == "FAILURE" and "400" in result["summary"] and "***" in result["summary"], result
    agent.wait_log("webhook failed")
    assert agent.terminate() == 0
    assert json.loads(echo.seen[0][2]) == {"sealed": SEALED, "token": IN_BODY} and echo.seen[0][1]["X-Custom"] == f"Key {TOKEN}"
    signatures = [headers["X-Port-Signature"].removeprefix("v1,") for _, headers, _ in echo.seen]
    told = json.dumps([agent.log.snapshot(), agent.errors.snapshot(), [call for call in port.calls if "access_token" not in call[1]]], default=str, ensure_ascii=False)
    told += "".join(json.dumps({**json.loads(line), "value": "the event itself, as it came"}) for file in letters.rglob("*") if file.is_file() for line in file.read_text().splitlines())
    secrets = [PASSWORD, TOKEN, KEY, SEALED, IN_BODY, SECRET, *signatures, *lines] + ([PATH, PATH.split("/")[1], PATH.split("/")[2]] if paths == "false" else [])
    assert shown_of(secrets, told) == []
    assert (PATH in told) == (paths == "true") and f"http://127.0.0.1:{echo.server_port}/" in told


def serving(answer):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(307)
            self.send_header("Location", answer(self))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def test_a_redirect_shows_no_part_of_a_secret_wherever_it_is_cut(world, port, tmp_path):
    (tmp_path / "mapping.json").write_text(json.dumps([{"headers": {"X-Custom": "\"Key \" + env.GATEWAY"}}]))
    endpoint = serving(lambda asked: "http://elsewhere.test/" + "a" * int(asked.path.rsplit("/", 1)[1]) + "/" + asked.headers["X-Custom"].split()[1])
    agent = world.agent(CONTROL_THE_PAYLOAD_CONFIG_PATH=str(tmp_path / "mapping.json"), GATEWAY=TOKEN.replace("?>~", "")).assigned()
    lengths = range(870, 920, 2)
    world.produce(*(run_event(f"r_{length}", f"http://127.0.0.1:{endpoint.server_port}/{length}", synchronized=False) for length in lengths))
    summaries = [outcome(port, f"r_{length}")["summary"] for length in lengths]
    assert agent.terminate() == 0
    endpoint.shutdown()
    endpoint.server_close()
    assert summaries[0].count("/***") == 1 and summaries[-1].count("aaa…") == 1 and sum("***…" in summary for summary in summaries) > 5, summaries
    assert [text for text in summaries + [json.dumps(line, ensure_ascii=False) for line in agent.log.snapshot()] if TOKEN[:6] in text] == []


def test_what_a_collector_sends_back_is_not_shown(world, receiver, tmp_path):
    collector = serving(lambda asked: "http://elsewhere.test/" + asked.headers["Authorization"].split()[1])
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server_port}", "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{KEY}"}
    agent = world.agent(**settings).assigned()
    world.produce(run_event("r_1", f"{receiver.url}/answered"))
    told = agent.wait_log("traces do not reach their collector")["reason"]
    assert agent.terminate() == 0
    checked = subprocess.run([BINARY, "check", "--connect"], env={"PATH": "/usr/bin:/bin", **world.environment, **settings}, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    collector.shutdown()
    collector.server_close()
    assert told == "redirect 307 to http://elsewhere.test/*** not followed: no redirect is followed"
    assert told in checked.stdout, checked.stdout
    assert KEY not in checked.stdout + checked.stderr + json.dumps(agent.log.snapshot())
