"""`port-agent sign`: the headers of a body, as receivers check them."""
import os
import subprocess
import time

import pytest

from harness import BINARY, SECRET, sign

PLAIN = {"PATH": os.environ["PATH"]}


def call(command, *arguments, body="", **environment):
    done = subprocess.run([BINARY, command, *arguments], input=body.encode(), env={**PLAIN, **environment}, cwd="/tmp", capture_output=True, timeout=30)
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


def test_sign_says_that_a_final_newline_is_signed():
    assert "ends in a newline" in call("sign", body="{}\n", PORT_CLIENT_SECRET=SECRET).err


@pytest.mark.parametrize("command", ["sign"])
def test_without_a_secret_the_exit_code_is_78(command):
    done = call(command, body="x")
    assert done.returncode == 78 and "set PORT_CLIENT_SECRET or give --secret-file" in done.err
    done = call(command, "--secret-file", "/nowhere", body="x")
    assert done.returncode == 78 and "'/nowhere' cannot be read" in done.err


def test_wrong_usage_of_sign_exits_64():
    for arguments in (("--timestamp", "now"), ("--timestamp", "-1"), ("--nothing",), ("a", "b")):
        assert call("sign", *arguments, PORT_CLIENT_SECRET=SECRET).returncode == 64
    assert "Exit codes:" in call("sign", "--help").out
