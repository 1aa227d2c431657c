"""`port-agent send`: events of one's own through the agent's delivery, to a receiver of one's own."""
import json
import os
import pty
import subprocess

import pytest

from harness import BINARY, SECRET, compact, run_event
from test_cli_listen import Listener


def send(*arguments, body="", **environment):
    done = subprocess.run([BINARY, "send", *arguments], input=body, env={"PATH": os.environ["PATH"], "PORT_CLIENT_SECRET": SECRET, **environment}, cwd="/tmp",
                          capture_output=True, text=True, timeout=60)
    assert "Sanitizer" not in done.stderr, done.stderr
    return done


@pytest.mark.parametrize("template,told", [("sync", ["/logs", "/logs", "/response", ""]), ("async", ["/logs", "/logs"]), ("change-log", []),
                                           ("node-run", ["/logs", "/logs", ""])])
def test_every_template_arrives_with_a_valid_signature(template, told):
    with Listener("--respond", '201:{"vm":1.50}', "--output", "json") as listener:
        done = send("--template", template, "--set", "extra.deep=two words", "--to", listener.url + "/vm", "--output", "json")
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        seen = json.loads(listener.end())
    outcome = json.loads(done.stdout)
    assert (outcome["outcome"], outcome["status"], outcome["answer"], outcome["url"]) == ("delivered", 201, {"vm": 1.5}, listener.url + "/vm")
    assert seen["signature"]["raw"] and seen["signature"]["parsed"] and seen["body"]["extra"] == {"deep": "two words"} and seen["path"] == "/vm"
    assert [call["path"].partition("runs/")[2].partition("/")[2] for call in outcome["port"]] == [path.lstrip("/") for path in told]
    assert outcome["event"]["payload"]["action"]["invocationMethod"]["url"] == outcome["url"] if template != "change-log" else True


def test_gitlab_goes_to_the_url_as_gitlab():
    with Listener("--respond", '200:{"id":7,"web_url":"https://gitlab/7"}', "--output", "json") as listener:
        done = send("--template", "gitlab", "--to", listener.url)
        assert done.returncode == 0 and '"externalRunId":"7"' in done.stdout
        seen = json.loads(listener.end())
    assert seen["path"] == "/api/v4/projects/group%2Fproject/trigger/pipeline" and seen["body"]["token"] == "token-of-the-template"


def test_an_event_from_standard_input_through_a_mapping(tmp_path):
    (tmp_path / "mapping.json").write_text(json.dumps([{"url": ".payload.action.invocationMethod.url + \"/mapped\"", "body": {"region": ".payload.properties.region"},
                                                        "headers": {"X-A": ".nothing.here | error"}}]))
    with Listener("--output", "json") as listener:
        done = send("--event", "-", "--to", listener.url, body=run_event("r_mine", "http://elsewhere", tampered=True),
                    CONTROL_THE_PAYLOAD_CONFIG_PATH=str(tmp_path / "mapping.json"))
        assert done.returncode == 0 and "answered 200 in " in done.stdout and "mapping 1, headers.X-A" in done.stderr
        assert 'Port would be told:\n  POST /v1/actions/runs/r_mine/logs ' in done.stdout
        seen = json.loads(listener.end())
    assert (seen["path"], seen["body"], seen["signature"]["valid"]) == ("/mapped", {"region": "us-east-1"}, True)


def test_a_failure_is_told_at_once(tmp_path):
    with Listener("--respond", "500:broken") as listener:
        done = send("--template", "async", "--to", listener.url)
        assert done.returncode == 1 and "answered 500 in " in done.stdout and "broken" in done.stdout and '"status":"FAILURE"' in done.stdout
    done = send("--template", "sync", "--to", "http://127.0.0.1:1/")
    assert done.returncode == 1 and "failed: " in done.stdout and "refused" in done.stdout and done.stderr == ""
    (tmp_path / "mapping.json").write_text('[{"enabled": false}]')
    done = send("--template", "sync", "--to", "http://127.0.0.1:1/", CONTROL_THE_PAYLOAD_CONFIG_PATH=str(tmp_path / "mapping.json"))
    assert done.returncode == 1 and "not sent: no mapping wants the event" in done.stdout


@pytest.mark.parametrize("environment, coloured", [({"TERM": "xterm"}, True), ({"NO_COLOR": ""}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_colour_is_for_terminals_that_have_it(environment, coloured):
    ours, theirs = pty.openpty()
    subprocess.run([BINARY, "send", "--template", "change-log", "--to", "http://127.0.0.1:1"], env={"PORT_CLIENT_SECRET": SECRET, **environment}, cwd="/tmp", stdout=theirs,
                   timeout=60)
    os.close(theirs)
    assert (b"\x1b[" in os.read(ours, 4096)) is coloured
    os.close(ours)


def test_wrong_usage_exits_64_and_settings_78(tmp_path):
    for wrong in (["--template", "x", "--to", "http://a"], ["--template", "sync"], ["--to", "http://a"], ["--template", "sync", "--event", "-", "--to", "http://a"],
                  ["--template", "sync", "--to", "http://a", "--output", "xml"], ["--template", "sync", "--to", "nonsense"], ["--template", "sync", "--to", "ftp://a"],
                  *(["--template", "sync", "--to", "http://a", "--set", wish] for wish in ("payload", "=1", "a..b=1", "a.=1", ".a=1"))):
        assert send(*wrong).returncode == 64, wrong
    assert "port-agent send --template sync --to" in send("--help").stdout
    done = send("--template", "sync", "--to", "http://a", PORT_CLIENT_SECRET="")
    assert done.returncode == 78 and "set PORT_CLIENT_SECRET" in done.stderr
    assert send("--template", "sync", "--to", "http://a", WEBHOOK_VERIFY_SSL="perhaps").returncode == 78
    assert send("--template", "sync", "--topic").returncode == 78
    done = send("--event", "-", "--to", "http://a", body=compact({"a": 1}))
    assert done.returncode == 1 and "port-agent send: standard input: it is no event" in done.stderr
