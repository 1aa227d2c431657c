"""The judge of a chaos run must be able to find it guilty: one broken promise at a time."""
import pytest

from load import ASYNC, CHANGE, FORGED, SYNC, Load, Record
from schedule import schedule
from verdict import Disruption, Receipt, Result, Verdict

CRC = 7


def record(number, kind=SYNC, key=None, sequence=None):
    return Record(number, kind, kind == SYNC, key, sequence, 0, CRC if kind != FORGED else None)


def receipt(number, at, verdict="success", valid=True, crc=CRC, key=None):
    return Receipt(number, 1, valid, crc, key or f"t-0-{number}", at, verdict, at + 0.1)


def judge(records, receipts, results=(), disruptions=(), letters=None):
    return Verdict(records, receipts, results, disruptions, 4, 20, letters)


def only_violation(verdict):
    assert len(verdict.violations) == 1, verdict.violations
    return verdict.violations[0]


def test_what_was_delivered_and_reported_is_clean():
    verdict = judge([record(0), record(1, ASYNC), record(2, CHANGE), record(3, FORGED)], [receipt(0, 10), receipt(1, 10), receipt(2, 10)],
                    [Result(0, "SUCCESS", 10.2)])
    assert verdict.violations == [] and verdict.counts["lost"] == 0 and verdict.counts["webhooks"] == 3


@pytest.mark.parametrize("kind", [SYNC, ASYNC, CHANGE])
def test_a_record_that_never_arrived_is_lost(kind):
    verdict = judge([record(0, kind)], [])
    assert "LOST" in only_violation(verdict) and verdict.counts["lost"] == 1


def test_a_result_that_port_never_accepted_is_missed():
    assert "no result was accepted" in only_violation(judge([record(0)], [receipt(0, 10)]))


def test_a_failure_that_no_endpoint_answered_is_a_lie():
    assert "though no endpoint failed" in only_violation(judge([record(0)], [receipt(0, 10)], [Result(0, "FAILURE", 10.2)]))


def test_a_success_that_no_endpoint_answered_is_a_lie():
    assert "reported SUCCESS" in only_violation(judge([record(0)], [receipt(0, 10, "failure")], [Result(0, "SUCCESS", 10.2)]))


def test_a_forged_record_must_not_arrive():
    assert "nobody asked" in only_violation(judge([record(0, FORGED)], [receipt(0, 10)]))


@pytest.mark.parametrize("wrong", [{"valid": False}, {"crc": 8}])
def test_signature_and_body_are_checked(wrong):
    assert "wrong signature or body" in only_violation(judge([record(0, ASYNC)], [receipt(0, 10, **wrong)]))


def test_order_within_a_key():
    records = [record(0, ASYNC, "k", 0), record(1, ASYNC, "k", 1)]
    assert "out of order" in only_violation(judge(records, [receipt(1, 10), receipt(0, 11)]))
    assert judge(records, [receipt(0, 10), receipt(1, 11)]).violations == []


def test_what_was_given_up_may_come_later_when_its_agent_died_before_its_letter_was_written():
    records, receipts = [record(0, CHANGE, "k", 0), record(1, CHANGE, "k", 1)], [receipt(1, 10), receipt(0, 20)]
    resets, full = Disruption("endpoint resets connections", 9, 11, 0), Disruption("dead-letter disk full", 9.5, 12, None)
    killed = Disruption("agent kill -9", 12.5, 12.5, 0)
    assert judge(records, receipts, disruptions=[resets, full, killed], letters=[]).violations == []
    for missing in (resets, full, killed):
        struck = [one for one in (resets, full, killed) if one != missing]
        assert "out of order" in only_violation(judge(records, receipts, disruptions=struck, letters=[]))


def test_a_repeat_needs_a_cause_and_keeps_to_the_bound():
    twice = [receipt(0, 10), receipt(0, 20)]
    assert "beyond the bound" in only_violation(judge([record(0, ASYNC)], twice))
    early, late = Disruption("agent kill -9", 10.2, 10.2, 0), Disruption("agent kill -9", 12, 12, 0)
    assert judge([record(0, ASYNC)], twice, disruptions=[early]).violations == []
    assert "beyond the bound" in only_violation(judge([record(0, ASYNC)], twice, disruptions=[late]))
    outage = Disruption("broker kill -9", 10, 11, None)
    assert judge([record(0, ASYNC)], twice, disruptions=[outage, late]).violations == []


def test_what_failed_is_done_when_its_dead_letter_is_written():
    twice = [receipt(0, 10, "failure"), receipt(0, 20, "failure")]
    full, frozen = Disruption("dead-letter disk full", 9, 11.8, None), Disruption("broker frozen", 12.2, 17, None)
    assert judge([record(0, CHANGE)], twice, disruptions=[full, frozen], letters=[0, 0]).violations == []
    assert "beyond the bound" in only_violation(judge([record(0, CHANGE)], twice, disruptions=[frozen], letters=[0, 0]))
    late = Disruption("agent kill -9", 30, 30, 0)
    assert "beyond the bound" in only_violation(judge([record(0, CHANGE)], twice[:1] + [receipt(0, 31, "failure")], disruptions=[full, late], letters=[0, 0]))


def test_a_result_that_waits_for_port_may_come_again():
    verdict = judge([record(0)], [receipt(0, 10), receipt(0, 20)], [Result(0, "SUCCESS", 20.2)], [Disruption("agent kill -9", 15, 15, 0)])
    assert verdict.violations == [] and verdict.counts["repeated"] == 1


def test_sigterm_repeats_nothing_that_could_be_drained():
    stopped = Disruption("agent SIGTERM", 10.05, 10.3, 0)
    assert "beyond the bound" in only_violation(judge([record(0, ASYNC)], [receipt(0, 10), receipt(0, 20)], disruptions=[stopped]))


def test_what_is_given_up_has_a_dead_letter():
    failed = [receipt(0, 10, "failure")]
    assert "without a dead letter" in only_violation(judge([record(0, CHANGE)], failed, letters=[]))
    assert judge([record(0, CHANGE)], failed, letters=[0]).violations == []
    assert "buried, though no endpoint failed" in only_violation(judge([record(0, CHANGE)], [receipt(0, 10)], letters=[0]))


def test_a_seed_gives_the_same_faults_and_the_same_records():
    assert schedule(5, 60, 24) == schedule(5, 60, 24) != schedule(6, 60, 24)
    first, second = Load(5, ["http://a"] * 24), Load(5, ["http://a"] * 24)
    assert [first.next() for _ in range(200)] == [second.next() for _ in range(200)]
