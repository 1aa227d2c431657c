"""Which fault strikes when: a pure function of the seed and the length of the run."""
import collections
import random

# From `at` to `at + lasting` seconds; `target` is an agent's or a destination's number, or None.
Fault = collections.namedtuple("Fault", "at lasting kind target")

AGENTS = 3
SESSION_SECONDS = 6

# kind: (shortest, longest) duration in seconds. For kills: until the restart.
AGENT = {"agent kill -9": (0.2, 2.5), "agent SIGTERM": (0.2, 2), "agent frozen": (0.5, 3),
         "agent frozen past its session": (SESSION_SECONDS + 2, SESSION_SECONDS + 4), "clock stepped": (1, 4)}
GUEST = {"agent joins and leaves": (2, 6), "agent joins and is killed": (2, 6)}
BROKER = {"broker kill -9": (0.5, 2), "broker SIGTERM": (0.5, 2), "broker frozen": (2, 7), "Kafka connections reset": (0, 0),
          "Kafka connections stalled": (1, 8)}
ENDPOINT = {"endpoint answers 5xx": (1, 4), "endpoint answers 429": (1, 4), "endpoint answers 429 with Retry-After": (1, 4),
            "endpoint answers 503 with Retry-After": (1, 4), "endpoint resets connections": (1, 4), "endpoint never answers": (1, 5),
            "endpoint truncates answers": (1, 4), "endpoint answers without end": (1, 4), "endpoint is slow": (1, 4),
            "endpoint refuses connections": (1, 4)}
PORT = {"Port answers 5xx": (1, 5), "Port answers 429": (1, 4), "Port's tokens expire": (0, 0), "Port stalls": (1, 5),
        "Port's connections reset": (0, 0)}
DISK = {"dead-letter disk full": (2, 6)}

# Seconds between the beginnings of two faults of a group, and how many targets it has.
GROUPS = [(AGENT, (2.5, 5), AGENTS), (GUEST, (9, 15), None), (BROKER, (11, 18), None), (ENDPOINT, (0.5, 1.5), "destinations"),
          (PORT, (4, 8), None), (DISK, (15, 25), None)]


def group_faults(chance, kinds, pause, targets, seconds):
    """Kinds come from a shuffled deck, so that each strikes as often as the others; a target has one fault at a time. In a short run the
    pauses are shorter where the whole deck would have no space else: every kind strikes at least once."""
    pause = tuple(min(one, (seconds - 2) / len(kinds)) for one in pause)
    deck, busy_until, at = [], collections.defaultdict(float), chance.uniform(2, 2 + pause[0])
    while at < seconds:
        deck = deck or chance.sample(sorted(kinds), len(kinds))
        free = [t for t in (range(targets) if targets else [None]) if busy_until[t] <= at]
        if free:
            kind, target = deck.pop(), chance.choice(free)
            lasting = chance.uniform(*kinds[kind])
            yield Fault(round(at, 2), round(lasting, 2), kind, target)
            busy_until[target] = at + lasting + 1.5
        at += chance.uniform(*pause)


def schedule(seed, seconds, destinations):
    chance, faults = random.Random(f"faults {seed}"), []
    for kinds, pause, targets in GROUPS:
        count = destinations if targets == "destinations" else targets
        faults += group_faults(chance, kinds, pause, count, seconds)
    return sorted(faults)
