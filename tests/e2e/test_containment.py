"""What the agent's processes show of its secrets to others on the machine, and what an expression could reach."""
import json
import os
import pathlib
import re
import subprocess

import pytest

from harness import BINARY, SECRET, encrypted, outcome, run_event

pytestmark = pytest.mark.host

PASSWORD = "kafka-password-that-nobody-sees"
TOKEN = "a-token-of-a-gitlab-project"


def below(pid):
    """The process and all that it has started, and so on."""
    children = [int(c) for task in pathlib.Path(f"/proc/{pid}/task").iterdir() for c in (task / "children").read_text().split()]
    return [pid] + [one for child in children for one in below(child)]


def memory_of(pid):
    parts = []
    with open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
            begin, end, rights = re.match(r"(\w+)-(\w+) (\S+)", line).groups()
            if rights.startswith("rw") and "[v" not in line:
                memory.seek(int(begin, 16))
                try:
                    parts.append(memory.read(int(end, 16) - int(begin, 16)))
                except OSError:
                    pass
    return b"\0".join(parts)


def status(pid, field):
    return re.search(rf"^{field}:\s+(\S+)", pathlib.Path(f"/proc/{pid}/status").read_text(), re.M).group(1)


def mapped(tmp_path, mapping):
    path = tmp_path / "mapping.json"
    path.write_text(json.dumps([mapping]))
    return str(path)


def evaluated(world, port, receiver, tmp_path, mapping, settings=None, **event):
    """An agent whose evaluator has evaluated the mapping once: (agent, the process that compiled it, the evaluator)."""
    agent = world.agent(CONTROL_THE_PAYLOAD_CONFIG_PATH=mapped(tmp_path, mapping), KAFKA_CONSUMER_PASSWORD=PASSWORD, GITLAB_TOKEN=TOKEN, **(settings or {})).assigned()
    world.produce(run_event("r_1", receiver.url + "/ok", **event))
    assert outcome(port, "r_1")["status"] == "SUCCESS"
    processes = below(agent.process.pid)
    assert len(processes) == 4, processes
    return agent, *processes[2:]


def test_no_process_of_the_agent_leaves_a_core_or_lets_others_look(world, port, receiver, tmp_path):
    agent, compiler, evaluator = evaluated(world, port, receiver, tmp_path, {"body": {"x": ".payload"}})
    for pid in (agent.process.pid, compiler, evaluator):
        assert re.search(r"^Max core file size\s+0\s+0", pathlib.Path(f"/proc/{pid}/limits").read_text(), re.M)
        assert status(pid, "NoNewPrivs") == "1"
        # What cannot be dumped is root's in /proc, whoever runs it; root's own is told by the environment alone.
        assert os.stat(f"/proc/{pid}/environ").st_uid == 0
        assert SECRET.encode() not in pathlib.Path(f"/proc/{pid}/environ").read_bytes()
        assert PASSWORD.encode() not in pathlib.Path(f"/proc/{pid}/environ").read_bytes()


def test_another_process_of_the_same_user_cannot_look(tmp_path):
    """An agent without rights, and a neighbour that has the same user."""
    look = ("import os, subprocess, sys, time\n"
            "agent = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, env=dict(os.environ), text=True)\n"
            "line = agent.stdout.readline()\n"
            "for name in ('environ', 'mem', 'maps'):\n"
            "    try:\n"
            "        open(f'/proc/{agent.pid}/{name}', 'rb').read(1)\n"
            "        print('read', name)\n"
            "    except PermissionError:\n"
            "        print('refused', name)\n"
            "agent.kill()\n")
    environment = {"PATH": os.environ["PATH"], "PORT_ORG_ID": "o", "PORT_CLIENT_ID": "c", "PORT_CLIENT_SECRET": SECRET, "LOG_FORMAT": "json",
                   "KAFKA_CONSUMER_GROUP_ID": "g", "KAFKA_CONSUMER_BOOTSTRAP_SERVERS": "127.0.0.1:1", "USING_LOCAL_PORT_INSTANCE": "true"}
    if os.geteuid() != 0 or "image" in BINARY:
        pytest.skip("wants root, who may be somebody else, and a program that anybody may start")
    done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/python3", "-c", look, BINARY], env=environment, cwd="/",
                          capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == ["refused environ", "refused mem", "refused maps"], (done.stdout, done.stderr)


def test_the_evaluator_has_no_secret_that_no_mapping_asks_for(world, port, receiver, authority, tmp_path):
    ours, key = authority.issue("ours")
    lines = [line for line in pathlib.Path(key).read_text().splitlines() if len(line) > 16 and not line.startswith("-")]
    settings = {"WEBHOOK_CLIENT_CERT": ours, "WEBHOOK_CLIENT_KEY": key, "PORT_API_CLIENT_CERT": ours, "PORT_API_CLIENT_KEY_FILE": key,
                "KAFKA_CONSUMER_SSL_CERTIFICATE": pathlib.Path(ours).read_text() + pathlib.Path(key).read_text()}
    agent, compiler, evaluator = evaluated(world, port, receiver, tmp_path, {"body": {"x": ".payload"}, "headers": {"x-env": "\"none\""}}, settings)
    for pid in (compiler, evaluator):
        memory = memory_of(pid)
        assert b"x-env" in memory  # the memory that is looked at is the one where the mapping is
        for secret in (SECRET, PASSWORD, TOKEN, *lines):
            assert secret.encode() not in memory, (pid, secret)
        assert not [file for file in pathlib.Path(f"/proc/{pid}/fd").iterdir() if "client certificate" in os.readlink(file)]
    assert [file for file in pathlib.Path(f"/proc/{agent.process.pid}/fd").iterdir() if "client certificate" in os.readlink(file)]
    assert SECRET.encode() in memory_of(agent.process.pid)


def test_a_mapping_that_reads_env_sees_it_without_the_agents_own_secrets(world, port, receiver, tmp_path):
    mapping = {"body": {"token": "env.GITLAB_TOKEN", "in_object": "{a:env.GITLAB_TOKEN}.a", "hidden": "[env.PORT_CLIENT_SECRET, env.KAFKA_CONSUMER_PASSWORD]"}}
    _, compiler, evaluator = evaluated(world, port, receiver, tmp_path, mapping)
    body = json.loads(receiver.seen.snapshot()[0]["body"])
    assert body == {"token": TOKEN, "in_object": TOKEN, "hidden": [None, None]}
    for pid in (compiler, evaluator):
        assert SECRET.encode() not in memory_of(pid) and PASSWORD.encode() not in memory_of(pid)


def test_a_mapping_that_decrypts_has_the_key_and_nothing_else(world, port, receiver, tmp_path):
    mapping = {"body": {"x": ".payload.properties.password"}, "fieldsToDecryptPaths": ["payload.properties.password"]}
    _, compiler, evaluator = evaluated(world, port, receiver, tmp_path, mapping, properties={"password": encrypted("plain")})
    assert json.loads(receiver.seen.snapshot()[0]["body"]) == {"x": "plain"}
    for pid in (compiler, evaluator):
        assert PASSWORD.encode() not in memory_of(pid) and TOKEN.encode() not in memory_of(pid)


def test_the_evaluator_may_make_few_system_calls(world, port, receiver, tmp_path):
    expressions = {"now": "now | type", "local": "0 | localtime | mktime", "text": "1700000000 | strflocaltime(\"%H\") | length", "big": "[range(100000)] | add",
                   "doubled": "reduce range(18) as $i (\"ab\"; . + .) | length", "message": "debug | type", "failed": "error(\"x\")?", "time": "\"10:20\" | strptime(\"%H:%M\") | length"}
    _, _, evaluator = evaluated(world, port, receiver, tmp_path, {"body": expressions})
    assert status(evaluator, "Seccomp") == "2"
    body = json.loads(receiver.seen.snapshot()[0]["body"])
    assert body["now"] == "number" and body["big"] == 4999950000 and body["doubled"] == 2 ** 19 and body["text"] == 2 and body["time"] == 8, body
