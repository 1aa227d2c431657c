"""The agent's memory under an hour of mixed load with a million records waiting, and after it.

The receiver sets the pace: it answers so many webhooks a second that the backlog lasts as long as asked for. The agent and the processes
that evaluate its mapping file are sampled once a second; the exit code is 1 when one of the bounds does not hold."""
import argparse
import json
import os
import pathlib
import random
import socket
import statistics
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/e2e"))
from broker import Broker  # noqa: E402
from confluent_kafka import Consumer, Producer, TopicPartition  # noqa: E402
from harness import change_event, run_event  # noqa: E402
from programs import Agent, Sink  # noqa: E402

BOUND_MB = 64
RUNS, CHANGES, DEAD_LETTERS = "bench.runs", "bench.changes", "bench.dead"
PARTITIONS = {RUNS: 6, CHANGES: 2}
WARM_UP = 12_000  # fills what is bounded by a number of records, such as DEDUP_WINDOW
IN_FLIGHT = 256
SETTLE_S = 60  # what an agent may take to give back what a load needed
IDLE_TOLERANCE_MB = 4  # pages that something small is left on

# Endpoints: name, path, how many of them, and their share of the records in thousandths.
ENDPOINTS = (("good", "/hooks", 40, 884.5), ("slow", "/delay/3000", 5, 40), ("large answers", "/large/300000", 4, 10),
             ("busy at first", "/busy", 5, 30), ("failing", "/status/500", 3, 25), ("refusing", "/refused", 2, 10),
             ("silent", "/never", 5, 0.5))
KINDS = (("synchronous", 40), ("asynchronous", 30), ("change", 25), ("not for an agent", 3), ("forged", 2))
UNDELIVERED = ("not for an agent", "forged")
# Changes without a key go one after another to each destination: these would take longer than the hour.
ONE_BY_ONE_TOO_LONG = ("slow", "failing", "refusing", "silent")
LARGE_BODIES = 0.005  # their share
MAPPING = [{"enabled": '.payload.action.invocationMethod.synchronized // false',
            "url": ".payload.action.invocationMethod.url", "headers": {"X-Run": ".context.runId"},
            "report": {"summary": '"answered " + (.response.statusCode | tostring)'}},
           {"url": "(.payload.action.invocationMethod // .changelogDestination).url"}]


def say(text):
    print(f"[{time.monotonic() - say.start:4.0f}s] {text}", file=sys.stderr, flush=True)


say.start = time.monotonic()

# Load


class Load:
    """The same number gives the same record."""

    def __init__(self, sink_port, refusing_port):
        self.names, self.urls, self.weights = [], [], []
        for name, path, count, share in ENDPOINTS:
            port = refusing_port if name == "refusing" else sink_port
            self.names.append(name)
            self.urls.append([f"http://127.0.{2 + len(self.urls)}.{n + 1}:{port}{path}" for n in range(count)])
            self.weights.append(share)
        self.chance = random.Random(2026)

    def next(self, number):
        """(topic, key, value)"""
        chance = self.chance
        kind = chance.choices([k for k, _ in KINDS], [w for _, w in KINDS])[0]
        endpoint = chance.choices(range(len(self.names)), self.weights)[0]
        if kind == "change" and self.names[endpoint] in ONE_BY_ONE_TOO_LONG:
            endpoint = 0
        url = chance.choice(self.urls[endpoint])
        size = chance.randrange(50_000, 250_000) if chance.random() < LARGE_BODIES else chance.randrange(200, 2200)
        key = f"k{chance.randrange(2000)}" if chance.random() < (0.9 if kind == "change" else 0.5) else None
        padding = "é{}" * (size // 4)
        if kind == "change":
            return CHANGES, key, change_event(url, context={"padding": padding})
        return RUNS, key, run_event(f"r_{number}", url, synchronized=kind == "synchronous", agent=kind != "not for an agent",
                                    tampered=kind == "forged", properties={"region": "Zoë 東京 🚀", "padding": padding})


def webhooks_a_record():
    """How many webhooks the receiver answers for each record, on average."""
    answers = {"refusing": 0, "silent": 0, "busy at first": 2}
    delivered = 1 - sum(weight for kind, weight in KINDS if kind in UNDELIVERED) / 100
    return delivered * sum(share * answers.get(name, 1) for name, _, _, share in ENDPOINTS) / 1000


def produce(broker, load, first, count):
    producer, failures = Producer({"bootstrap.servers": broker.bootstrap, "linger.ms": 20}), []
    for number in range(first, first + count):
        topic, key, value = load.next(number)
        while True:
            try:
                producer.produce(topic, value=value, key=key, on_delivery=lambda e, _: failures.append(e) if e else None)
                break
            except BufferError:
                producer.poll(0.1)
    assert producer.flush(60) == 0 and not failures, failures[:3]


class Backlog:
    """What the agent has not committed yet."""

    def __init__(self, broker, group):
        self.consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": group, "log_level": 0})
        self.partitions = [TopicPartition(topic, n) for topic, count in PARTITIONS.items() for n in range(count)]

    def left(self):
        ends = [self.consumer.get_watermark_offsets(p, timeout=30)[1] for p in self.partitions]
        return sum(end - max(at.offset, 0) for end, at in zip(ends, self.consumer.committed(self.partitions, timeout=30)))

    def wait(self, seconds, alive):
        deadline, said = time.monotonic() + seconds, time.monotonic()
        while left := self.left():
            alive()
            assert time.monotonic() < deadline, f"{left:,} records are left after {seconds:.0f} s"
            if time.monotonic() - said > 60:
                said = time.monotonic()
                say(f"{left:,} records left")
            time.sleep(1)

# Samples


def children(pid):
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        try:
            for child in (task / "children").read_text().split():
                found += [int(child), *children(int(child))]
        except OSError:
            pass  # it ended meanwhile
    return found


def kilobytes(path, *names):
    values = dict.fromkeys(names, 0)
    try:
        for line in pathlib.Path(path).read_text().splitlines():
            name, _, value = line.partition(":")
            if name in values:
                values[name] = int(value.split()[0])
    except OSError:
        pass
    return [values[name] for name in names]


ROWS = ("agent, VmRSS", "agent, of which anonymous", "largest of its mapping processes, VmRSS", "all of them, each shared page once (PSS)")


class Sampler:
    """Once a second, from a thread of its own."""

    def __init__(self, pid):
        self.pid, self.samples, self.ended = pid, [], threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.ended.wait(1):
            self.samples.append(self.sample())

    def sample(self):
        rss, anonymous = kilobytes(f"/proc/{self.pid}/status", "VmRSS", "RssAnon")
        others = children(self.pid)
        evaluator = max((kilobytes(f"/proc/{one}/status", "VmRSS")[0] for one in others), default=0)
        shared = sum(kilobytes(f"/proc/{one}/smaps_rollup", "Pss")[0] for one in [self.pid, *others])
        return [value / 1024 for value in (rss, anonymous, evaluator, shared)]

    def mark(self):
        return len(self.samples)

    def idle(self):
        """The median of the last ten seconds."""
        return [statistics.median(column) for column in zip(*self.samples[-10:])]

    def peak(self):
        """VmHWM knows what happened between two samples."""
        columns = [max(column) for column in zip(*self.samples)]
        columns[0] = max(columns[0], kilobytes(f"/proc/{self.pid}/status", "VmHWM")[0] / 1024)
        return columns

    def mean(self, first, last):
        return [statistics.mean(column) for column in zip(*self.samples[first:last])]

    def stop(self):
        self.ended.set()
        self.thread.join()


def print_table(columns):
    print("| MB | " + " | ".join(columns) + " |")
    print("|---|" + "---:|" * len(columns))
    for number, name in enumerate(ROWS):
        print(f"| {name} | " + " | ".join(f"{values[number]:.1f}" for values in columns.values()) + " |", flush=True)


def verdict(columns):
    """What does not hold, in words."""
    wrong = []
    for row in (0, 3):
        if columns["peak"][row] >= BOUND_MB:
            wrong.append(f"{ROWS[row]}: {columns['peak'][row]:.1f} MB at its peak, {BOUND_MB} are allowed")
        before, after = columns["idle before"][row], columns["idle after"][row]
        if after > before + IDLE_TOLERANCE_MB:
            wrong.append(f"{ROWS[row]}: {after:.1f} MB when idle again, {before:.1f} before")
    return wrong

# The run


class World:
    def __init__(self, build, mapped):
        self.agent_binary = str(build / "port-agent")
        self.refusing = socket.socket()  # a port that is taken, and on which nobody listens
        self.refusing.bind(("0.0.0.0", 0))
        self.broker = Broker()
        self.sink = Sink(str(build / "bench/bench-sink"))
        self.directory = tempfile.TemporaryDirectory(prefix="bench-memory-")
        self.mapping = pathlib.Path(self.directory.name) / "mapping.json"
        self.mapping.write_text(json.dumps(MAPPING))
        self.broker.start()
        for topic, count in PARTITIONS.items():
            self.broker.create(topic, partitions=count)
        self.broker.create(DEAD_LETTERS)
        more = {"CONTROL_THE_PAYLOAD_CONFIG_PATH": str(self.mapping)} if mapped else {}
        self.agent = Agent(self, RUNS, IN_FLIGHT, KAFKA_CHANGE_LOG_TOPIC=CHANGES, DEAD_LETTER_TOPIC=DEAD_LETTERS, **more)
        self.load = Load(self.sink.port, self.refusing.getsockname()[1])

    def alive(self):
        assert self.agent.process.poll() is None, f"the agent ended by itself: {self.agent.text()[-2000:]}"

    def close(self):
        self.agent.kill()
        self.sink.stop()
        self.broker.stop()
        self.directory.cleanup()


def tell(name, columns):
    say(f"{name}, MB: " + ", ".join(f"{row} {value:.1f}" for row, value in zip(ROWS, columns[name])))


def measure(world, sampler, options):
    columns, backlog = {}, Backlog(world.broker, world.agent.group)
    world.agent.wait_until(world.agent.assigned_ns, "assignment")
    time.sleep(12)
    columns["fresh"] = sampler.idle()
    tell("fresh", columns)
    say(f"{WARM_UP:,} records, so that idle is that of an agent that has worked")
    world.sink.reset()
    produce(world.broker, world.load, 0, WARM_UP)
    backlog.wait(300, world.alive)
    time.sleep(SETTLE_S)
    columns["idle before"] = sampler.idle()
    tell("idle before", columns)
    first = sampler.mark()
    per_second = max(1, round(options.backlog * webhooks_a_record() / (options.minutes * 60)))
    world.sink.reset(per_second=per_second)
    say(f"producing {options.backlog:,} records; the receiver answers {per_second} a second")
    produce(world.broker, world.load, WARM_UP, options.backlog)
    say(f"{backlog.left():,} records left")
    begin = time.monotonic()
    backlog.wait(options.minutes * 120 + 600, world.alive)
    last = sampler.mark()
    say(f"the backlog is done, {(time.monotonic() - begin) / 60:.0f} minutes after it was produced")
    time.sleep(SETTLE_S)
    columns.update({"peak": sampler.peak(), "mean under load": sampler.mean(first, last), "idle after": sampler.idle()})
    print(f"{options.backlog:,} records in {last - first} s, {world.sink.stats()['webhooks']:,} webhooks answered, {os.cpu_count()} cores")
    return columns


def arguments():
    parser = argparse.ArgumentParser(prog="./dev bench memory", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60, help="how long the backlog is to last (default: %(default)s)")
    parser.add_argument("--backlog", type=int, default=1_000_000, help="its records (default: %(default)s)")
    parser.add_argument("--no-mapping", action="store_true", help="without a mapping file")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/bench", help="where the programs are")
    return parser.parse_args()


def main():
    options = arguments()
    world = World(options.build, not options.no_mapping)
    sampler = Sampler(world.agent.process.pid)
    try:
        columns = measure(world, sampler, options)
        sampler.stop()
        world.agent.finish()
    finally:
        world.close()
    print_table(columns)
    wrong = verdict(columns)
    print(*wrong or ["every bound holds"], sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
