"""What an ordinary run feels of everything that tests/hostile does: endpoints, producers, a Port and neighbours.

Two agents run on one machine, one of which delivers the probe. Each round does this three times: with nothing hostile; with all of it at the
other agent, which takes the machine's time alone; and with all of it at the agent that delivers the probe. The exit code is 1 when the
p99 of the last is more than a fifth above that of the second, as the median of the rounds: that part is the agent's own."""
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/e2e"))
from broker import Broker  # noqa: E402
from pairs import WITH, WITHOUT, judge, latency_figures, parser_of, verdict  # noqa: E402
from programs import Agent, Sink  # noqa: E402
from records import Records, Template  # noqa: E402
from tables import say  # noqa: E402
from trouble import KINDS  # noqa: E402

ALLOWED = 0.20
PARTITIONS = 4
ALONE, APART, TOGETHER = FORMS = ("alone", "at another agent", "at the same agent")
# As in tests/e2e/test_hostile.py: who is silent is found out by the first of these.
SETTINGS = {"WEBHOOK_INVOKER_TIMEOUT": "15", "WEBHOOK_TOTAL_TIMEOUT": "20", "WEBHOOK_RETRY_MAX_ELAPSED": "3"}


class World:
    def __init__(self, build):
        self.agent_binary = str(build / "port-agent")
        self.broker = Broker()
        self.broker.start()
        self.sink = Sink(str(build / "bench/bench-sink"))
        self.ok = Sink(str(build / "bench/bench-sink"))  # what the hostile runs that are delivered come to
        self.records = Records(self.broker, "")
        self.probe = Template("async", self.sink.url + "/hooks")
        self.trouble = subprocess.Popen([sys.executable, str(pathlib.Path(__file__).with_name("trouble.py")), self.broker.bootstrap, self.ok.url + "/ok"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = json.loads(self.trouble.stdout.readline())

    def strike(self, **where):
        self.trouble.stdin.write(json.dumps(where) + "\n")
        self.trouble.stdin.flush()

    def close(self):
        self.trouble.stdin.close()
        self.trouble.wait()
        self.sink.stop()
        self.ok.stop()
        self.broker.stop()


class Life:
    """An agent with topics of its own."""

    def __init__(self, world, name):
        self.world, self.runs, self.changes = world, f"bench.runs.{name}", f"bench.changes.{name}"
        world.broker.create(self.runs, self.changes, partitions=PARTITIONS)
        self.agent = Agent(world, self.runs, 256, PORT_API_BASE_URL=world.port, KAFKA_CHANGE_LOG_TOPIC=self.changes, GITLAB_URL=world.ok.url + "/", **SETTINGS)

    def strike(self, options):
        self.world.strike(runs=self.runs, changes=self.changes, group=self.agent.group, pid=self.agent.process.pid, seconds=options.seconds,
                          kinds=options.kinds)


def run(world, form, number, options):
    """Two agents' lives; when the probes of the first arrived, in µs from when they were written."""
    count, lives = options.per_second * options.seconds, []
    world.sink.reset()
    try:
        for role in ("probe", "other"):
            lives.append(Life(world, f"{FORMS.index(form)}.{number}.{role}"))
            world.records.single(lives[-1].runs, world.probe)
        probe, other = lives
        probe.agent.wait_webhooks(2)
        world.sink.reset()
        if form != ALONE:
            (probe if form == TOGETHER else other).strike(options)
        world.records.trickle(probe.runs, count, options.per_second, lambda _: world.probe)
        probe.agent.wait_webhooks(count)
        done = json.loads(world.trouble.stdout.readline()) if form != ALONE else {"done": 0, "seconds": 0}
        told = probe.agent.summary()
        probe.agent.read_rss()
    finally:
        for life in lives:
            life.agent.kill()
    stats = world.sink.stats()
    say(f"{form}: {count} probes, {done['done']} hostile deeds within {done['seconds']:.0f} s; taken {told['taken']:,}, delivered {told['delivered']:,}, "
        f"failed {told['failed']:,}, peak RSS {probe.agent.peak_rss_kb / 1024:.1f} MB, p99 {stats['latency_us']['p99'] / 1000:.2f} ms")
    assert stats["webhooks"] == count, stats
    return stats["latency_us"]


def compare(rounds, options, without, beside):
    """Prints the two forms side by side; returns what is worse by more than is allowed."""
    pairs = [{WITHOUT: one[without], WITH: one[beside]} for one in rounds]
    return judge(latency_figures(pairs, options, "probes"), ALLOWED, (without, beside), only="p99")


def main():
    parser = parser_of("hostile", __doc__, 100, 20, "probes")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS, help="which of the hostile (default: all)")
    options = parser.parse_args()
    say("starting the broker, the sinks and the hostile")
    world, rounds = World(options.build), []
    try:
        run(world, ALONE, "first", options)  # the broker's own first requests are slow: they are nobody's figures
        for number in range(options.rounds):
            say(f"round {number + 1}")
            forms = FORMS if number % 2 == 0 else FORMS[::-1]  # what is last finds more in the broker
            rounds.append({form: run(world, form, number, options) for form in forms})
    finally:
        world.close()
    print(f"{os.cpu_count()} cores, {options.rounds} rounds, median (lowest – highest)")
    compare(rounds, options, ALONE, APART)
    compare(rounds, options, ALONE, TOGETHER)
    return verdict(compare(rounds, options, APART, TOGETHER), ALLOWED)


if __name__ == "__main__":
    sys.exit(main())
