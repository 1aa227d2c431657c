"""What is given up: kept before it is reported, listed, shown and sent again, on a real broker."""
import contextlib
import json
import pathlib
import socket
import subprocess
import sys
import threading
import time

import pytest
from broker import SCRAM_PASSWORD, SCRAM_USER, free_port
from confluent_kafka import Consumer
from harness import BINARY, ROOT, Lines, run_event
from recorder import Recorder
from test_polling import polled_node_run, polled_run

pytestmark = pytest.mark.kafka

TRACE = "0af7651916cd43dd8448eb211c80319c"
QUICK = {"WEBHOOK_RETRY_INITIAL_BACKOFF": "0.02", "WEBHOOK_RETRY_MAX_ATTEMPTS": "2"}


def results_of(port, run_id):
    return [body for method, path, body in port.of_run(run_id) if method == "PATCH" and path == ""]


@contextlib.contextmanager
def back_again(destination):
    """The endpoint that was away."""
    process = subprocess.Popen([sys.executable, str(ROOT / "tests/e2e/late_receiver.py"), str(destination)])
    try:
        deadline = time.monotonic() + 10
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", destination), 1).close()
                break
            assert time.monotonic() < deadline
        yield
    finally:
        process.kill()
        process.wait()


def letters(world, environment, *arguments, code=0, log=None):
    done = subprocess.run([BINARY, "dead-letters", *arguments], env={**world.environment, **environment}, capture_output=True, text=True, timeout=60, cwd="/tmp")
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr[-3000:])
    if log is not None:
        log.append(done.stderr)
    return done.stdout


def listed(world, environment, *arguments):
    found = json.loads(letters(world, environment, "list", "--output", "json", *arguments))
    return found["letters"] if isinstance(found, dict) else found


@pytest.fixture(params=["directory", "topic"])
def kept(request, world, kafka, tmp_path):
    if request.param == "directory":
        return {"DEAD_LETTER_DIR": str(tmp_path / "letters")}
    kafka.create(f"{world.org}.dead")
    return {"DEAD_LETTER_TOPIC": f"{world.org}.dead"}


@pytest.mark.host
def test_what_is_given_up_is_kept_shown_and_delivered_again(world, port, kept):
    destination = free_port()
    agent = world.agent(**kept, **QUICK).assigned()
    event = run_event("r_1", f"http://user:pa55@127.0.0.1:{destination}/hook?token=hidden")
    world.produce(("a key", event), headers=[("traceparent", f"00-{TRACE}-b7ad6b7169203331-01"), ("tracestate", "a=1")])
    world.produce(run_event("r_2", f"http://127.0.0.1:{destination}/hook", synchronized=False))
    for run in ("r_1", "r_2"):
        port.wait(lambda: results_of(port, run))
        assert results_of(port, run)[0]["status"] == "FAILURE" and "(after 2 attempts)" in results_of(port, run)[0]["summary"]
    assert agent.wait_log("webhook failed", port__run_id="r_1")["level"] == "WARNING"  # it is kept: nothing is lost
    assert agent.terminate() == 0
    found = {letter["run_id"]: letter for letter in listed(world, kept)}
    assert set(found) == {"r_1", "r_2"}
    shown = letters(world, kept, "show", "--payload", found["r_1"]["id"])
    assert "r_1" in shown and "pa55" not in shown.split("payload")[0] and "X-Port-Signature" not in shown
    with back_again(destination):
        told = letters(world, kept, "replay", "--all", log=(log := []))
        assert told.count("delivered") >= 2, told
        delivered = {line["port.run_id"]: line.get("trace_id") for line in map(json.loads, log[0].splitlines()) if line["msg"] == "webhook delivered"}
        assert delivered == {"r_1": TRACE, "r_2": None}  # its record's trace goes on
        port.wait(lambda: {"status": "SUCCESS"} in results_of(port, "r_1"))
        before = len(port.calls)
        letters(world, kept, "replay", "--all")  # what was replayed is remembered
        assert len([c for c in port.calls[before:] if "/runs/" in c[1]]) == 0


@pytest.mark.parametrize("option", ["--since", "--until"])
def test_a_day_that_does_not_exist_is_no_time(tmp_path, option):
    for time_, code in ("2026-02-28", 0), ("2028-02-29T23:59:59.5Z", 0), ("2026-02-30", 64), ("2026-02-29T00:00:00Z", 64), ("2026-04-31", 64), ("tomorrow", 64):
        done = subprocess.run([BINARY, "dead-letters", "list", "--dir", str(tmp_path), option, time_], env={}, capture_output=True, text=True, timeout=120)
        assert done.returncode == code, (time_, done)
        assert code == 0 or f"'{time_}' is no time; write 2026-01-13" in done.stderr


@pytest.mark.parametrize("command", [["list"], ["show", "1"], ["replay", "--all"]])
@pytest.mark.parametrize("name", ["", "^runs", "a b", "..", "a" * 250])
def test_a_topic_that_kafka_cannot_have_is_refused(command, name):
    done = subprocess.run([BINARY, "dead-letters", *command, "--topic", name], env={}, capture_output=True, text=True, timeout=120)
    assert done.returncode == 64, done
    assert f"--topic: '{name}' is not the name of a topic" in done.stderr


def test_a_replay_that_fails_is_a_letter_again(world, port, kept):
    world.agent(**kept, **QUICK).assigned()
    world.produce(run_event("r_1", f"http://127.0.0.1:{free_port()}/"))
    port.wait(lambda: results_of(port, "r_1"))
    first = listed(world, kept)
    letters(world, kept, "replay", first[0]["id"], code=1)
    assert len(listed(world, kept)) >= 1 and len(results_of(port, "r_1")) == 2


def test_two_replays_of_a_directory_send_each_letter_once(world, port, mended, tmp_path):
    kept = {"DEAD_LETTER_DIR": str(tmp_path / "letters")}
    agent = world.agent(**kept).assigned()
    world.produce(*(run_event(f"r_{i}", mended.url) for i in range(3)))
    port.wait(lambda: all(results_of(port, f"r_{i}") for i in range(3)))
    assert agent.terminate() == 0
    before, arrived, released = len(mended.requests), threading.Event(), threading.Event()

    def answer(request):
        arrived.set()
        released.wait(60)
        return 200, {}

    mended.answer = answer
    environment = {**world.environment, **kept, "WEBHOOK_INVOKER_TIMEOUT": "100"}
    replays = []

    def replay():
        replays.append(subprocess.Popen([BINARY, "dead-letters", "replay", "--all"], env=environment, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, cwd="/tmp"))
        return Lines(replays[-1].stderr, str)

    try:
        replay()
        assert arrived.wait(30)
        heard = replay()
        heard.wait(lambda lines: any("waiting for its end" in line for line in lines), what="the second one's word")
        released.set()
        told = [process.stdout.read() for process in replays]
        assert [process.wait(60) for process in replays] == [0, 0]
    finally:
        released.set()
        for process in replays:
            process.kill()
    assert "3 delivered" in told[0] and told[1] == "no dead letters to replay\n"
    assert len(mended.requests) - before == 3


def node_results_of(port, run_id):
    return [body for method, path, body in port.of_node_run(run_id) if method == "PATCH" and path == ""]


NODE_SUCCESS = {"status": "COMPLETED", "result": "SUCCESS", "output": {"response": {"status": 200, "data": {"done": True}}}}
NODE_FAILURE = {"status": "COMPLETED", "result": "FAILED"}


@pytest.fixture
def mended():
    """An endpoint that fails until it is mended."""
    recorder = Recorder()
    recorder.answer = lambda request: (500, {})
    yield recorder
    recorder.close()


def sent_again(recorder, count):
    """What `count` requests were followed by, in pairs of the first and the second with one Idempotency-Key."""
    requests = recorder.wait(2 * count)
    assert len(requests) == 2 * count
    first, second = ({r["headers"]["idempotency-key"]: r for r in part} for part in (requests[:count], requests[count:]))
    assert first.keys() == second.keys() and len(first) == count
    return {key: (first[key], second[key]) for key in first}


def test_polled_runs_are_replayed_as_they_were_claimed(world, port, mended, tmp_path):
    polling = {"STREAMER_NAME": "POLLING", "POLLING_INTERVAL_SECONDS": "0.1", "DEAD_LETTER_DIR": str(tmp_path / "letters")}
    body = {"action": "create_vm", "context": {"entity": "e_1"}, "payload": {"properties": {"big": 12345678901234567890}}}
    port.offer(polled_run("r_1", mended.url + "/run", body=body, headers={"X-Team": "a"}, method="PUT"), polled_node_run("wfnr_1", mended.url + "/node"))
    agent = world.agent(**polling)
    port.wait(lambda: results_of(port, "r_1") and node_results_of(port, "wfnr_1"))
    assert agent.terminate() == 0
    assert results_of(port, "r_1")[0]["status"] == "FAILURE" and node_results_of(port, "wfnr_1") == [NODE_FAILURE]
    found = {letter["run_id"]: letter for letter in listed(world, polling)}
    assert set(found) == {"r_1", "wfnr_1"}
    mended.answer = lambda request: (200, {"done": True})
    told = letters(world, polling, "replay", "--all")
    assert told.count("delivered") >= 2, told
    assert results_of(port, "r_1")[1:] == [{"status": "SUCCESS"}]
    assert node_results_of(port, "wfnr_1")[1:] == [NODE_SUCCESS]
    again = sent_again(mended, 2)
    assert set(again) == {"r_1", "wfnr_1"}
    for before, after in again.values():
        assert after["body"] == before["body"] and after["method"] == before["method"] and after["target"] == before["target"]
    assert port.acked.count("r_1") == 1  # a replay claims and acknowledges nothing
    letters(world, polling, "replay", "--all")  # what was replayed is remembered
    assert len(mended.requests) == 4


def test_node_runs_of_a_topic_are_replayed(world, port, kept, mended):
    agent = world.agent(**kept).assigned()
    world.produce(("a key", run_event("wfnr_1", mended.url + "/node")))
    port.wait(lambda: node_results_of(port, "wfnr_1"))
    assert agent.terminate() == 0
    assert node_results_of(port, "wfnr_1") == [NODE_FAILURE]
    assert [letter["run_id"] for letter in listed(world, kept)] == ["wfnr_1"]
    mended.answer = lambda request: (200, {"done": True})
    letters(world, kept, "replay", "--all")
    assert node_results_of(port, "wfnr_1")[1:] == [NODE_SUCCESS]
    for key, (before, after) in sent_again(mended, 1).items():
        assert key.startswith(world.runs) and after["body"] == before["body"]


def test_letters_of_a_topic_carry_the_record_and_why(world, port, kafka):
    kafka.create(f"{world.org}.dead")
    world.agent(DEAD_LETTER_TOPIC=f"{world.org}.dead", **QUICK).assigned()
    event = run_event("r_1", f"http://user:pa55@127.0.0.1:{free_port()}/hook?token=hidden")
    world.produce(("a key", event))
    port.wait(lambda: results_of(port, "r_1"))
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "reader", "auto.offset.reset": "earliest"})
    consumer.subscribe([f"{world.org}.dead"])
    message = consumer.poll(20)
    consumer.close()
    headers = {name: value.decode() for name, value in message.headers()}
    assert message.key() == b"a key" and message.value().decode() == event
    assert headers["dead-letter.attempts"] == "2" and headers["dead-letter.topic"] == world.runs
    assert headers["dead-letter.partition"] == "0" and headers["dead-letter.offset"] == "0" and "refused" in headers["dead-letter.reason"]
    assert "pa55" not in headers["dead-letter.url"] and "hidden" not in headers["dead-letter.url"] and "/hook" in headers["dead-letter.url"]


def test_letters_of_a_topic_are_read_with_credentials_from_port(world, port, kafka):
    kafka.create(f"{world.org}.dead")
    settings = {"USING_LOCAL_PORT_INSTANCE": "false", "KAFKA_CONSUMER_BOOTSTRAP_SERVERS": "", "SSL_CERT_FILE": str(kafka.ca),
                "DEAD_LETTER_TOPIC": f"{world.org}.dead"}
    port.credentials = {"brokers": [kafka.tls_bootstrap], "username": SCRAM_USER, "password": SCRAM_PASSWORD}
    assert listed(world, settings) == []
    assert port.count("/v1/kafka-credentials") == 1
    port.token_status = 401
    done = subprocess.run([BINARY, "dead-letters", "list"], env={**world.environment, **settings}, capture_output=True, text=True, timeout=60,
                          cwd="/tmp")
    assert done.returncode == 1 and f"Kafka credentials could not be fetched from {port.url}: " in done.stderr, done.stderr


def test_a_topic_that_is_missing_is_told_at_the_start(world):
    agent = world.agent(DEAD_LETTER_TOPIC=f"{world.org}.dead", **QUICK).assigned()
    told = agent.wait_log("dead letters cannot be written now", messaging__destination__name=f"{world.org}.dead")
    assert told["level"] == "WARNING" and told["error.type"] == "UNKNOWN_TOPIC_OR_PART" and "create it, or correct DEAD_LETTER_TOPIC" in told["error.message"]
    assert agent.terminate() == 0


def test_a_topic_that_is_there_is_not_warned_of(world, port, kafka):
    kafka.create(f"{world.org}.dead")
    agent = world.agent(DEAD_LETTER_TOPIC=f"{world.org}.dead", **QUICK).assigned()
    world.produce(run_event("r_1", f"http://127.0.0.1:{free_port()}/"))
    port.wait(lambda: results_of(port, "r_1"))
    assert agent.terminate() == 0
    assert [i for i in agent.log.snapshot() if i["msg"].startswith("dead letters cannot")] == []


def test_a_letter_that_cannot_be_written_holds_its_record_back(world, port, tmp_path):
    agent = world.agent(DEAD_LETTER_DIR=str(tmp_path), DEAD_LETTER_MAX_BYTES="1MiB", **QUICK).assigned()
    event = run_event("r_1", f"http://127.0.0.1:{free_port()}/", properties={"text": "x" * 1_200_000})
    world.produce(event)
    agent.log.wait(lambda items: any("dead letter" in i["msg"] for i in items), what="a word about the letter")
    assert results_of(port, "r_1") == []
    assert agent.terminate() == 0
    world.agent(DEAD_LETTER_DIR=str(tmp_path), **QUICK).assigned()  # with room for it: the record was not passed
    port.wait(lambda: results_of(port, "r_1"))
    assert "r_1" in "".join(path.read_text() for path in pathlib.Path(tmp_path).glob("*.jsonl"))
