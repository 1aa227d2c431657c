"""`port-agent sign` and `verify`: the headers of a body, as receivers check them, and what differs when they do not."""
import base64
import hashlib
import hmac
import itertools
import json
import os
import subprocess
import time

import pytest

from harness import BINARY, ROOT, SECRET, compact, run_event, sign

PLAIN = {"PATH": os.environ["PATH"]}


def call(command, *arguments, body="", **environment):
    done = subprocess.run([BINARY, command, *arguments], input=body.encode(), env={**PLAIN, **environment}, cwd="/tmp", capture_output=True, timeout=120)
    done.out, done.err = done.stdout.decode(), done.stderr.decode()
    return done


def headers(done):
    return dict(line.split(": ", 1) for line in done.out.splitlines())


@pytest.mark.parametrize("body", ["", "{}", '{"a": "Zoë 🚀"}', "no JSON"])
def test_sign_prints_the_headers_that_receivers_compute(body, tmp_path):
    done = call("sign", "--timestamp", "1768317616", body=body, PORT_CLIENT_SECRET=SECRET)
    assert (done.returncode, done.err) == (0, "")
    assert headers(done) == {"X-Port-Timestamp": "1768317616", "X-Port-Signature": sign(body)}
    (tmp_path / "body").write_text(body)
    assert call("sign", "--timestamp", "1768317616", str(tmp_path / "body"), PORT_CLIENT_SECRET=SECRET).out == done.out


def test_sign_takes_the_time_now_and_the_secret_from_a_file(tmp_path):
    (tmp_path / "secret").write_text(SECRET + "\n")
    for done in (call("sign", "--secret-file", str(tmp_path / "secret"), body="x"), call("sign", body="x", PORT_CLIENT_SECRET_FILE=str(tmp_path / "secret"))):
        stamp = headers(done)["X-Port-Timestamp"]
        assert abs(int(stamp) - int(time.time())) < 60
        assert headers(done)["X-Port-Signature"] == sign("x", stamp)


def test_both_have_a_form_for_programs():
    done = call("sign", "--timestamp", "1768317616", "--output", "json", body="{}", PORT_CLIENT_SECRET=SECRET)
    assert json.loads(done.out) == {"X-Port-Timestamp": "1768317616", "X-Port-Signature": sign("{}")}
    right = ("--signature", sign("{}"), "--timestamp", "1768317616", "--output", "json")
    told = json.loads(call("verify", *right, body="{}", PORT_CLIENT_SECRET=SECRET).out)
    assert told["valid"] and told["readable"] and "replay" in told["findings"][0]
    done = call("verify", *right, body="{ }", PORT_CLIENT_SECRET=SECRET)
    assert (done.returncode, json.loads(done.out)["valid"]) == (1, False)
    done = call("verify", "--event", "--output", "json", body="no record", PORT_CLIENT_SECRET=SECRET)
    assert (done.returncode, json.loads(done.out)["readable"]) == (1, False)
    assert call("sign", "--output", "xml", body="{}", PORT_CLIENT_SECRET=SECRET).returncode == 64


def test_sign_says_that_a_final_newline_is_signed():
    assert "ends in a newline" in call("sign", body="{}\n", PORT_CLIENT_SECRET=SECRET).err


@pytest.mark.parametrize("command", ["sign", "verify"])
def test_without_a_secret_the_exit_code_is_78(command):
    more = ("--event",) if command == "verify" else ()
    done = call(command, *more, body="x")
    assert done.returncode == 78 and "set PORT_CLIENT_SECRET or give --secret-file" in done.err
    done = call(command, *more, "--secret-file", "/nowhere", body="x")
    assert done.returncode == 78 and "'/nowhere' cannot be read" in done.err


def test_wrong_usage_of_sign_exits_64():
    for arguments in (("--timestamp", "now"), ("--timestamp", "-1"), ("--nothing",), ("a", "b")):
        assert call("sign", *arguments, PORT_CLIENT_SECRET=SECRET).returncode == 64
    assert "Exit codes:" in call("sign", "--help").out


VALUE = {"text": "Zoë 🚀 <&>", "list": [1, 2.50, {"deep": None}], "empty": {}, "flags": [True, False, []]}
STAMP = str(int(time.time()))


def digest(message, secret=SECRET):
    return hmac.new(secret.encode(), message.encode(), hashlib.sha256).digest()


def signed(message, secret=SECRET):
    return "v1," + base64.b64encode(digest(message, secret)).decode()


def verify(body, signature, timestamp=STAMP, secret=SECRET):
    return call("verify", "--signature", signature, "--timestamp", timestamp, body=body, PORT_CLIENT_SECRET=secret)


def test_verify_accepts_what_sign_prints():
    for body in ("", compact(VALUE), "text\n"):
        printed = headers(call("sign", body=body, PORT_CLIENT_SECRET=SECRET))
        done = verify(body, printed["X-Port-Signature"], printed["X-Port-Timestamp"])
        assert (done.returncode, done.out) == (0, "valid: the signature is right\n")


def test_an_old_but_right_signature_is_valid_with_a_word_about_its_age():
    done = verify("x", signed("1768317616.x"), "1768317616")
    assert done.returncode == 0 and "in the past" in done.out and "replay" in done.out
    future = str(int(time.time()) + 7200)
    done = verify("x", signed(f"{future}.x"), future)
    assert done.returncode == 0 and "(2.0 h) in the future" in done.out


BODY = compact(VALUE)
ASCII = json.dumps(VALUE, separators=(",", ":"))


@pytest.mark.parametrize("sent, was_signed, says", [
    (BODY + "\n", BODY, "the body's final line break is removed"),
    (BODY, BODY + "\n", "followed by a line break"),
    (json.dumps(VALUE), BODY, "compact JSON without \\u escapes"),
    (json.dumps(VALUE, indent=2, ensure_ascii=False), BODY, "compact JSON without"),
    (BODY, ASCII, "written with \\u escapes (Python's ensure_ascii)"),
    (BODY, json.dumps(VALUE), "json.dumps"),
    (BODY, json.dumps(VALUE, ensure_ascii=False), "blanks after commas and colons"),
    (BODY, json.dumps(VALUE, indent=2, ensure_ascii=False), "pretty-printed with 2 blanks"),
    (BODY, json.dumps(VALUE, indent=4, ensure_ascii=False), "pretty-printed with 4 blanks"),
    (BODY, json.dumps(VALUE, indent=4), "pretty-printed with 4 blanks and"),
    (BODY, BODY.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"), "Go's json.Marshal"),
    ("a\r\nb", "a\nb", "lines end in LF"),
    (BODY, "", "nothing was signed but the timestamp"),
])
def test_another_way_to_write_the_body_is_found(sent, was_signed, says):
    done = verify(sent, signed(f"{STAMP}.{was_signed}"))
    assert done.returncode == 1 and done.out.startswith("not valid\n") and says in done.out, done.out


def test_numbers_as_javascript_writes_them_are_found():
    numbers = '{"a":1.0,"b":12345678901234567890,"c":1e-7,"d":100,"e":1E3,"f":-0.5,"g":1e21,"h":0.000001,"i":-0,"j":123456789012345680000}'
    script = subprocess.run(["node", "-e", "process.stdout.write(JSON.stringify(JSON.parse(process.argv[1])))", numbers], check=True, capture_output=True, text=True).stdout
    assert script != numbers
    done = verify(numbers, signed(f"{STAMP}.{script}"))
    assert "as JavaScript writes them" in done.out, (script, done.out)


@pytest.mark.parametrize("ours, theirs, says", [
    ("\n" + SECRET, SECRET, "line breaks around the secret are removed"),
    (" " + SECRET, SECRET, "blanks or line breaks around the secret"),
    (f'"{SECRET}"', SECRET, "quotes around the secret are removed"),
    (SECRET, SECRET + "\n", "the sender's has one"),
    (SECRET, SECRET[:32], "first 32 bytes"),
])
def test_another_reading_of_the_secret_is_found(ours, theirs, says):
    done = verify(BODY, signed(f"{STAMP}.{BODY}", theirs), secret=ours)
    assert done.returncode == 1 and says in done.out and SECRET not in done.out, done.out


@pytest.mark.parametrize("given, was_signed, says", [
    (STAMP + " ", f"{STAMP}.", "blanks or quotes around the timestamp are removed"),
    (STAMP + "000", f"{STAMP}.", "in seconds instead of milliseconds"),
    (STAMP, f"{STAMP}000.", "in milliseconds instead of seconds"),
    (STAMP, "", "the body alone is signed"),
    ("yesterday", f"{STAMP}.", "not a whole number of seconds"),
    ("", f"{STAMP}.", "the timestamp is empty"),
    (STAMP + "000", "9.", "milliseconds?"),
], ids=itertools.count())
def test_another_reading_of_the_timestamp_is_found(given, was_signed, says):
    done = verify(BODY, signed(was_signed + BODY), given)
    assert done.returncode == 1 and says in done.out, done.out


RIGHT = signed(f"{STAMP}.{BODY}")


@pytest.mark.parametrize("signature, says", [
    (RIGHT[3:], 'does not begin with "v1,"'),
    ("v2," + RIGHT[3:], "version is not v1"),
    ("X-Port-Signature: " + RIGHT, "the header's name"),
    (f'"{RIGHT}"', "quotes around it"),
    ("v1," + digest(f"{STAMP}.{BODY}").hex(), "hexadecimal"),
    (RIGHT[:-5], "not base64 of 32 bytes"),
    (RIGHT + "x", "not base64 of 32 bytes"),
    ("", "not base64 of 32 bytes"),
], ids=["no version", "another version", "with its name", "in quotes", "hexadecimal", "short", "long", "empty"])
def test_what_is_wrong_with_the_signature_itself_is_told(signature, says):
    done = verify(BODY, signature)
    assert done.returncode == 1 and says in done.out, done.out


def test_several_differences_at_once_are_found():
    done = verify(json.dumps(VALUE), signed(f"{STAMP}.{BODY}"), STAMP + "000", "\n" + SECRET)
    for says in ("secret are removed", "seconds instead of milliseconds", "compact JSON"):
        assert says in done.out, done.out


def test_what_nothing_explains_says_so():
    done = verify(BODY, signed(f"{STAMP}.{BODY}", "quite another secret"))
    assert done.returncode == 1 and "no other reading" in done.out and "another organisation's" in done.out


def test_a_signature_without_its_timestamp_is_told():
    done = call("verify", "--signature", RIGHT, body=BODY, PORT_CLIENT_SECRET=SECRET)
    assert done.returncode == 1 and "there is no timestamp" in done.out


VECTORS = [json.loads(line) for line in (ROOT / "tests/vectors/signature-vectors.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("vector", VECTORS, ids=[v["name"] for v in VECTORS])
@pytest.mark.host
def test_every_vector_gets_its_answer(vector, tmp_path):
    (tmp_path / "record").write_text(vector["record"])
    done = call("verify", "--event", str(tmp_path / "record"), PORT_CLIENT_SECRET=vector["secret"])
    assert done.returncode == (0 if vector["valid"] else 1), done.out


def event_with(signature, **changes):
    event = {**json.loads(run_event("r_1", "http://x")), **changes}
    event["headers"] = {"X-Port-Timestamp": STAMP, "X-Port-Signature": signature, "X-Other": "1"}
    return event


def test_the_rule_of_headers_is_told_when_it_is_what_differs():
    event = event_with("")
    with_headers = compact({**event, "headers": {"X-Other": "1"}})
    without = compact({k: v for k, v in event.items() if k != "headers"})
    done = call("verify", "--event", body=compact(event_with(signed(f"{STAMP}.{without}"))), PORT_CLIENT_SECRET=SECRET)
    assert done.returncode == 1 and "holds for type GITLAB only" in done.out, done.out
    gitlab = json.loads(with_headers)
    gitlab["payload"]["action"]["invocationMethod"]["type"] = "GITLAB"
    record = event_with(signed(f"{STAMP}.{compact(gitlab)}"), payload=gitlab["payload"])
    done = call("verify", "--event", body=compact(record), PORT_CLIENT_SECRET=SECRET)
    assert done.returncode == 1 and "though the type is GITLAB" in done.out, done.out


def test_missing_members_and_change_log_events_are_told():
    done = call("verify", "--event", body='{"headers":{"X-Port-Timestamp":[1]},"changelogDestination":{}}', PORT_CLIENT_SECRET=SECRET)
    assert done.returncode == 1
    for says in ("X-Port-Signature is missing", "X-Port-Timestamp is neither a text nor a number", "change-log events carry no signature"):
        assert says in done.out, done.out
    done = call("verify", "--event", body="[1]", PORT_CLIENT_SECRET=SECRET)
    assert done.returncode == 1 and done.out.startswith("not a record\n")
    done = verify(run_event("r_1", "http://x"), json.loads(run_event("r_1", "http://x"))["headers"]["X-Port-Signature"], "1768317616")
    assert "verify it with --event" in done.out


def test_wrong_usage_of_verify_exits_64():
    for arguments in ((), ("--event", "--signature", "x"), ("--event", "a", "b"), ("--signature", "a", "--signature", "b")):
        assert call("verify", *arguments, PORT_CLIENT_SECRET=SECRET).returncode == 64
    assert "Exit codes:" in call("verify", "--help").out
