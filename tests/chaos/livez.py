"""Does /livez say that an agent is alive for as long as it is? Each agent is asked over and over while faults strike, and judged afterwards.

* An agent that lives has to answer /livez with 200, whatever strikes, within ANSWER_SECONDS. So does one that drains after SIGTERM.
* What does not count is no answer from a process that has just been started, that the run itself has killed, or that is about to exit.
* A process that SIGSTOP holds cannot answer. The time for which it was held is taken off, so that it answers right after SIGCONT or is guilty.
* /readyz may say 503, but never without a reason."""
import collections
import http.client
import json
import threading
import time

from schedule import AGENT
from verdict import FREEZES

PAUSE_SECONDS = 0.25
READYZ_EVERY = 4          # questions about /livez
START_SECONDS = 20        # until the first answer
ANSWER_SECONDS = 10       # LIVENESS_STALL_SECONDS is 30: whoever needs a third of it is stuck, and not on a busy machine
CLOSING_SECONDS = 4       # before its exit an agent that was asked to go may have stopped listening
LONGEST_FREEZE = max(AGENT[kind][1] for kind in FREEZES)

# `status` is None where there was no answer; `text` says why, or is the answer.
Ask = collections.namedtuple("Ask", "life path begin end status text")


class Life:
    """One process of a place, from its start to its end."""

    def __init__(self, number):
        self.number, self.started = number, time.monotonic()
        self.killed_at = self.stopping_at = self.ended_at = None


def ask(life, address, path, timeout):
    begin, status = time.monotonic(), None
    connection = http.client.HTTPConnection(address, timeout=timeout)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        status, text = answer.status, answer.read().decode("utf-8", "replace").strip()
    except (OSError, http.client.HTTPException) as error:
        status, text = None, repr(error)
    finally:
        connection.close()
    return Ask(life, path, begin, time.monotonic(), status, text)


class Watch:
    """Asks the agents of these places, which have `life` (None: nobody is there) and `address`, each in a thread of its own, and waits
    `patience` seconds for an answer."""

    def __init__(self, places, patience=ANSWER_SECONDS + LONGEST_FREEZE + 1):
        self.asks, self.over, self.patience = [], threading.Event(), patience
        self.threads = [threading.Thread(target=self.work, args=(place,), daemon=True) for place in places]
        for thread in self.threads:
            thread.start()

    def work(self, place):
        turn = 0
        while not self.over.wait(PAUSE_SECONDS):
            life = place.life
            if life:
                self.asks.append(ask(life, place.address, "/livez", self.patience))
                if turn % READYZ_EVERY == 0:
                    self.asks.append(ask(life, place.address, "/readyz", self.patience))
                turn += 1

    def close(self):
        self.over.set()
        for thread in self.threads:
            thread.join()


class LivezVerdict:
    """Pure: what was asked, and what had struck, to a list of violations."""

    def __init__(self, asks, disruptions):
        self.disruptions = sorted(disruptions, key=lambda d: d.begin)
        self.violations, self.counts, self.longest = [], collections.Counter(), 0
        lives = collections.defaultdict(list)
        for one in sorted(asks, key=lambda one: one.begin):
            lives[one.life].append(one)
        for of_life in lives.values():
            self.check_life(of_life)

    def check_life(self, asks):
        up, before, row = False, None, 0
        for one in asks:
            self.counts[one.path] += 1
            trouble = self.trouble(one, up)
            up |= one.path == "/livez" and one.status == 200
            self.counts["unready"] += one.path == "/readyz" and one.status == 503
            self.counts["troubles"] += trouble is not None
            if one.path == "/livez":  # what goes on and on is told once
                row = row + 1 if trouble else 0
            if trouble and (one.path != "/livez" or row == 1):
                self.violations.append(f"agent {one.life.number}, {one.begin - one.life.started:.1f} s after its start: {one.path} {trouble}; "
                                       + self.struck(one))

    def trouble(self, one, up):
        waited = one.end - one.begin - self.frozen(one)
        if one.status is None:
            return None if one.path == "/readyz" or self.excused(one, up) else f"got no answer within {waited:.1f} s: {one.text}"
        if one.path == "/readyz":
            return None if one.status == 200 or one.status == 503 and has_reasons(one.text) else f"said {one.status} without a reason: {one.text}"
        self.longest = max(self.longest, waited)
        if one.status != 200:
            return f"said {one.status}: {one.text}"
        return f"answered after {waited:.1f} s" if waited > ANSWER_SECONDS else None

    def frozen(self, one):
        """For how many of its seconds the process was held."""
        return sum(max(0, min(one.end, d.end) - max(one.begin, d.begin)) for d in self.disruptions
                   if d.kind in FREEZES and d.target == one.life.number)

    @staticmethod
    def excused(one, up):
        life = one.life
        return (not up and one.end <= life.started + START_SECONDS or life.killed_at is not None and life.killed_at <= one.end
                or life.stopping_at is not None and life.stopping_at <= one.end
                and life.ended_at is not None and life.ended_at - one.begin <= CLOSING_SECONDS)

    def struck(self, one):
        """The faults that were under way; without any, the last one."""
        named = lambda d: d.kind + ("" if d.target is None else f" ({d.target})")
        under_way = [named(d) for d in self.disruptions if d.begin <= one.end and d.end >= one.begin]
        before = [d for d in self.disruptions if d.end < one.begin]
        if under_way or not before:
            return f"under way: {', '.join(under_way) or 'no fault'}"
        last = max(before, key=lambda d: d.end)
        return f"no fault was under way, the last one was {named(last)}, {one.begin - last.end:.1f} s before"


def has_reasons(text):
    try:
        return bool(json.loads(text)["reasons"])
    except (ValueError, KeyError, TypeError):
        return False
