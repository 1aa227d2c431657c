"""The records of a run: the same seed gives the same ones, whatever happens to them."""
import collections
import random
import zlib

from harness import change_event, compact, run_event

DESTINATIONS, KEYS = 24, 200
RUNS_PARTITIONS, CHANGES_PARTITIONS = 6, 2

# What the checks must know of a record; `body_crc` is of the body that is delivered, None where nothing may be.
Record = collections.namedtuple("Record", "number kind synchronized key sequence destination body_crc")
SYNC, ASYNC, CHANGE, FOREIGN, FORGED, GARBAGE = "synchronous run", "asynchronous run", "change", "not for an agent", "forged", "garbage"
KINDS, WEIGHTS = (SYNC, ASYNC, CHANGE, FOREIGN, FORGED, GARBAGE), (42, 30, 22, 2, 2, 2)
DELIVERED = (SYNC, ASYNC, CHANGE)


def run_id(number):
    return f"c_{number}"


class Load:
    def __init__(self, seed, urls):
        self.chance = random.Random(f"load {seed}")
        self.urls = urls
        self.sequences = collections.Counter()
        self.records = []

    def next(self):
        """Makes one more record: (topic kind, key, value)."""
        chance, number = self.chance, len(self.records)
        kind = chance.choices(KINDS, WEIGHTS)[0]
        destination = chance.randrange(len(self.urls))
        key = f"k{chance.randrange(KEYS)}" if chance.random() < 0.5 else None
        delay = chance.choice((0, 0, 1, 5, 20, 50, 200))
        padding = "x" * (50000 if chance.random() < 0.005 else chance.randrange(50, 1200))
        url = f"{self.urls[destination]}/{delay}"
        context = {"number": number}
        sequence = None
        if key and kind in DELIVERED:
            lane = (kind == CHANGE, key)
            sequence = self.sequences[lane]
            self.sequences[lane] += 1
        if kind == GARBAGE:
            value = chance.choice(("", "{", "[1,2]", '{"payload":7}', "\x00\x01", '{"context":' * 50))
        elif kind == CHANGE:
            value = change_event(url, context={**context, "padding": padding})
        else:
            value = run_event(run_id(number), url, synchronized=kind == SYNC, agent=kind != FOREIGN, tampered=kind == FORGED,
                              context=context, properties={"region": "Zoë 東京 🚀", "padding": padding})
        crc = zlib.crc32(self.delivered_body(kind, value)) if kind in DELIVERED else None
        self.records.append(Record(number, kind, kind == SYNC, key, sequence, destination, crc))
        return ("changes" if kind == CHANGE else "runs"), key, value

    @staticmethod
    def delivered_body(kind, value):
        """What the endpoint gets: a run's record without its two signature members, a change as it is."""
        if kind == CHANGE:
            return value.encode()
        head, mark, _ = value.rpartition(',"headers":{')
        return (head + mark + "}}").encode()


assert compact({"é": 1}) == '{"é":1}'  # delivered_body relies on the form that the harness writes
