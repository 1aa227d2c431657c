"""Signals: each that can be caught drains or is ignored (docs/operating.md), for every command that has something to finish."""
import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from broker import free_port
from harness import BINARY, SECRET, Agent, wait_until
from test_polling import polled_run

DRAINS = [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT]
IGNORED = [signal.SIGPIPE, signal.SIGUSR2, signal.SIGALRM, signal.SIGVTALRM, signal.SIGPROF, signal.SIGXFSZ, signal.SIGXCPU, signal.SIGIO, signal.SIGPWR,
           16, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGCHLD, signal.SIGCONT, signal.SIGURG, signal.SIGWINCH,
           signal.SIGRTMIN, signal.SIGRTMIN + 7, signal.SIGRTMAX]  # 16: SIGSTKFLT


class Held:
    """An endpoint that answers when it is told to."""

    def __init__(self, port=0):
        self.came, self.go = threading.Semaphore(0), threading.Event()
        held = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                held.bodies.append(body)
                held.came.release()
                held.go.wait(60)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

        self.bodies = []
        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def wait(self):
        assert self.came.acquire(timeout=120)

    def close(self):
        self.go.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def held():
    one = Held()
    yield one
    one.close()


@pytest.fixture
def environment(port):
    return {"PORT_ORG_ID": "org_signals", "PORT_CLIENT_ID": "client", "PORT_CLIENT_SECRET": SECRET, "PORT_API_BASE_URL": port.url,
            "STREAMER_NAME": "POLLING", "POLLING_INTERVAL_SECONDS": "0.1", "LOG_FORMAT": "json", "DRAIN_TIMEOUT_SECONDS": "30"}


@pytest.fixture
def start(environment):
    agents = []

    def start(within=(), **more):
        agents.append(Agent({**environment, **more}, within))
        return agents[-1]

    yield start
    for agent in agents:
        agent.kill()


def status_of(port, run_id):
    return [body["status"] for method, path, body in port.of_run(run_id) if method == "PATCH" and path == "" and "status" in body]


def pending(pid):
    return int(pathlib.Path(f"/proc/{pid}/status").read_text().split("ShdPnd:")[1].split()[0], 16)


@pytest.mark.parametrize("number", DRAINS, ids=lambda n: n.name)
def test_a_signal_that_asks_to_stop_drains(start, port, held, number):
    port.offer(polled_run("r_1", held.url))
    agent = start()
    held.wait()
    agent.process.send_signal(number)
    agent.wait_log("stopping")
    held.go.set()
    assert agent.wait() == 0
    assert status_of(port, "r_1") == ["SUCCESS"]


def test_every_other_signal_is_ignored_at_work_and_while_it_drains(start, port, held):
    port.offer(polled_run("r_1", held.url))
    agent = start()
    held.wait()
    for number in IGNORED:
        agent.process.send_signal(number)
    agent.process.send_signal(signal.SIGUSR1)
    agent.wait_log("summary")
    agent.process.send_signal(signal.SIGTERM)
    agent.wait_log("stopping")
    for number in IGNORED:
        agent.process.send_signal(number)
    agent.process.send_signal(signal.SIGUSR1)
    agent.log.wait(lambda items: sum(i["msg"] == "summary" for i in items) == 2)
    held.go.set()
    assert agent.wait() == 0
    assert status_of(port, "r_1") == ["SUCCESS"]


@pytest.mark.parametrize("numbers", [[signal.SIGTERM] + [signal.SIGHUP] * 5, [signal.SIGHUP, signal.SIGTERM, signal.SIGHUP]], ids=["term-hups", "hup-term-hup"])
def test_a_hangup_ends_no_drain(start, port, held, numbers):
    """It reloads, and nothing while the agent drains; some service managers send it beside SIGTERM."""
    port.offer(polled_run("r_1", held.url))
    agent = start()
    held.wait()
    for number in numbers:
        agent.process.send_signal(number)
        agent.wait_log("stopping" if signal.SIGTERM in numbers[:numbers.index(number) + 1] else "nothing to reload")
    agent.process.send_signal(signal.SIGUSR1)
    agent.wait_log("summary")
    held.go.set()
    assert agent.wait() == 0
    assert status_of(port, "r_1") == ["SUCCESS"]


def test_nohup_is_honoured(start, port, held):
    agent = start(within=["nohup"])
    port.wait(lambda: port.claims["runs"])
    agent.process.send_signal(signal.SIGHUP)
    port.offer(polled_run("r_1", held.url))
    held.wait()
    held.go.set()
    port.wait(lambda: status_of(port, "r_1") == ["SUCCESS"])
    assert agent.terminate() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT], ids=lambda n: n.name)
def test_a_second_signal_ends_at_once_and_names_what_was_acknowledged(start, port, held, number):
    port.offer(polled_run("r_1", held.url))
    agent = start()
    held.wait()
    agent.process.send_signal(signal.SIGTERM)
    agent.wait_log("stopping")
    agent.process.send_signal(number)
    assert agent.wait() == 128 + number
    assert agent.wait_log("run given up", port__run_id="r_1")["level"] == "ERROR"


def descendants(pid):
    for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        yield int(child)
        yield from descendants(int(child))


def test_the_processes_that_evaluate_mappings_outlive_the_drain(start, port, held, tmp_path):
    """A Ctrl-C reaches the whole process group, and some service managers signal every process."""
    mapping = tmp_path / "mapping.json"
    mapping.write_text(json.dumps([{"body": "{mapped: .context.runId}", "report": {"summary": "\"told \" + .body.context.runId"}}]))
    port.offer(polled_run("r_1", held.url))
    agent = start(within=["setsid"], CONTROL_THE_PAYLOAD_CONFIG_PATH=str(mapping))
    held.wait()
    processes = list(descendants(agent.process.pid))
    assert len(processes) >= 2
    for number in [*DRAINS, signal.SIGHUP, signal.SIGUSR1, *IGNORED]:
        for pid in processes:
            os.kill(pid, number)
    os.killpg(os.getpgid(agent.process.pid), signal.SIGINT)
    agent.wait_log("stopping")
    held.go.set()
    assert agent.wait() == 0
    assert held.bodies == [b'{"mapped":"r_1"}']
    assert [body.get("summary") for _, path, body in port.of_run("r_1") if path == "" and "status" in body] == ["told r_1"]


def test_a_signal_before_main_is_heard_once_the_agent_has_started(start, port, tmp_path):
    """It comes while the libraries are set up: from one of them."""
    source, library = tmp_path / "early.c", tmp_path / "early.so"
    source.write_text("#include <signal.h>\n#include <unistd.h>\nextern int uv_run() __attribute__((weak)); /* the agent has it, what starts it has not */\n"
                      "__attribute__((constructor)) static void early(void) { if (uv_run) kill(getpid(), SIGTERM); }\n")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
    agent = start(LD_PRELOAD=str(library))
    assert agent.wait() == 0
    assert any(i["msg"].startswith("stopping") for i in agent.log.snapshot())


@contextlib.contextmanager
def running(arguments, environment):
    process = subprocess.Popen([BINARY, *arguments], env={"PATH": os.environ["PATH"], **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/tmp")
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def letter(start, port, environment, tmp_path):
    """A polled run that was given up; its endpoint comes back when the test wants it to."""
    where, destination = tmp_path / "letters", free_port()
    environment |= {"DEAD_LETTER_DIR": str(where), "WEBHOOK_RETRY_MAX_ATTEMPTS": "1"}
    port.offer(polled_run("r_1", f"http://127.0.0.1:{destination}/hook"))
    agent = start()
    port.wait(lambda: status_of(port, "r_1") == ["FAILURE"])
    assert agent.terminate() == 0
    endpoint = Held(destination)
    yield endpoint
    endpoint.close()


@pytest.mark.parametrize("number", [*DRAINS, signal.SIGHUP], ids=lambda n: n.name)
def test_replay_finishes_what_it_has_begun(letter, port, environment, number):
    with running(["dead-letters", "replay", "--all"], environment) as replay:
        letter.wait()
        for stray in [*IGNORED, signal.SIGUSR1]:
            replay.send_signal(stray)
        replay.send_signal(number)
        replay.send_signal(signal.SIGHUP)
        wait_until(lambda: pending(replay.pid) == 0, "signals are taken")
        letter.go.set()
        out, err = replay.communicate(timeout=120)
    assert "1 delivered" in out, (out, err)
    assert status_of(port, "r_1") == ["FAILURE", "SUCCESS"]


def test_a_second_signal_ends_a_replay_whose_letter_stays(letter, port, environment):
    with running(["dead-letters", "replay", "--all"], environment) as replay:
        letter.wait()
        replay.send_signal(signal.SIGTERM)
        wait_until(lambda: pending(replay.pid) == 0, "the signal is taken")
        replay.send_signal(signal.SIGINT)
        _, err = replay.communicate(timeout=120)
        assert replay.returncode == 128 + signal.SIGINT and "stopped at once" in err
    letter.go.set()
    with running(["dead-letters", "replay", "--all"], environment) as replay:
        out, err = replay.communicate(timeout=120)
    assert "1 delivered" in out, (out, err)


def test_a_replay_that_waits_for_another_ends_at_once(letter, environment):
    with running(["dead-letters", "replay", "--all"], environment) as first:
        letter.wait()
        with running(["dead-letters", "replay", "--all"], environment) as second:
            while "waiting for its end" not in (line := second.stderr.readline()):
                assert line, "it did not wait"
            second.send_signal(signal.SIGINT)
            assert second.wait(30) == -signal.SIGINT
        letter.go.set()
        assert "1 delivered" in first.communicate(timeout=120)[0]


@pytest.mark.parametrize("number", [*DRAINS, signal.SIGHUP], ids=lambda n: n.name)
def test_the_demo_drains(number):
    with running(["demo", "--keep-running"], {}) as demo:
        while "--keep-running" not in demo.stdout.readline():
            assert demo.poll() is None
        for stray in [*IGNORED, signal.SIGUSR1]:
            demo.send_signal(stray)
        demo.send_signal(number)
        demo.send_signal(signal.SIGHUP)
        out, _ = demo.communicate(timeout=60)
    assert demo.returncode == 0 and "stopping" in out and "Everything went as it should" in out


@pytest.mark.parametrize("number", [*DRAINS, signal.SIGHUP], ids=lambda n: n.name)
def test_a_check_ends_at_once_and_ignores_the_rest(environment, number):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        more = {"PORT_API_BASE_URL": f"http://127.0.0.1:{silent.getsockname()[1]}"}
        with running(["check", "--connect", "--timeout", "60"], {**environment, **more}) as check:
            connection, _ = silent.accept()
            for stray in [*IGNORED, signal.SIGUSR1]:
                check.send_signal(stray)
            assert pending(check.pid) == 0 and check.poll() is None
            check.send_signal(number)
            assert check.wait(30) == -number
            connection.close()
