"""What an ordinary run feels of everything that tests/hostile does: endpoints, producers, a Port and neighbours.

Each round runs the same probe twice, without and with the hostile beside it: the machine's mood is then in both. The exit code is 1 when
the p99 with them is more than a fifth above that without, as the median of the rounds."""
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/e2e"))
from broker import Broker  # noqa: E402
from pairs import WITH, compare_latencies, parser_of  # noqa: E402
from programs import Agent, Sink  # noqa: E402
from records import Records, Template  # noqa: E402
from tables import say  # noqa: E402
from trouble import KINDS  # noqa: E402

ALLOWED = 0.20
PARTITIONS = 4
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


def run(world, form, number, options):
    """One agent's life; when the probes arrived, in µs from when they were written."""
    runs, changes, count = f"bench.runs.{form}.{number}", f"bench.changes.{form}.{number}", options.per_second * options.seconds
    world.broker.create(runs, changes, partitions=PARTITIONS)
    world.sink.reset()
    agent = Agent(world, runs, 256, PORT_API_BASE_URL=world.port, KAFKA_CHANGE_LOG_TOPIC=changes, GITLAB_URL=world.ok.url + "/", **SETTINGS)
    try:
        world.records.single(runs, world.probe)
        agent.wait_webhooks(1)
        world.sink.reset()
        if form == WITH:
            world.strike(runs=runs, changes=changes, group=agent.group, pid=agent.process.pid, seconds=options.seconds, kinds=options.kinds)
        world.records.trickle(runs, count, options.per_second, lambda _: world.probe)
        agent.wait_webhooks(count)
        done = json.loads(world.trouble.stdout.readline()) if form == WITH else {"done": 0, "seconds": 0}
        told = agent.summary()
        agent.read_rss()
    finally:
        agent.kill()
    stats = world.sink.stats()
    say(f"{form}: {count} probes, {done['done']} hostile deeds within {done['seconds']:.0f} s; taken {told['taken']:,}, delivered {told['delivered']:,}, "
        f"failed {told['failed']:,}, peak RSS {agent.peak_rss_kb / 1024:.1f} MB, p99 {stats['latency_us']['p99'] / 1000:.2f} ms")
    assert stats["webhooks"] == count, stats
    return stats["latency_us"]


def main():
    parser = parser_of("hostile", __doc__, 100, 20, "probes")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS, help="which of the hostile (default: all)")
    options = parser.parse_args()
    say("starting the broker, the sinks and the hostile")
    return compare_latencies(World(options.build), run, options, "probes", ALLOWED, ("alone", "beside the hostile"))


if __name__ == "__main__":
    sys.exit(main())
