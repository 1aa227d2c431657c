"""A running agent is asked: status, run-status, health, pause, resume, cancel; its port; what a stuck loop looks like."""
import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
import urllib.error
import urllib.request

import pytest
from broker import free_port
from harness import BINARY, SECRET, Agent, wait_until
from prometheus import program
from test_polling import polled_run
from test_signals import Held, status_of


@pytest.fixture
def held():
    one = Held()
    yield one
    one.close()


@pytest.fixture
def environment(port, tmp_path):
    return {"PORT_ORG_ID": "org_status", "PORT_CLIENT_ID": "client", "PORT_CLIENT_SECRET": SECRET, "PORT_API_BASE_URL": port.url,
            "STREAMER_NAME": "POLLING", "POLLING_INTERVAL_SECONDS": "0.1", "LOG_FORMAT": "json", "DRAIN_TIMEOUT_SECONDS": "1",
            "STATUS_SOCKET": str(tmp_path / "agent.sock"), "ADMIN_LISTEN": f"127.0.0.1:{free_port()}", "ADMIN_TOKEN": "a-token-of-the-test"}


@pytest.fixture
def agent(environment):
    one = Agent(environment)
    one.wait_log("listening for health checks and status")
    yield one
    one.kill()


@pytest.fixture
def ask(environment):
    def ask(*words, **more):
        return subprocess.run([BINARY, *words], env={"PATH": os.environ["PATH"], **environment, **more}, capture_output=True, text=True, timeout=60, cwd="/tmp")
    return ask


def get(environment, path, method="GET", **headers):
    """Status, body."""
    request = urllib.request.Request(f"http://{environment['ADMIN_LISTEN']}{path}", method=method, headers={k.replace("_", "-"): v for k, v in headers.items()})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_a_run_that_waits_is_found_with_what_it_waits_for_and_cancelled(agent, ask, port, held, environment):
    port.offer(polled_run("r_1", held.url))
    held.wait()
    status = json.loads(ask("status", "--output", "json").stdout)
    assert (status["phase"], status["streamer"]["name"], status["counters"]["in_flight"]) == ("running", "POLLING", 1)
    assert status["port"]["token"] == "good"
    settings = {s["name"]: (s.get("value"), s["from"]) for s in status["settings"]}
    assert settings["PORT_CLIENT_SECRET"] == ("set", "environment")
    assert settings["MAPPING_TIMEOUT"] == ("2", "default")
    assert SECRET not in json.dumps(status)
    destination = status["destinations"]["list"][0]
    assert (destination["name"], destination["in_flight"], destination["breaker"]) == (held.url.removesuffix("/hook"), 1, "closed")
    run = ask("run-status", "r_1")
    assert run.returncode == 0, run
    assert "SENDING, waits for the endpoint's answer" in run.stdout
    text = ask("status").stdout
    assert "POLLING: claiming runs" in text and "in flight 1" in text and SECRET not in text

    assert ask("cancel", "r_nobodys").returncode == 1
    cancelled = ask("cancel", "r_1")
    assert (cancelled.returncode, cancelled.stdout) == (0, "r_1: it fails: cancelled by the operator\n")
    port.wait(lambda: status_of(port, "r_1") == ["FAILURE"])
    agent.wait_log("a run is cancelled by the operator", port__run_id="r_1")
    wait_until(lambda: "failed" in ask("run-status", "r_1").stdout and "is here" not in ask("run-status", "r_1").stdout, "the run is remembered")
    assert "cancelled by the operator" in ask("run-status", "r_1").stdout
    assert ask("run-status", "r_nobodys").returncode == 1


def test_what_is_paused_waits_and_the_pause_is_said_until_it_ends(agent, ask, port, held, environment):
    held.go.set()
    told = json.loads(ask("pause", held.url, "--output", "json").stdout)
    assert told == {"done": True, "target": held.url, "message": held.url.removesuffix("/hook")}
    assert ask("pause", held.url).stdout == f"paused: {held.url.removesuffix('/hook')}\n"
    agent.wait_log("deliveries are paused by the operator")
    port.offer(polled_run("r_1", held.url))
    wait_until(lambda: "waits for its turn at the destination" in ask("run-status", "r_1").stdout, "the run waits")
    code, body = get(environment, "/readyz")
    assert code == 200 and "paused by the operator" in body
    agent.process.send_signal(signal.SIGUSR1)
    agent.wait_log("status: destination", paused=True, waiting=1)
    agent.wait_log("status: condition")
    assert not held.bodies
    assert ask("pause").stdout == "paused: every destination\n"
    assert all(line.get("server.address") != "" for line in agent.log.snapshot())
    assert ask("resume").stdout == "goes on: every destination\n"
    agent.wait_log("deliveries are not paused any more")
    port.wait(lambda: status_of(port, "r_1") == ["SUCCESS"])
    assert agent.terminate() == 0
    assert not os.path.exists(environment["STATUS_SOCKET"])


def test_the_port_shows_runs_to_loopback_and_changes_nothing_without_the_token(agent, environment):
    assert get(environment, "/livez") == (200, "alive\n")
    assert json.loads(get(environment, "/readyz")[1])["ready"] in (True, False)
    assert get(environment, "/status.json")[0] == 200
    assert get(environment, "/status.json", Host="evil.example")[0] == 403
    assert get(environment, "/status.json", Host="evil.example", Authorization="Bearer a-token-of-the-test")[0] == 200
    assert get(environment, "/pause", "POST")[0] == 403
    assert get(environment, "/pause", "POST", Authorization="Bearer a-token-of-the-tesT")[0] == 403
    assert get(environment, "/redeliver?target=0:0", "POST")[0] == 403
    assert get(environment, "/redelivery?target=0:0", Host="evil.example")[0] == 403
    assert get(environment, "/redelivery?target=0:0") == (404, "nothing is known of it\n")
    assert get(environment, "/pause", "POST", Authorization="Bearer a-token-of-the-test") == (200, "every destination\n")
    assert get(environment, "/pause")[0] == 405
    assert get(environment, "/nothing")[0] == 404


def test_health_fails_for_a_loop_that_is_stuck_and_for_nothing_else(agent, ask, port, environment):
    assert (ask("health").returncode, ask("health").stdout) == (0, "alive\n")
    assert json.loads(ask("health", "--output", "json").stdout) == {"alive": True, "message": "alive"}
    port.close()
    assert ask("health").returncode == 0
    agent.process.send_signal(signal.SIGSTOP)
    stuck = ask("health", LIVENESS_STALL_SECONDS="1")
    agent.process.send_signal(signal.SIGCONT)
    assert stuck.returncode == 1 and "its loop is stuck" in stuck.stderr
    agent.kill()
    gone = ask("health")
    assert gone.returncode == 1 and f"no agent was found on this machine at STATUS_SOCKET={environment['STATUS_SOCKET']}; " in gone.stderr


@contextlib.contextmanager
def answers(path, answer):
    """Something else at the agent's socket, that answers one question so."""
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(path)
        door.listen()

        def reply():
            peer = door.accept()[0]
            peer.close()  # that was a look at who is there
            peer = door.accept()[0]
            peer.recv(1 << 16)
            peer.sendall(answer)
            peer.close()

        thread = threading.Thread(target=reply, daemon=True)
        thread.start()
        yield
        thread.join(60)
    os.unlink(path)


def test_a_question_that_is_refused_is_not_refused_in_silence(ask, environment):
    """As another user's agent refuses it where its socket has been opened to all."""
    refusal = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 29\r\nConnection: close\r\n\r\nthis is another user's agent\n"
    with answers(environment["STATUS_SOCKET"], refusal):
        done = ask("status")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "port-agent status: the agent answers 403: this is another user's agent\n")
    with answers(environment["STATUS_SOCKET"], refusal):
        done = ask("status", "--output", "json")
    assert done.returncode == 1 and json.loads(done.stdout) == {"shown": False, "message": "this is another user's agent"}


@pytest.mark.parametrize("words", [("status",), ("run-status", "r_1")])
@pytest.mark.parametrize("form", ["text", "json"])
def test_an_answer_that_is_no_agents_is_not_printed(ask, environment, words, form):
    with answers(environment["STATUS_SOCKET"], b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n"):
        done = ask(*words, "--output", form)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"port-agent {words[0]}: the agent's answer cannot be read\n")


def test_a_port_that_is_taken_is_a_warning_and_work_goes_on(environment, port, held):
    held.go.set()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        agent = Agent({**environment, "ADMIN_LISTEN": f"127.0.0.1:{taken.getsockname()[1]}", "STATUS_SOCKET": "/nonexistent/agent.sock"})
        try:
            agent.wait_log("ADMIN_LISTEN cannot be listened on", level="WARNING")
            agent.wait_log("no socket for 'port-agent status' and 'health'", level="WARNING")
            port.offer(polled_run("r_1", held.url))
            port.wait(lambda: status_of(port, "r_1") == ["SUCCESS"])
            assert agent.terminate() == 0
        finally:
            agent.kill()


def families(text):
    """name -> (type, [(sample, value)]); everything that Prometheus asks of the order of lines is asserted."""
    found, name = {}, None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name = line.split(" ")[2]
            assert name not in found, f"{name} comes twice"
        elif line.startswith("# TYPE "):
            assert line.split(" ")[2] == name
            found[name] = (line.split(" ")[3], [])
        else:
            sample, value = line.rsplit(" ", 1)
            base = sample.split("{")[0]
            ends = ("_bucket", "_sum", "_count") if found[name][0] == "histogram" else ("",)
            assert base in [name + end for end in ends], line
            found[name][1].append((sample, float(value)))
    return found


def test_metrics_are_what_happened_and_are_written_as_prometheus_asks(agent, port, held, environment):
    held.go.set()
    for number in range(30):
        port.offer(polled_run(f"r_{number}", held.url))
    port.wait(lambda: all(status_of(port, f"r_{number}") == ["SUCCESS"] for number in range(30)))
    wait_until(lambda: get(environment, "/metrics")[1].count("port_agent_delivered_total 30\n") == 1, "30 are delivered")
    code, text = get(environment, "/metrics", Host="any.name.example")
    found = families(text)
    assert code == 200
    for name, (kind, samples) in found.items():
        assert kind in ("counter", "gauge", "histogram") and (kind != "counter" or name.endswith("_total"))
        assert len({sample for sample, _ in samples}) == len(samples)
    assert found["port_agent_deliveries_total"] == ("counter", [('port_agent_deliveries_total{outcome="delivered",status_class="2xx"}', 30)])
    for name in ("port_agent_delivery_duration_seconds", "port_agent_queue_wait_seconds"):
        counts = [value for sample, value in found[name][1] if "_bucket" in sample]
        assert counts == sorted(counts) and counts[-1] == 30
        assert dict(found[name][1])[f"{name}_count"] == 30
    assert found["port_agent_port_token_valid"][1] == [("port_agent_port_token_valid", 1)]
    open_metrics = get(environment, "/metrics", Accept="application/openmetrics-text; version=1.0.0")[1]
    assert open_metrics.endswith("# EOF\n") and "# TYPE port_agent_delivered counter\n" in open_metrics
    checked = subprocess.run([program("promtool"), "check", "metrics"], input=text, capture_output=True, text=True, timeout=60)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_what_is_logged_is_changed_while_it_runs(agent, ask, environment):
    assert ask("log-level", "error").stdout == "log level: ERROR\n"
    assert json.loads(ask("status", "--output", "json").stdout)["log_level"] == "ERROR"
    assert ask("log-level", "debug").stdout == "log level: DEBUG\n"
    assert agent.wait_log("the operator has changed the log level", log_level="DEBUG")["level"] == "WARNING"
    loud = ask("log-level", "loud")
    assert loud.returncode == 64 and "'loud' is not accepted; write DEBUG, INFO, WARNING, ERROR or CRITICAL" in loud.stderr
    assert get(environment, "/log-level?target=loud", "POST", Authorization="Bearer a-token-of-the-test")[0] == 400
    assert get(environment, "/log-level?target=DEBUG", "POST")[0] == 403
    assert get(environment, "/log-level?target=INFO", "POST", Authorization="Bearer a-token-of-the-test") == (200, "INFO\n")
