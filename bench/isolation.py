"""What 60 good destinations feel of 30 that never answer and 10 that refuse connections.

Each round runs the same records for the good ones twice, without and with records for the bad ones between them: the machine's mood is
then in both. The exit code is 1 when a median differs by more than a tenth."""
import argparse
import os
import pathlib
import random
import socket
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/e2e"))
from broker import Broker  # noqa: E402
from pairs import WITH, WITHOUT, both, by_form, judge  # noqa: E402
from programs import Agent, Sink  # noqa: E402
from records import Records, Template  # noqa: E402
from tables import say  # noqa: E402

GOOD, SILENT, REFUSING = 60, 30, 10
BAD = SILENT + REFUSING
IN_FLIGHT = 256
ALLOWED = 0.10
CROWD, CROWD_PARTITIONS, CROWD_RSS_KB = 10, 8, 64 * 1024


class World:
    def __init__(self, build, timeout):
        self.agent_binary, self.timeout = str(build / "port-agent"), timeout
        self.refusing = socket.socket()  # a port that is taken, and on which nobody listens
        self.refusing.bind(("0.0.0.0", 0))
        self.running = []
        self.broker = Broker()
        self.sink = Sink(str(build / "bench/bench-sink"))
        self.broker.start()
        self.broker.create("bench.changes")
        self.records = Records(self.broker, "")
        refusing = self.refusing.getsockname()[1]
        self.good = [Template("async", f"http://127.0.1.{n + 1}:{self.sink.port}/hooks") for n in range(GOOD)]
        self.bad = [Template("async", f"http://127.0.2.{n + 1}:{self.sink.port}/never") for n in range(SILENT)]
        self.bad += [Template("async", f"http://127.0.3.{n + 1}:{refusing}/refused") for n in range(REFUSING)]

    def order(self, form, good):
        """Whose turn it is, record by record: the good ones' order is the same in both forms."""
        chance, turns = random.Random(7), [self.good[n % GOOD] for n in range(good)]
        chance.shuffle(turns)
        if form == WITHOUT:
            return turns
        bad = [self.bad[n % BAD] for n in range(good * BAD // GOOD)]
        chance.shuffle(bad)
        places = [True] * len(turns) + [False] * len(bad)
        chance.shuffle(places)
        turns, bad = iter(turns), iter(bad)
        return [next(turns) if place else next(bad) for place in places]

    def start(self, topic):
        agent = Agent(self, topic, IN_FLIGHT, WEBHOOK_INVOKER_TIMEOUT=str(self.timeout))
        self.running.append(agent)
        return agent

    def close(self):
        for agent in self.running:
            agent.kill()
        self.sink.stop()
        self.broker.stop()


def steady(world, form, number, options):
    """Records come at a rate that is far from what the agent can do: what counts is how soon they arrive."""
    topic, good = f"bench.steady.{form}.{number}", options.per_second * options.seconds
    world.broker.create(topic)
    world.sink.reset()
    agent = world.start(topic)
    world.records.single(topic, world.good[0])
    agent.wait_webhooks(1)
    world.sink.reset()
    order = world.order(form, good)
    world.records.trickle(topic, len(order), len(order) / options.seconds, lambda n: order[n])
    agent.wait_webhooks(good)
    agent.kill()
    return world.sink.stats()["latency_us"]


def backlog(world, form, options):
    """All records are there when the agent starts: what counts is when the last good one arrives. The endpoints take so long that the
    window is what bounds it: bounded by the processor, it would share that with the bad ones' records, which are read and tried as well."""
    topic = f"bench.backlog.{form}"
    if topic not in world.broker.admin().list_topics(timeout=10).topics:
        order = world.order(form, options.backlog)
        world.records.fill_with(topic, len(order), lambda n: order[n])
    world.sink.reset(options.delay_ms)
    agent = world.start(topic)
    agent.wait_webhooks(options.backlog)
    agent.kill()
    stats = world.sink.stats()
    return (stats["webhooks"] - 1) / ((stats["last_ns"] - stats["first_ns"]) / 1e9)


def measure(world, options):
    """Figures: name -> ({form: values}, whether more is better)."""
    rates, latencies = [], []
    if options.backlog:
        backlog(world, WITHOUT, options)  # the broker's own first requests are slow: they are nobody's figures
    for number in range(options.rounds):
        say(f"round {number + 1}: steady rate")
        latencies.append(both(lambda form: steady(world, form, number, options)))
        if options.backlog:
            say(f"round {number + 1}: backlog")
            rates.append(both(lambda form: backlog(world, form, options)))
    total = options.per_second * (GOOD + BAD) // GOOD
    figures = {f"{options.per_second}/s to the good ones ({total}/s in all) for {options.seconds} s: {key}, ms":
               (by_form([{form: stats[key] / 1000 for form, stats in pair.items()} for pair in latencies]), False) for key in ("p50", "p99")}
    if options.backlog:
        figures[f"backlog of {options.backlog:,} to the good ones, which take {options.delay_ms} ms: webhooks/s"] = (by_form(rates), True)
    return figures


def pile_up(world, options):
    """Records for those that refuse, and nothing else but one in a hundred for the good ones: what is held, and what moves."""
    count = options.pile_up
    world.records.fill_with("bench.pile", count, lambda n: world.good[n % GOOD] if n % 100 == 0 else world.bad[SILENT + n % REFUSING])
    world.sink.reset()
    agent = world.start("bench.pile")
    agent.wait_until(agent.assigned_ns, "assignment")
    print("| second | good delivered | refused given up | held, MB | waiting for a turn or a retry | agent's peak RSS, MB |")
    print("|---:|---:|---:|---:|---:|---:|")
    begin = time.monotonic()
    for second in range(30, options.seconds + 1, 30):
        time.sleep(max(0, begin + second - time.monotonic()))
        told = agent.summary()
        agent.read_rss()
        print(f"| {second} | {world.sink.stats()['webhooks']:,} | {told['failed']:,} | {told['bytes_held'] / 1e6:.1f} | "
              f"{told['queued'] + told['waiting_for_retry']:,} | {agent.peak_rss_kb / 1024:.1f} |", flush=True)


def crowd_order(world, form, count):
    """As many for ten that never answer as for the good ones, in between."""
    chance, turns = random.Random(11), [world.good[n % GOOD] for n in range(count)]
    if form == WITH:
        turns += [world.bad[n % CROWD] for n in range(count)]
        chance.shuffle(turns)
    return turns


def crowd_run(world, topic, form, options, feed):
    """One agent's life: what `feed` produces, until all for the good ones has arrived. Nothing may be lost: what is not delivered is given
    up, or still there."""
    world.broker.create(topic, partitions=CROWD_PARTITIONS)
    world.sink.reset()
    order = crowd_order(world, form, options.crowd)
    agent = feed(order)
    agent.wait_webhooks(options.crowd)
    stats, told = world.sink.stats(), agent.summary()
    agent.read_rss()
    agent.kill()
    held = told["queued"] + told["in_flight"] + told["kept"] + told["waiting_for_retry"]
    say(f"{form}: taken {told['taken']:,}, delivered {told['delivered']:,}, given up {told['failed']:,}, kept by reference {told['kept']:,}, "
        f"read again {told['read_again']:,}, held {told['bytes_held'] / 1e6:.1f} MB, peak RSS {agent.peak_rss_kb / 1024:.1f} MB")
    assert told["taken"] == told["delivered"] + told["failed"] + held, told
    assert agent.peak_rss_kb <= CROWD_RSS_KB, f"peak RSS {agent.peak_rss_kb / 1024:.1f} MB"
    return stats


def crowd(world, options):
    """Figures as in `measure`: at a steady rate when they arrive, and from a backlog how many a second."""
    latencies, rates = [], []

    def steady_feed(topic):
        def feed(order):
            agent = world.start(topic)
            agent.wait_until(agent.assigned_ns, "assignment")
            world.records.trickle(topic, len(order), options.crowd_per_second * len(order) / options.crowd, lambda n: order[n])
            return agent
        return feed

    def backlog_feed(topic):
        def feed(order):
            world.records.fill_created(topic, len(order), lambda n: order[n], CROWD_PARTITIONS)
            world.sink.reset(options.delay_ms)
            return world.start(topic)
        return feed

    for number in range(options.rounds):
        def run(kind, feed):
            def one(form):
                topic = f"bench.crowd.{kind}.{form}.{number}"
                return crowd_run(world, topic, form, options, feed(topic))
            return both(one)
        say(f"round {number + 1}: steady rate")
        latencies.append(run("steady", steady_feed))
        say(f"round {number + 1}: backlog")
        rates.append({form: (stats["webhooks"] - 1) / ((stats["last_ns"] - stats["first_ns"]) / 1e9) for form, stats in run("backlog", backlog_feed).items()})
    figures = {f"{options.crowd:,} at {options.crowd_per_second}/s to the good ones: {key}, ms":
               (by_form([{form: stats["latency_us"][key] / 1000 for form, stats in pair.items()} for pair in latencies]), False) for key in ("p50", "p99")}
    figures[f"backlog of {options.crowd:,} to the good ones, which take {options.delay_ms} ms: webhooks/s"] = (by_form(rates), True)
    return figures


def arguments():
    parser = argparse.ArgumentParser(prog="./dev bench isolation", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="how often each is run (default: %(default)s)")
    parser.add_argument("--per-second", type=int, default=120, help="steady rate to the good ones (default: %(default)s)")
    parser.add_argument("--seconds", type=int, default=15, help="how long the steady rate lasts (default: %(default)s)")
    parser.add_argument("--backlog", type=int, default=3600, help="records for the good ones; 0: no backlogs (default: %(default)s)")
    parser.add_argument("--delay-ms", type=int, default=250, help="what the backlog's endpoints take (default: %(default)s)")
    parser.add_argument("--pile-up", type=int, metavar="N", help="instead: N records for those that refuse, looked at for --seconds")
    parser.add_argument("--crowd", type=int, metavar="N", help="instead: N records for the good ones without, and with N for ten that never answer, in eight partitions")
    parser.add_argument("--crowd-per-second", type=int, default=1000, metavar="N", help="their steady rate (default: %(default)s)")
    parser.add_argument("--timeout", type=float, default=30, help="WEBHOOK_INVOKER_TIMEOUT (default: %(default)s)")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/bench", help="where the programs are")
    return parser.parse_args()


def main():
    options = arguments()
    say("starting the broker and the sink")
    world = World(options.build, options.timeout)
    try:
        if options.pile_up:
            pile_up(world, options)
            return 0
        figures = crowd(world, options) if options.crowd else measure(world, options)
    finally:
        world.close()
    print(f"{os.cpu_count()} cores, {options.rounds} rounds, median (lowest – highest)")
    wrong = judge(figures, ALLOWED, ("60 good alone", f"with {CROWD if options.crowd else BAD} bad"))
    print(*wrong or [f"nothing differs by more than {ALLOWED:.0%}"], sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
