"""Whoever asks agents whether they live must be able to find them guilty: of a wrong answer, of silence, and of nothing else."""
import os
import signal

import pytest

from agents import Place
from harness import SECRET, wait_until
from livez import ANSWER_SECONDS, CLOSING_SECONDS, START_SECONDS, Ask, Life, LivezVerdict, Watch
from schedule import GROUPS, schedule
from verdict import Disruption

EVERY_KIND = {kind for kinds, _, _ in GROUPS for kind in kinds}
FULL, RESET = Disruption("dead-letter disk full", 5, 6, None), Disruption("Kafka connections reset", 11, 12, None)


def life(**times):
    one = Life(0)
    one.started = 0
    vars(one).update(times)
    return one


def answer(of, at, status=200, took=0.01, path="/livez", text="alive"):
    return Ask(of, path, at, at + took, status, text)


def silence(of, at, took=0.01):
    return Ask(of, "/livez", at, at + took, None, "refused")


def violations(asks, *disruptions):
    return LivezVerdict(asks, disruptions).violations


def test_an_agent_that_answers_is_innocent():
    one = life()
    asks = [silence(one, 0.1), answer(one, 1), answer(one, 1, 503, path="/readyz", text='{"ready":false,"reasons":["it drains"]}')]
    verdict = LivezVerdict(asks, [])
    assert verdict.violations == [] and verdict.counts["/livez"] == 2 and verdict.counts["unready"] == 1


def test_another_answer_is_a_violation_told_once_with_the_fault_that_ran():
    one = life()
    [told] = violations([answer(one, 1), answer(one, 11.5, 503, text="gone"), answer(one, 12, 503, text="gone"), answer(one, 13)], FULL, RESET)
    assert "11.5 s after its start: /livez said 503: gone; under way: Kafka connections reset" in told
    [told] = violations([answer(one, 8, 503)], FULL, RESET)
    assert "no fault was under way, the last one was dead-letter disk full, 2.0 s before" in told
    assert len(violations([answer(one, at, 200 + at % 2) for at in range(1, 5)])) == 2


def test_silence_is_a_violation_unless_the_process_starts_or_ends():
    one = life()
    assert "got no answer within 0.0 s: refused; under way: no fault" in violations([answer(one, 1), silence(one, 2)])[0]
    assert "got no answer" in violations([silence(one, 1), silence(one, START_SECONDS)])[0]
    killed = life(killed_at=5, ended_at=5)
    assert violations([answer(killed, 4), silence(killed, 4.9, 0.2)]) == []
    assert len(violations([answer(killed, 4), silence(killed, 4.5)])) == 1
    stopped = life(stopping_at=5, ended_at=20)
    assert violations([answer(stopped, 4), silence(stopped, 20 - CLOSING_SECONDS)]) == []
    assert len(violations([answer(stopped, 4), silence(stopped, 19 - CLOSING_SECONDS)])) == 1
    assert len(violations([answer(stopped, 4), answer(stopped, 19, 503)])) == 1


def test_the_time_for_which_it_was_held_does_not_count():
    one, held = life(), Disruption("agent frozen past its session", 2, 12, 0)
    late = answer(one, 1.5, took=10.5 + ANSWER_SECONDS - 1)
    assert violations([late], held) == []
    assert "answered after 19.5 s" in violations([late])[0]
    assert len(violations([late], held._replace(target=1))) == 1


@pytest.mark.parametrize("text", ["", "{}", '{"ready":false,"reasons":[]}'])
def test_not_to_be_ready_needs_a_reason(text):
    one = life()
    assert "/readyz said 503 without a reason" in violations([answer(one, 1), answer(one, 2, 503, path="/readyz", text=text)])[0]
    assert len(violations([answer(one, 1), answer(one, 2, 404, path="/readyz")])) == 1


def test_an_agent_that_is_stuck_is_found_and_one_that_has_nobody_to_talk_to_is_not(tmp_path):
    place = Place(0, {"PORT_ORG_ID": "org_livez", "PORT_CLIENT_ID": "client", "PORT_CLIENT_SECRET": SECRET, "PORT_API_BASE_URL": "http://127.0.0.1:1",
                      "USING_LOCAL_PORT_INSTANCE": "true", "KAFKA_CONSUMER_BOOTSTRAP_SERVERS": "127.0.0.1:1",
                      "KAFKA_CONSUMER_GROUP_ID": "livez", "LOG_FORMAT": "json", "STATUS_SOCKET": str(tmp_path / "agent.sock")}, tmp_path)
    watch = Watch([place], patience=1)
    place.start()
    answers = lambda: [one.status for one in watch.asks if one.status]
    try:
        wait_until(lambda: len(answers()) > 6, place.log.read_text)
        assert violations(watch.asks) == [] and set(answers()) == {200, 503}  # alive, and not ready
        os.kill(place.process.pid, signal.SIGSTOP)
        silent = lambda: watch.asks[-1].status is None and watch.asks[-1].path == "/livez"
        wait_until(silent, "it answers though it is held")
        watch.close()
    finally:
        place.kill()
    assert "got no answer within 1.0 s" in violations(watch.asks)[0]


@pytest.mark.parametrize("seconds", [60, 90])
def test_every_kind_of_fault_strikes_in_every_run(seconds):
    for seed in range(100):
        assert {fault.kind for fault in schedule(seed, seconds, 24)} == EVERY_KIND, seed
