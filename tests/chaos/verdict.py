"""Was every promise kept? Pure: what was produced, what arrived, what Port accepted and which faults struck, to a list of violations.

* Delivered: each record for an agent reached its endpoint whole, signed, byte for byte; or was given up after failing, and then there is a
  FAILURE at Port (runs) and a dead letter (where they are configured). Nothing else reached an endpoint.
* Reported: every run that needs a result has one that Port accepted, and every accepted result is what an endpoint answered.
* Order: the records of a key arrived for the first time in their order.
* Repeats: a record that came again after its answer was either not done when something struck (in flight, or its result still waiting for
  Port), or done less than 250 ms before a kill, or done while commits were not accepted."""
import bisect
import collections
import math

from load import CHANGE, DELIVERED, run_id

COMMIT_SECONDS = 0.25
SLACK_SECONDS = 0.2   # between what happens in the agent and when this side sees it
SETTLING_SECONDS = 10  # for a broker that comes back to accept commits again
LETTER_SECONDS = 11  # the longest wait before a dead letter is tried again, and a little
DISK_FULL = "dead-letter disk full"
REBALANCE_SECONDS = 20  # from a member's death until its last record may be cancelled somewhere else
DECIDED, UNDECIDED = ("success", "failure", "either"), ("retry", "broken")

Receipt = collections.namedtuple("Receipt", "number attempt valid body_crc key received_at verdict answered_at")
Result = collections.namedtuple("Result", "number status at")
Disruption = collections.namedtuple("Disruption", "kind begin end target")

KILLS = ("agent kill -9", "agent joins and is killed")
FREEZES = ("agent frozen", "agent frozen past its session")
BROKER = ("broker", "Kafka")
UNREACHABLE = ("endpoint refuses connections", "endpoint resets connections")  # nothing may have arrived at all
MEMBERSHIP = KILLS + ("agent SIGTERM", "agent joins and leaves", "agent frozen past its session")


class Verdict:
    def __init__(self, records, receipts, results, disruptions, drain_seconds, give_up_seconds, dead_letters=None):
        """`give_up_seconds`: how long a delivery may be tried again. `dead_letters`: the number of each letter's record; None: they are not
        configured."""
        self.records, self.drain_seconds, self.give_up_seconds = records, drain_seconds, give_up_seconds
        self.buries, self.dead_letters = dead_letters is not None, collections.Counter(dead_letters or ())
        self.receipts, self.results = collections.defaultdict(list), collections.defaultdict(list)
        for receipt in receipts:
            self.receipts[receipt.number].append(receipt)
        for result in results:
            self.results[result.number].append(result)
        self.disruptions = sorted(disruptions, key=lambda d: d.begin)
        self.begins = [d.begin for d in self.disruptions]
        self.violations, self.counts, self.repeats_by_cause = [], collections.Counter(), collections.Counter()
        for record in records:
            self.check_record(record)
        self.check_order()

    def violation(self, record, text):
        if len(self.violations) < 1000:
            receipts = [(round(r.received_at, 3), r.verdict, r.key, r.attempt) for r in self.receipts[record.number]]
            results = [(r.status, round(r.at, 3)) for r in self.results[record.number]]
            self.violations.append(f"{run_id(record.number)} ({record.kind}, key {record.key}, destination {record.destination}): {text}; "
                                   f"received {receipts}; accepted by Port {results}")
        self.counts["violations"] += 1

    def during(self, kinds, begin, end, target=None):
        """Is a disruption of these kinds (None: any of agents or broker) under way between `begin` and `end`?"""
        until = bisect.bisect_right(self.begins, end)
        return any(d.end >= begin and (kinds is None and not d.kind.startswith(("endpoint", "Port", "dead")) or kinds and d.kind in kinds)
                   and (target is None or d.target == target) for d in self.disruptions[:until])

    def endpoint_trouble(self, record, until):
        return any(d.kind.startswith("endpoint") and d.target == record.destination and d.begin <= until for d in self.disruptions)

    # Delivered and reported

    def check_record(self, record):
        receipts, results = self.receipts[record.number], self.results[record.number]
        if record.kind not in DELIVERED:
            if receipts or results:
                self.violation(record, "delivered or reported, though nobody asked for it")
            if record.number in self.dead_letters:
                self.violation(record, "buried, though nobody asked for its delivery")
            self.counts["refused or skipped"] += 1
            return
        self.counts["webhooks"] += len(receipts)
        for receipt in receipts:
            if not receipt.valid or receipt.body_crc != record.body_crc:
                self.violation(record, "arrived with a wrong signature or body")
        verdicts = {receipt.verdict for receipt in receipts}
        if record.kind == CHANGE:
            self.check_change(record, receipts, verdicts)
        else:
            self.check_run(record, receipts, results, verdicts)
        if record.number in self.dead_letters and not self.may_have_failed(record, receipts, math.inf):
            self.violation(record, "buried, though no endpoint failed")
        self.check_repeats(record, receipts, results)

    def may_have_failed(self, record, receipts, until):
        """Did an endpoint fail it, or could none be reached, or was the agent frozen for longer than it waits?"""
        return (any(receipt.verdict in ("failure", "either", *UNDECIDED) for receipt in receipts) or self.endpoint_trouble(record, until)
                or any(self.during(FREEZES, r.received_at - 1, (r.answered_at or math.inf) + 1) for r in receipts))

    def given_up(self, record):
        self.counts["given up after failing"] += 1
        if self.buries and record.number not in self.dead_letters:
            self.violation(record, "given up without a dead letter")

    def lost(self, record, text):
        self.counts["lost"] += 1
        self.violation(record, "LOST: " + text)

    def check_change(self, record, receipts, verdicts):
        if verdicts & {"success", "either"}:
            return
        if "failure" in verdicts or verdicts & set(UNDECIDED):
            self.given_up(record)
        elif record.number in self.dead_letters or not self.buries and self.endpoint_trouble(record, math.inf):
            self.given_up(record)
        else:
            self.lost(record, "never delivered")

    def check_run(self, record, receipts, results, verdicts):
        succeeded = bool(verdicts & {"success", "either"})
        statuses = {result.status for result in results}
        if not statuses and not (succeeded and not record.synchronized):
            if receipts and verdicts & set(DECIDED):
                self.counts["lost"] += 1
                self.violation(record, "delivered, but no result was accepted by Port")
            else:
                self.lost(record, "neither delivered nor reported")
        if "FAILURE" in statuses and not succeeded:
            self.given_up(record)
        for result in results:
            self.check_result(record, receipts, result, verdicts)

    def check_result(self, record, receipts, result, verdicts):
        if result.status == "SUCCESS":
            if not (record.synchronized and verdicts & {"success", "either"}):
                self.violation(record, "reported SUCCESS, which no endpoint answered")
        elif verdicts & {"failure", "either", *UNDECIDED} or (not receipts and self.endpoint_trouble(record, result.at)):
            self.counts["failures reported"] += 1
        elif any(self.during(FREEZES, r.received_at - 1, (r.answered_at or math.inf) + 1) for r in receipts):
            self.counts["failures reported because the agent was frozen"] += 1
        elif self.endpoint_trouble(record, result.at):
            self.counts["failures reported"] += 1
        else:
            self.violation(record, "reported FAILURE, though no endpoint failed")

    # Repeats

    def check_repeats(self, record, receipts, results):
        for earlier, later in zip(receipts, receipts[1:]):
            if earlier.key != later.key:
                self.violation(record, "arrived under two idempotency keys")
            elif earlier.verdict in UNDECIDED:
                self.counts["attempts again after a broken or refused one"] += 1
            else:
                self.counts["repeated"] += 1
                self.explain_repeat(record, earlier, later, results)

    def explain_repeat(self, record, earlier, later, results):
        done_at = self.done_at(record, earlier, later, results)
        if done_at == math.inf:
            if self.during(None, earlier.received_at - REBALANCE_SECONDS, later.received_at):
                self.repeats_by_cause["not done yet when it struck"] += 1
            else:
                self.violation(record, "repeated, though nothing had struck")
            return
        latest = self.letter_written_by(earlier, done_at)
        for disruption in self.disruptions[:bisect.bisect_right(self.begins, later.received_at)]:
            if any(self.explains(disruption, at) for at in {done_at, min(max(done_at, disruption.begin), latest)}):
                self.repeats_by_cause[f"done, not committed yet: {disruption.kind}"] += 1
                return
        self.violation(record, f"repeated beyond the bound: it was done at {done_at:.3f}")

    def done_at(self, record, receipt, later, results):
        """When a delivery was done: answered, and its result accepted. Infinite: not before it came again."""
        if receipt.verdict not in DECIDED or receipt.answered_at is None:
            return math.inf
        needs_result = record.kind != CHANGE and (record.synchronized or receipt.verdict != "success")
        if not needs_result:
            return receipt.answered_at
        return next((r.at for r in results if receipt.received_at <= r.at <= later.received_at), math.inf)

    def letter_written_by(self, receipt, answered_at):
        """What failed is done when its dead letter is written, which a full disk delays: the latest that may have been."""
        if receipt.verdict != "failure" or not self.buries:
            return answered_at
        return max((d.end + LETTER_SECONDS for d in self.disruptions if d.kind == DISK_FULL and d.begin - SLACK_SECONDS <= answered_at <= d.end),
                   default=answered_at)

    def explains(self, disruption, done_at):
        """May what was done at `done_at` be forgotten because of it?"""
        if disruption.kind in KILLS:
            return done_at <= disruption.begin + SLACK_SECONDS and self.not_committed(done_at, disruption.begin, disruption.target)
        if disruption.kind == "agent frozen past its session" or disruption.kind.startswith(BROKER):
            return done_at <= disruption.end + SETTLING_SECONDS and self.not_committed(done_at, disruption.begin, None)
        if disruption.kind in MEMBERSHIP:  # drained, unless that took too long
            return disruption.begin + self.drain_seconds - SLACK_SECONDS <= done_at <= disruption.end + SLACK_SECONDS
        return False

    def not_committed(self, done_at, until, agent):
        """Could nothing be committed from when the record was done on? Either that was a short time, or the broker was away or coming
        back, or the agent (None: any) frozen."""
        at = done_at
        while at < until - COMMIT_SECONDS - SLACK_SECONDS:
            ends = [d.end + (SETTLING_SECONDS if d.kind.startswith(BROKER) else COMMIT_SECONDS) for d in self.disruptions
                    if (d.kind.startswith(BROKER) or d.kind in FREEZES and agent in (None, d.target))
                    and d.begin - COMMIT_SECONDS - SLACK_SECONDS <= at]
            if max(ends, default=at) <= at:
                return False
            at = max(ends)
        return True

    # Order

    def check_order(self):
        lanes = collections.defaultdict(list)
        for record in self.records:
            if record.kind in DELIVERED and record.key and self.receipts[record.number]:
                lanes[record.kind == CHANGE, record.key].append(record)
        for lane in lanes.values():
            latest, earlier = -math.inf, None
            for record in sorted(lane, key=lambda r: r.sequence):
                first = self.receipts[record.number][0].received_at
                if first < latest:
                    self.check_inversion(record, earlier, first, latest)
                else:
                    latest, earlier = first, record
        self.counts["keys"] = len(lanes)

    def check_inversion(self, record, earlier, first, latest):
        """`earlier` should have come before `record`, which came at `first`, and came at `latest`."""
        struck = self.during(KILLS + FREEZES, first - REBALANCE_SECONDS, latest) or self.during_broker(first, latest)
        out_of_reach = any(d.kind in UNREACHABLE and d.target == earlier.destination and d.begin <= first and d.end >= first - self.give_up_seconds
                           for d in self.disruptions)
        # Its letter may never have been written: those behind it do not wait for that, and a disk that is full held it up.
        held_up = self.during((DISK_FULL,), first - self.give_up_seconds, latest)
        failed_before = earlier.number in self.dead_letters or out_of_reach and (held_up or not self.buries)
        if struck and failed_before:
            self.counts["given up out of reach, then repeated and delivered"] += 1
        else:
            self.violation(record, f"out of order: {run_id(earlier.number)}, before it in its key, came {latest - first:.3f} s later")

    def during_broker(self, begin, end):
        return any(d.kind.startswith(BROKER) and d.begin <= end and d.end + SETTLING_SECONDS >= begin for d in self.disruptions)
