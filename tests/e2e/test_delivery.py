"""Deliveries that fail, wait, come too late or go to endpoints of very different quality, on a real broker."""
import subprocess
import sys
import time

import pytest

from broker import free_port
from confluent_kafka import Producer
from harness import ROOT, Receiver, run_event

QUICK = {"WEBHOOK_RETRY_INITIAL_BACKOFF": "0.05"}


def attempts_of(receiver, run_id):
    return [(seen["attempt"], seen["idempotency"], seen["valid"]) for seen in receiver.seen.snapshot() if seen["run"] == run_id]


def logs_of(port, run_id):
    return [body["message"] for _, path, body in port.of_run(run_id) if path == "/logs"]


def results_of(port, run_id):
    return [body for method, path, body in port.of_run(run_id) if method == "PATCH" and path == ""]


@pytest.mark.host
def test_what_was_not_processed_is_tried_again_and_the_run_is_told(world, port, receiver):
    world.agent(**QUICK).assigned()
    world.produce(run_event("r_429", receiver.url + "/flaky/429/2//a"), run_event("r_503", receiver.url + "/flaky/503/1/0/b"),
                  run_event("r_once", receiver.url + "/flaky/503/1//c"))
    for run in ("r_429", "r_503", "r_once"):
        port.wait(lambda: results_of(port, run))
    assert results_of(port, "r_429") == results_of(port, "r_503") == [{"status": "SUCCESS"}]
    assert results_of(port, "r_once")[0]["status"] == "FAILURE"  # a 503 that names no time may have been processed
    attempts = attempts_of(receiver, "r_429")
    assert [a[0] for a in attempts] == ["1", "2", "3"] and len({a[1] for a in attempts}) == 1 and all(a[2] for a in attempts)
    assert len(attempts_of(receiver, "r_once")) == 1
    logs = logs_of(port, "r_429")
    assert len(logs) == 4 and sum("Trying again" in line for line in logs) == 2, logs


def test_widened_retries_end_with_the_last_cause_and_the_number_of_attempts(world, port, receiver):
    agent = world.agent(**QUICK, WEBHOOK_RETRY_ON="5xx", WEBHOOK_RETRY_MAX_ATTEMPTS="3").assigned()
    world.produce(run_event("r_500", receiver.url + "/status/500", synchronized=False), run_event("r_404", receiver.url + "/status/404"))
    port.wait(lambda: results_of(port, "r_500"))
    assert "answered 500 (after 3 attempts)" in results_of(port, "r_500")[0]["summary"]
    port.wait(lambda: results_of(port, "r_404"))
    assert len(attempts_of(receiver, "r_500")) == 3 and len(attempts_of(receiver, "r_404")) == 1
    given_up = agent.wait_log("webhook failed", port__run_id="r_500")
    assert given_up["level"] == "ERROR" and given_up["http.request.resend_count"] == 2  # nothing keeps it: no dead letters are configured


def test_none_turns_retries_off(world, port, receiver):
    world.agent(**QUICK, WEBHOOK_RETRY_ON="none").assigned()
    world.produce(run_event("r_refused", f"http://127.0.0.1:{free_port()}/"), run_event("r_429", receiver.url + "/status/429/0"))
    for run in ("r_refused", "r_429"):
        port.wait(lambda: results_of(port, run))
        assert "attempts" not in results_of(port, run)[0]["summary"]
    assert len(attempts_of(receiver, "r_429")) == 1


def test_a_waiting_retry_holds_back_its_own_key_alone(world, port, receiver):
    world.agent(**QUICK).assigned()
    world.produce(("a", run_event("r_1", receiver.url + "/flaky/503/1/3/k")), ("a", run_event("r_2", receiver.url + "/ok")),
                  ("b", run_event("r_3", receiver.url + "/ok")), run_event("r_4", receiver.url + "/ok"))
    receiver.wait_runs(["r_3", "r_4"])
    assert receiver.runs().count("r_1") == 1 and "r_2" not in receiver.runs()
    receiver.wait_runs(["r_2"])
    assert receiver.runs().index("r_2") > len(receiver.runs()) - 1 - receiver.runs()[::-1].index("r_1")


@pytest.mark.host
def test_an_outage_delays_and_loses_nothing(world, port, receiver):
    """The breaker holds back what comes during it; its probes find out that it is over."""
    destination = free_port()
    agent = world.agent().assigned()
    runs = [f"r_{i}" for i in range(40)]
    world.produce(*[run_event(run, f"http://127.0.0.1:{destination}/ok") for run in runs], run_event("r_other", receiver.url + "/ok"))
    agent.wait_log("circuit open")
    port.wait(lambda: results_of(port, "r_other"))
    late = subprocess.Popen([sys.executable, str(ROOT / "tests/e2e/late_receiver.py"), str(destination)])
    try:
        agent.wait_log("circuit closed")
        for run in runs:
            port.wait(lambda: results_of(port, run))
        assert all(results_of(port, run) == [{"status": "SUCCESS"}] for run in runs)
    finally:
        late.kill()
        late.wait()


def test_events_that_are_too_old_are_not_delivered(world, port, receiver):
    agent = world.agent(EVENT_MAX_AGE_SECONDS="60").assigned()
    producer = Producer({"bootstrap.servers": world.kafka.bootstrap})
    producer.produce(world.runs, run_event("r_old", receiver.url + "/ok"), timestamp=int((time.time() - 120) * 1000))
    producer.produce(world.runs, run_event("r_new", receiver.url + "/ok"), timestamp=int((time.time() - 20) * 1000))
    assert producer.flush(10) == 0
    port.wait(lambda: results_of(port, "r_old") and results_of(port, "r_new"))
    assert results_of(port, "r_old")[0]["status"] == "FAILURE" and "older than EVENT_MAX_AGE_SECONDS" in results_of(port, "r_old")[0]["summary"]
    assert receiver.runs() == ["r_new"]
    assert 20 <= agent.wait_log("webhook delivered", port__run_id="r_new")["event.age"] < 60


def test_a_destinations_own_bound_is_kept(world, port, receiver):
    world.agent(WEBHOOK_MAX_IN_FLIGHT_PER_DESTINATION="1").assigned()
    world.produce(*[run_event(f"r_{i}", receiver.url + "/delay/400") for i in range(4)])
    started = time.monotonic()
    for i in range(4):
        port.wait(lambda: results_of(port, f"r_{i}"))
    assert time.monotonic() - started >= 1.2  # one after another: what is measured is a bound, not a speed


def test_destinations_that_never_answer_leave_the_others_alone(world, port):
    """Thirty silent ones and a window of 64: every good delivery is answered while all the silent ones still hang."""
    receivers = [Receiver(sys.executable, str(ROOT / "tests/receivers/receiver.py")) for _ in range(3)]
    silent = subprocess.Popen([sys.executable, str(ROOT / "tests/e2e/silent.py"), "30"], stdout=subprocess.PIPE, text=True)
    try:
        ports = silent.stdout.readline().split()
        agent = world.agent(WEBHOOK_MAX_IN_FLIGHT="64", WEBHOOK_INVOKER_TIMEOUT="60").assigned()
        bad = [run_event(f"r_bad{n}_{i}", f"http://127.0.0.1:{p}/") for i in range(10) for n, p in enumerate(ports)]
        good = [run_event(f"r_good{i}", receivers[i % 3].url + "/delay/20") for i in range(300)]
        mixed = [event for pair in zip(bad, good) for event in pair]
        world.produce(*mixed)
        for i in range(300):
            port.wait(lambda: results_of(port, f"r_good{i}"))
        assert not [i for i in agent.log.snapshot() if i["msg"] == "webhook failed"]
    finally:
        silent.kill()
        silent.wait()
        for one in receivers:
            one.close()
