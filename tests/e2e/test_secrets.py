"""An endpoint that sends back whatever it was sent, in every writing: nothing that the agent writes or tells shows a secret."""
import base64
import http.server
import json
import threading
import urllib.parse

import pytest

from harness import SECRET, encrypted, outcome, run_event

PASSWORD, TOKEN, KEY, SEALED = "user-info's pass/word+", "environment-token-0123?>~", "query-value-that-is-a-key", "decrypted>value?~"
PATH = "hooks/T0123456789/B-path-that-is-a-secret"


def writings(secret):
    """In base64 of both alphabets, whatever stood before it; in hexadecimal; percent-encoded; as in JSON."""
    value = secret.encode()
    for before in (b"", b"x", b"xy"):
        coded = base64.b64encode(before + value + b"#")
        yield coded.decode()
        yield base64.urlsafe_b64encode(before + value).decode()
    yield from (secret, value.hex(), value.hex().upper(), urllib.parse.quote(secret, safe=""), json.dumps(secret)[1:-1], "".join(f"%{b:02x}" for b in value))


def cores(secret):
    """What of each writing the secret alone decides."""
    value = secret.encode()
    yield from (secret, value.hex(), value.hex().upper(), urllib.parse.quote(secret, safe=""), json.dumps(secret)[1:-1], "".join(f"%{b:02x}" for b in value))
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
            sent = [PASSWORD, TOKEN, KEY, SEALED, SECRET, self.headers["X-Port-Signature"], self.path]
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


@pytest.mark.parametrize("paths", ["true", "false"])
def test_no_secret_is_shown_in_any_writing(world, port, echo, tmp_path, paths):
    mapping = {"headers": {"X-Custom": "\"Key \" + env.GATEWAY"},
               "body": {"sealed": ".payload.properties.sealed"}, "fieldsToDecryptPaths": ["payload.properties.sealed"]}
    (tmp_path / "mapping.json").write_text(json.dumps([mapping]))
    letters = tmp_path / "letters"
    agent = world.agent(LOG_LEVEL="DEBUG", CONTROL_THE_PAYLOAD_CONFIG_PATH=str(tmp_path / "mapping.json"), GATEWAY=TOKEN, LOG_URL_PATHS=paths,
                        DEAD_LETTER_DIR=str(letters)).assigned()
    url = f"http://me:{urllib.parse.quote(PASSWORD, safe='')}@127.0.0.1:{echo.server_port}/{PATH}?key={KEY}&n=1"
    world.produce(run_event("r_1", url, synchronized=False, properties={"sealed": encrypted(SEALED)}))
    result = outcome(port, "r_1")
    assert result["status"] == "FAILURE" and "400" in result["summary"] and "***" in result["summary"], result
    agent.wait_log("webhook failed")
    assert agent.terminate() == 0
    assert json.loads(echo.seen[0][2]) == {"sealed": SEALED} and echo.seen[0][1]["X-Custom"] == f"Key {TOKEN}"
    signatures = [headers["X-Port-Signature"].removeprefix("v1,") for _, headers, _ in echo.seen]
    told = json.dumps([agent.log.snapshot(), agent.errors.snapshot(), [call for call in port.calls if "access_token" not in call[1]]], default=str, ensure_ascii=False)
    told += "".join(json.dumps({**json.loads(line), "value": "the event itself, as it came"}) for file in letters.rglob("*") if file.is_file() for line in file.read_text().splitlines())
    secrets = [PASSWORD, TOKEN, KEY, SEALED, SECRET, *signatures] + ([PATH, PATH.split("/")[1], PATH.split("/")[2]] if paths == "false" else [])
    for secret in secrets:
        for form in cores(secret):
            assert form not in told, f"{secret} as {form}: {told[max(0, told.index(form) - 100):told.index(form) + 100]}"
    assert (PATH in told) == (paths == "true") and f"http://127.0.0.1:{echo.server_port}/" in told
