"""./dev chaos: agents against a real broker while a seeded schedule breaks everything around them; then every record is accounted for."""
import argparse
import collections
import concurrent.futures
import json
import pathlib
import pickle
import random
import shutil
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/e2e"))
from confluent_kafka import Consumer, Producer, TopicPartition  # noqa: E402

from agents import Place, faketime_library  # noqa: E402
from broker import Broker, free_port  # noqa: E402
from disk import Disk  # noqa: E402
from harness import BINARY, SECRET  # noqa: E402
from livez import LivezVerdict, Watch  # noqa: E402
from load import CHANGES_PARTITIONS, DESTINATIONS, RUNS_PARTITIONS, Load  # noqa: E402
from schedule import AGENTS, SESSION_SECONDS, schedule  # noqa: E402
from verdict import Disruption, Receipt, Result, Verdict  # noqa: E402

DRAIN_SECONDS, INVOKER_SECONDS, TOTAL_SECONDS, GIVE_UP_SECONDS = 4, 3, 10, 20
DRAINED_WITHIN_SECONDS = 240  # after the last fault: retries and waiting results have backed off up to 30 s
ENDPOINT_MODES = {"endpoint answers 5xx": "5xx", "endpoint answers 429": "429", "endpoint answers 429 with Retry-After": "429_after",
                  "endpoint answers 503 with Retry-After": "503_after", "endpoint resets connections": "reset", "endpoint never answers": "never",
                  "endpoint truncates answers": "truncated", "endpoint answers without end": "endless", "endpoint is slow": "slowly",
                  "endpoint refuses connections": "refuse"}
PORT_MODES = {"Port answers 5xx": "5xx", "Port answers 429": "429", "Port's tokens expire": "expire", "Port stalls": "stall",
              "Port's connections reset": "reset"}
KAFKA_MODES = {"Kafka connections reset": "reset", "Kafka connections stalled": "stall"}
CLOCK_STEPS = (-86400, -3600, -30, 30, 3600, 86400)


class ProxiedBroker(Broker):
    """A broker whose clients are sent to a proxy after the first connection, so that their connections can be broken."""

    def __init__(self, proxy_port):
        self.proxy_port = proxy_port
        super().__init__()

    def _configure(self):
        super()._configure()
        text = self.config.read_text()
        direct = f"advertised.listeners=PLAINTEXT://127.0.0.1:{self.port}"
        text = text.replace(direct, f"advertised.listeners=PLAINTEXT://127.0.0.1:{self.proxy_port}")
        # After kill -9 the controller takes the broker back only once the session of its former life is over.
        self.config.write_text(text + "broker.session.timeout.ms=2000\nbroker.heartbeat.interval.ms=500\n")


class World:
    """world.py as a process, and the one conversation with it."""

    def __init__(self, broker_port):
        command = [sys.executable, str(pathlib.Path(__file__).with_name("world.py")), SECRET, str(broker_port), str(DESTINATIONS)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.lock = threading.Lock()
        self.addresses = json.loads(self.process.stdout.readline())

    def ask(self, name, **arguments):
        with self.lock:
            self.process.stdin.write(json.dumps({"name": name, **arguments}) + "\n")
            self.process.stdin.flush()
            return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.kill()
        self.process.wait()


class Run:
    def __init__(self, seed, seconds, rate, directory, stuck=0):
        self.seed, self.seconds, self.rate, self.directory, self.stuck = seed, seconds, rate, directory, stuck
        self.started = time.monotonic()
        self.disruptions, self.violations, self.chance = [], [], random.Random(f"faults' details {seed}")
        self.broker_lock = threading.Lock()
        self.history = open(directory / "faults.jsonl", "w", buffering=1)
        self.broker = self.world = self.watch = None
        self.places, self.produced, self.stopping = [], 0, False
        self.disk = Disk(directory / "dead-letters")

    def say(self, text):
        print(f"[{time.monotonic() - self.started:4.0f}s] {text}", flush=True)

    # Setting up

    def start(self):
        broker_port = free_port()
        self.world = World(broker_port)
        self.broker = ProxiedBroker.__new__(ProxiedBroker)
        self.start_broker(broker_port)
        self.org = f"chaos{self.seed}"
        self.runs, self.changes, self.group = f"{self.org}.runs", f"{self.org}.change.log", f"{self.org}-group"
        self.broker.create(self.runs, partitions=RUNS_PARTITIONS)
        self.broker.create(self.changes, partitions=CHANGES_PARTITIONS)
        self.load = Load(self.seed, self.world.addresses["urls"])
        self.places = [Place(n, self.environment(n), self.directory) for n in range(AGENTS + 1)]
        for place in self.places[:AGENTS]:
            place.start()
        self.watch = Watch(self.places)
        self.say(f"broker, {DESTINATIONS} endpoints, Port and {AGENTS} agents are up"
                 + ("" if faketime_library() else "; no libfaketime, so no clock is stepped"))

    def start_broker(self, port):
        """The proxy has to know the broker's port before there is a broker."""
        import broker as module
        ports = iter([port])
        fresh = module.free_port
        module.free_port = lambda: next(ports, None) or fresh()
        try:
            self.broker.__init__(self.world.addresses["kafka"])
        finally:
            module.free_port = fresh
        self.broker.start()

    def environment(self, number):
        return {"PORT_ORG_ID": self.org, "PORT_CLIENT_ID": f"client-{number}", "PORT_CLIENT_SECRET": SECRET,
                "PORT_API_BASE_URL": self.world.addresses["port"], "USING_LOCAL_PORT_INSTANCE": "true",
                "KAFKA_CONSUMER_BOOTSTRAP_SERVERS": f"127.0.0.1:{self.world.addresses['kafka']}", "KAFKA_CONSUMER_GROUP_ID": self.group,
                "KAFKA_CONSUMER_SESSION_TIMEOUT_MS": str(SESSION_SECONDS * 1000), "LOG_FORMAT": "json", "RUN_LOGS": "on" if number == 0 else "off",
                "WEBHOOK_INVOKER_TIMEOUT": str(INVOKER_SECONDS), "WEBHOOK_TOTAL_TIMEOUT": str(TOTAL_SECONDS),
                "WEBHOOK_MAX_RESPONSE_BYTES": "65536", "DRAIN_TIMEOUT_SECONDS": str(DRAIN_SECONDS), "WEBHOOK_MAX_IN_FLIGHT": "64",
                "WEBHOOK_RETRY_MAX_ELAPSED": str(GIVE_UP_SECONDS), **self.disk.environment(number)}

    # Load

    def produce(self):
        """Idempotent, so that a broker's death neither repeats nor reorders what is in the log."""
        self.producer = Producer({"bootstrap.servers": f"127.0.0.1:{self.world.addresses['kafka']}", "enable.idempotence": True, "linger.ms": 5,
                                  "message.timeout.ms": 0, "queue.buffering.max.messages": 1000000, "log_level": 0})
        begun, total = time.monotonic(), int(self.rate * self.seconds)
        while len(self.load.records) < total and not self.stopping:
            due = min(total, int((time.monotonic() - begun) * self.rate))
            while len(self.load.records) < due:
                kind, key, value = self.load.next()
                self.producer.produce(self.changes if kind == "changes" else self.runs, key=key, value=value, on_delivery=self.on_produced)
            self.producer.poll(0.01)
        while self.producer.flush(1) > 0 and not self.stopping:
            pass

    def on_produced(self, error, _):
        if error:
            self.violations.append(f"a record was not produced, the run is worth nothing: {error}")
        self.produced += 1

    # Faults

    def strike(self, fault):
        group = fault.kind.split()[0]
        handler = {"agent": self.strike_agent, "clock": self.strike_agent, "broker": self.strike_broker, "Kafka": self.strike_kafka,
                   "endpoint": self.strike_endpoint, "dead-letter": self.strike_disk}.get(group, self.strike_port)
        if fault.kind.startswith("agent joins"):
            handler = self.strike_guest
        try:
            handler(fault)
        except Exception as error:  # the tool's own failure must not pass for a clean run
            self.violations.append(f"the tool failed at '{fault.kind}': {error!r}")

    def struck(self, fault, begin, target=None):
        self.disruptions.append(Disruption(fault.kind, begin, time.monotonic(), target))
        self.history.write(json.dumps({"fault": fault.kind, "target": target, "begin": begin, "end": time.monotonic()}) + "\n")

    def strike_agent(self, fault):
        place = self.places[fault.target]
        with place.lock:
            begin = time.monotonic()
            if fault.kind == "agent kill -9":
                place.kill()
                self.struck(fault, begin, fault.target)
                time.sleep(fault.lasting)
                place.start()
            elif fault.kind == "agent SIGTERM":
                place.terminate()
                self.struck(fault, begin, fault.target)
                time.sleep(fault.lasting)
                place.start()
            elif fault.kind == "clock stepped":
                place.step_clock(CLOCK_STEPS[int(fault.at * 100) % len(CLOCK_STEPS)], fault.lasting)
                self.struck(fault, begin, fault.target)
            else:
                place.freeze(fault.lasting)
                self.struck(fault, begin, fault.target)

    def hold(self):
        """Makes an agent one that is stuck, and tells the judge nothing of it, which has to find that out."""
        time.sleep(self.seconds / 3)
        with self.places[0].lock:
            self.say(f"agent 0 is stuck for {self.stuck} s")
            self.places[0].freeze(self.stuck)

    def strike_guest(self, fault):
        place = self.places[AGENTS]
        with place.lock:
            joined = time.monotonic()
            place.start()
            time.sleep(fault.lasting)
            begin = time.monotonic()
            if fault.kind == "agent joins and is killed":
                place.kill()
                self.disruptions.append(Disruption("agent joins and leaves", joined, joined, AGENTS))
            else:
                begin = joined
                place.terminate()
            self.struck(fault, begin, AGENTS)

    def strike_broker(self, fault):
        with self.broker_lock:
            begin = time.monotonic()
            if fault.kind == "broker frozen":
                self.broker.freeze(fault.lasting)
            else:
                self.broker.kill() if fault.kind == "broker kill -9" else self.broker.terminate()
                time.sleep(fault.lasting)
                self.broker.start()
            self.struck(fault, begin)

    def strike_kafka(self, fault):
        with self.broker_lock:
            begin = time.monotonic()
            self.world.ask("kafka", mode=KAFKA_MODES[fault.kind])
            time.sleep(fault.lasting)
            self.world.ask("kafka", mode="well")
            self.struck(fault, begin)

    def strike_endpoint(self, fault):
        begin = time.monotonic()
        self.world.ask("endpoint", destination=fault.target, mode=ENDPOINT_MODES[fault.kind])
        time.sleep(fault.lasting)
        self.world.ask("endpoint", destination=fault.target, mode="well")
        self.struck(fault, begin, fault.target)

    def strike_disk(self, fault):
        begin = time.monotonic()
        self.disk.fill()
        time.sleep(fault.lasting)
        self.disk.free()
        self.struck(fault, begin)

    def strike_port(self, fault):
        begin = time.monotonic()
        self.world.ask("port", mode=PORT_MODES[fault.kind])
        if fault.lasting:
            time.sleep(fault.lasting)
            self.world.ask("port", mode="well")
        self.struck(fault, begin)

    def strike_all(self, faults):
        begun = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(64) as pool:
            for fault in faults:
                while (left := begun + fault.at - time.monotonic()) > 0:
                    self.look(min(left, 0.2))
                target = "" if fault.target is None else f" ({fault.target})"
                self.say(f"{fault.kind}{target}" + (f" for {fault.lasting} s" if fault.lasting else ""))
                pool.submit(self.strike, fault)
            while time.monotonic() < begun + self.seconds:
                self.look(0.2)
        self.say("the last fault is over")

    def look(self, seconds):
        time.sleep(seconds)
        for place in self.places:
            place.look()
        if time.monotonic() - getattr(self, "said_at", 0) > 5:
            self.said_at = time.monotonic()
            stats = self.world.ask("stats")
            self.say(f"produced {self.produced}, webhooks {stats['webhooks']} of {stats['records']} records, results {stats['results']}, "
                     f"faults {len(self.disruptions)}")

    # The end

    def lag(self):
        """Partitions that are not done: (topic, number, committed, end, a note that says something beyond is done)."""
        if not hasattr(self, "consumer"):
            self.consumer = Consumer({"bootstrap.servers": self.broker.bootstrap, "group.id": self.group, "enable.auto.commit": False, "log_level": 0})
        partitions = [TopicPartition(self.runs, n) for n in range(RUNS_PARTITIONS)] + [
            TopicPartition(self.changes, n) for n in range(CHANGES_PARTITIONS)]
        left = []
        for one in self.consumer.committed(partitions, timeout=10):
            end = self.consumer.get_watermark_offsets(one, timeout=10)[1]
            if max(one.offset, 0) != end:
                left.append((one.topic, one.partition, one.offset, end, one.metadata))
        return left

    def drain(self):
        deadline, left = time.monotonic() + DRAINED_WITHIN_SECONDS, None
        while time.monotonic() < deadline:
            self.look(0.5)
            try:
                left = self.lag()
            except Exception as error:
                left = [str(error)]
            if not left:
                self.say("drained: every offset is committed")
                return
        self.violations.append(f"not drained {DRAINED_WITHIN_SECONDS} s after the last fault: {left}")

    def stop_agents(self):
        with concurrent.futures.ThreadPoolExecutor() as pool:
            for place in self.places:
                if place.process:
                    pool.submit(place.terminate)
        self.watch.close()

    def close(self):
        self.stopping = True
        if self.watch:
            self.watch.over.set()
        for place in self.places:
            if place.process:
                place.kill()
        if hasattr(self, "consumer"):
            self.consumer.close()
        self.disk.close()
        if self.world:
            self.world.close()
        if self.broker and getattr(self.broker, "process", None):
            self.broker.stop()

    def go(self):
        self.start()
        faults = schedule(self.seed, self.seconds, DESTINATIONS)
        if not faketime_library():
            faults = [fault for fault in faults if fault.kind != "clock stepped"]
        producing = threading.Thread(target=self.produce)
        producing.start()
        if self.stuck:
            threading.Thread(target=self.hold).start()
        self.strike_all(faults)
        producing.join()
        self.drain()
        self.stop_agents()
        return self.judge()

    def judge(self):
        dump = self.directory / "seen.pickle"
        self.world.ask("dump", path=str(dump))
        with open(dump, "rb") as file:
            seen = pickle.load(file)
        letters = self.dead_letters()
        verdict = Verdict(self.load.records, [Receipt(*r) for r in seen["receipts"]], [Result(*r) for r in seen["results"]], self.disruptions,
                          DRAIN_SECONDS, GIVE_UP_SECONDS, letters)
        livez = LivezVerdict(self.watch.asks, self.disruptions)
        self.violations += [c for place in self.places for c in place.complaints] + livez.violations + verdict.violations
        self.table(verdict, seen, livez)
        return self.violations

    def dead_letters(self):
        kept = self.directory / "letters"  # the disk itself is gone at the end
        shutil.copytree(self.disk.directory, kept, ignore=shutil.ignore_patterns("ballast"))
        try:
            return [json.loads(letter["value"])["context"]["number"] for letter in self.disk.letters()]
        except (ValueError, KeyError, TypeError) as error:
            self.violations.append(f"a dead letter cannot be read: {error!r}")
            return []

    def table(self, verdict, seen, livez):
        faults = collections.Counter(d.kind for d in self.disruptions)
        rows = [("faults", sum(faults.values()))] + [(f"  {kind}", count) for kind, count in sorted(faults.items())]
        counts = verdict.counts
        rows += [("records", len(self.load.records)), ("  refused or skipped, as they should be", counts.pop("refused or skipped")),
                 ("webhooks received", counts.pop("webhooks")), ("results accepted by Port", len(seen["results"])),
                 ("lost", counts.pop("lost", 0)), ("repeated", counts.pop("repeated", 0))]
        rows += [(f"  {cause}", count) for cause, count in sorted(verdict.repeats_by_cause.items())]
        rows += [("dead letters", sum(verdict.dead_letters.values()))]
        rows += sorted((name, count) for name, count in counts.items() if name != "violations")
        rows += [("asked /livez", livez.counts["/livez"]), ("  longest answer, ms, held processes aside", round(livez.longest * 1000)),
                 ("asked /readyz", livez.counts["/readyz"]), ("  not ready, with reasons", livez.counts["unready"])]
        rows += [("peak RSS of an agent, MiB", round(max(p.peak_rss for p in self.places) / (1 << 20), 1)), ("violations", len(self.violations))]
        width = max(len(name) for name, _ in rows)
        print("\n" + "\n".join(f"{name:<{width}}  {count:>9}" for name, count in rows))


def main():
    parser = argparse.ArgumentParser(prog="./dev chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2, help="how long faults strike (default: 2)")
    parser.add_argument("--seed", type=int, default=None, help="of the schedule and the records; default: a new one")
    parser.add_argument("--rate", type=float, default=150, help="records a second (default: 150)")
    parser.add_argument("--keep", action="store_true", help="keep the logs of a run without violations too, in build/chaos/SEED")
    parser.add_argument("--stuck", type=float, default=0, metavar="SECONDS",
                        help="an agent's loop stands still once for so long: more than ten seconds have to be found as a violation of /livez")
    arguments = parser.parse_args()
    seed = random.SystemRandom().randrange(1, 10**6) if arguments.seed is None else arguments.seed
    replay = f"./dev chaos --minutes {arguments.minutes:g} --seed {seed} --rate {arguments.rate:g}"
    print(f"seed {seed}; again with: {replay}", flush=True)
    directory = ROOT / "build/chaos" / str(seed)
    subprocess.run(["umount", str(directory / "dead-letters")], capture_output=True)  # of a run that was cut off
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    run = Run(seed, arguments.minutes * 60, arguments.rate, directory, arguments.stuck)
    try:
        violations = run.go()
    finally:
        run.close()
    for text in violations[:20]:
        print(f"VIOLATION {text}")
    if violations:
        print(f"{len(violations)} violations; logs are in {directory}\nseed {seed}; again with: {replay}")
        return 1
    if not arguments.keep:
        shutil.rmtree(directory)
    print(f"no violation; seed {seed}; again with: {replay}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
