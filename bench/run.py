"""Measures the agent beside the floor program: one broker, one sink, the same records, in turns.

What each figure means is in README.md beside this file. Prints a table and writes nothing else."""
import argparse
import json
import os
import pathlib
import re
import statistics
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/e2e"))
from broker import Broker  # noqa: E402
from certificates import Authority  # noqa: E402
from programs import Agent, FastHTTP, Floor, NetHTTP, Raw, Sink  # noqa: E402
from records import Records, Template  # noqa: E402
from tables import Table, say  # noqa: E402

IN_FLIGHT = 256
DELAY_MS = 50
BACKLOG = 200_000
PER_SECOND = 200
PROGRAMS = (Agent, Floor, FastHTTP, NetHTTP, Raw)


class World:
    """What all runs share."""

    def __init__(self, build, contender):
        self.agent_binary, self.turns_library = str(build / "port-agent"), str(build / "bench/bench-turns.so")
        self.programs = {"floor": str(build / "bench/bench-floor"), "raw sockets": str(build / "bench/bench-raw"), "go": str(contender)}
        self.running = []
        self.idle_us = {}
        self.authority = Authority()
        self.broker = Broker()
        self.sink = Sink(str(build / "bench/bench-sink"), self.authority.issue("sink"))
        self.broker.start()
        self.records = Records(self.broker, f"{self.sink.url}/hooks/checkout")
        self.broker.create("bench.changes", "bench.empty")

    def start(self, kind, *arguments, **options):
        program = kind(self, *arguments, **options)
        self.running.append(program)
        return program

    def close(self):
        for program in self.running:
            program.kill()
        self.sink.stop()
        self.broker.stop()
        self.authority.remove()


# Runs

def run_agent(world, topic, records, in_flight=IN_FLIGHT, delay_ms=0, close_every=0, **options):
    world.sink.reset(delay_ms, close_every=close_every)
    agent = world.start(Agent, topic, in_flight, **options)
    agent.wait_webhooks(records)
    agent.wait_quiet()
    return agent.finish()


def run(world, kind, topic, records, in_flight=IN_FLIGHT, close_every=0, authority=None):
    """One life of any of the programs, over all records of a topic."""
    if kind is Agent:
        settings = {"SSL_CERT_FILE": str(authority)} if authority else {}
        return run_agent(world, topic, records, in_flight, close_every=close_every, **settings)
    world.sink.reset(close_every=close_every)
    return world.start(kind, topic, in_flight, records, authority).finish()


def measure_idle(world, rounds):
    """CPU of a life without a record: start, join the group, leave, end. Taken off every other run's."""
    for kind in PROGRAMS:
        lives = []
        for _ in range(rounds):
            world.sink.reset()
            if kind is Agent:
                program = world.start(Agent, "bench.empty", IN_FLIGHT)
                program.wait_until(program.assigned_ns, "assignment")
            else:
                program = world.start(kind, "bench.empty", IN_FLIGHT, 0)
            lives.append(program.finish()["cpu_us"])
        world.idle_us[kind.name] = statistics.median(lives)


def per(world, name, result, unit):
    return (result["cpu_us"] - world.idle_us[name]) / result[unit]


def in_turns(world, told, kinds, rounds, topic, records, *arguments, **options):
    """Results by program's name; each round runs all of them."""
    results = {kind.name: [] for kind in kinds}
    for number in range(rounds):
        say(f"{told}, round {number + 1}")
        for kind in kinds:
            results[kind.name].append(run(world, kind, topic, records, *arguments, **options))
    return results


def bound(results):
    """What bounds the agent's rate: cores used by the agent, the sink and the broker between the first webhook and the last."""
    own, sink, broker = (statistics.median(one["cores"][part] for one in results) for part in range(3))
    total = own + sink + broker
    what = "all cores" if total > os.cpu_count() * 0.92 else "its one thread" if own > 0.92 else "the sink's thread" if sink > 0.92 else "waiting"
    return f"{what}: agent {own:.2f}, sink {sink:.2f}, broker {broker:.2f} cores"


def add_results(world, table, name, results, targets=("", "")):
    """CPU an event and events a second, of each program."""
    table.add(f"{name}: CPU µs an event", {who: [per(world, who, one, "webhooks") for one in lives] for who, lives in results.items()},
              target=targets[0])
    table.add(f"{name}: events/s", {who: [one["rate"] for one in lives] for who, lives in results.items()}, ",.0f", targets[1],
              bound=bound(results["agent"]))


# Scenarios: each fills its topics, runs in turns, and adds its rows


BESIDE_FASTHTTP = ("at most 0.9 x fasthttp", "at least 1 x fasthttp")


def events(world, table, options):
    """Without a run id: nothing but the webhook. Also how soon the first one comes."""
    world.records.fill("bench.none", "none", options.records)
    for in_flight in (64, IN_FLIGHT):
        name = f"{in_flight} in flight"
        results = in_turns(world, f"events without a run id, {name}", PROGRAMS, options.rounds, "bench.none", options.records, in_flight)
        add_results(world, table, name, results, BESIDE_FASTHTTP)
    rows = (("start to first delivery, ms", "start_to_first_ms", ""),
            ("assignment to first delivery, ms", "assigned_to_first_ms", "under 200"))
    for name, key, target in rows:
        table.add(name, {who: [one[key] for one in results[who]] for who in ("agent", "floor")}, ".0f", target, against=())


def tls(world, table, options):
    """The same over TLS: connections that stay, and connections that end with their tenth webhook."""
    world.records.fill_with("bench.tls", options.records, lambda _, one=Template("none", f"{world.sink.tls_url}/hooks/checkout"): one)
    for close_every, what in ((0, "kept alive"), (10, "a tenth on a new connection")):
        name = f"TLS, {what}, 64 in flight"
        results = in_turns(world, name, (Agent, Floor, FastHTTP), options.rounds, "bench.tls", options.records, 64,
                           close_every=close_every, authority=world.authority.file)
        add_results(world, table, name, results, BESIDE_FASTHTTP)


def destinations(world, table, options):
    """The sink listens on every address of 127/8, each of which is a destination."""
    cost = {}
    for count in (1, 100, 1000):
        templates = [Template("none", f"http://127.0.{n // 200}.{n % 200 + 1}:{world.sink.port}/hooks/checkout") for n in range(count)]
        world.records.fill_with(f"bench.destinations.{count}", options.records, lambda n: templates[n % count])
        name = f"{count} destination{'s'[:count > 1]}, 256 in flight"
        results = in_turns(world, name, (Agent, FastHTTP), options.rounds, f"bench.destinations.{count}", options.records)
        add_results(world, table, name, results, BESIDE_FASTHTTP)
        cost[count] = [per(world, "agent", one, "webhooks") for one in results["agent"]]
    add_growth(table, "destinations", cost)


def add_growth(table, what, cost):
    """By how much an event costs more at the most than at the least, in percent."""
    least, most = min(cost), max(cost)
    table.add(f"growth from {least:,} to {most:,} {what}, %", {"agent": [100 * (b / a - 1) for a, b in zip(cost[least], cost[most])]},
              ".0f", "at most 10")


def growth(world, table, options):
    """Does an event cost more the more of them wait? A small backlog is drained by several lives, whose idle parts are taken off."""
    cost = {}
    for count in (1_000, 100_000, 1_000_000):
        say(f"producing a backlog of {count:,}")
        world.records.fill(f"bench.growth.{count}", "none", count)
        lives = max(1, 20_000 // count)
        cost[count] = []
        for number in range(max(1, options.rounds // 2)):
            say(f"{count:,} waiting, round {number + 1}")
            results = [run_agent(world, f"bench.growth.{count}", count, 64) for _ in range(lives)]
            cost[count].append(statistics.mean(per(world, "agent", one, "webhooks") for one in results))
        table.add(f"{count:,} records waiting, 64 in flight: CPU µs an event", {"agent": cost[count]})
    add_growth(table, "records waiting", cost)


def idle(world, table, options):
    """An agent that has nothing to do: who wakes it, and what it holds."""
    wakes, anonymous = [], []
    for number in range(max(1, options.rounds // 2)):
        say(f"idle, round {number + 1}")
        world.sink.reset()
        agent = world.start(Agent, "bench.empty", IN_FLIGHT)
        agent.wait_until(agent.assigned_ns, "assignment")
        time.sleep(2)
        before = agent.wakes()
        time.sleep(10)
        wakes.append((agent.wakes() - before) / 10)
        agent.read_rss()
        anonymous.append(agent.anonymous_kb / 1024)
        agent.finish()
    table.add("idle: wake-ups a second of the loop's thread", {"agent": wakes}, target="at most 3")
    table.add("idle: anonymous memory, MB", {"agent": anonymous}, target="at most 12")


def runs(world, table, options):
    """With a run id: the webhook, its two progress logs, and the results of a synchronous run."""
    count = options.records // 2
    kinds = ("async", "sync")
    world.records.fill("bench.floor", "none", options.records)
    for kind in kinds:
        world.records.fill(f"bench.{kind}", kind, count)
    beside, agent = {one.name: [] for one in (Floor, FastHTTP)}, {kind: [] for kind in kinds}
    for number in range(options.rounds):
        say(f"runs, round {number + 1}")
        for one in (Floor, FastHTTP):
            beside[one.name].append(per(world, one.name, run(world, one, "bench.floor", options.records), "requests"))
        for kind in kinds:
            agent[kind].append(run_agent(world, f"bench.{kind}", count))
    for kind in kinds:
        results = agent[kind]
        requests = statistics.median(r["requests"] / r["webhooks"] for r in results)
        table.add(f"{kind} run, {requests:.2f} requests each: CPU µs a request",
                  {**beside, "agent": [per(world, "agent", r, "requests") for r in results]}, target=BESIDE_FASTHTTP[0])
        table.add(f"{kind} run: CPU µs an event", {"agent": [per(world, "agent", r, "webhooks") for r in results]})
        table.add(f"{kind} run: events/s", {"agent": [r["rate"] for r in results]}, ",.0f", bound=bound(results))


def steady_rate(program, ideal):
    """Webhooks a second once the window is full: after the first second's worth, for four seconds."""
    program.wait_webhooks(ideal)
    before = program.sink.stats()
    time.sleep(4)
    after = program.sink.stats()
    return (after["webhooks"] - before["webhooks"]) / (after["now_ns"] - before["now_ns"]) * 1e9


def fill_backlog(world):
    if not getattr(world, "backlog_filled", False):
        say(f"producing a backlog of {BACKLOG:,}")
        world.records.fill("bench.backlog", "none", BACKLOG)
        world.backlog_filled = True


def slow(world, table, options):
    """An endpoint that takes its time, and a backlog behind it."""
    fill_backlog(world)
    ideal = IN_FLIGHT * 1000 // DELAY_MS
    rates = {Floor: [], Agent: []}
    agents = []
    for number in range(options.rounds):
        say(f"endpoint at {DELAY_MS} ms, round {number + 1}")
        for kind in (Floor, Agent):
            world.sink.reset(DELAY_MS)
            more = (ideal * 6,) if kind is Floor else ()
            program = world.start(kind, "bench.backlog", IN_FLIGHT, *more)
            rates[kind].append(steady_rate(program, ideal))
            result = program.finish()
            if kind is Agent:
                agents.append(result)
    told = {kind.name: rates[kind] for kind in rates}
    table.add(f"endpoint at {DELAY_MS} ms, {IN_FLIGHT} in flight: events/s", told, ",.0f", f"at least {ideal * 0.95:,.0f}", bound="the endpoint")
    table.add("the same as a share of the ideal, %", {who: [rate / ideal * 100 for rate in rated] for who, rated in told.items()},
              target="at least 95", against=())
    table.add(f"{BACKLOG:,} waiting, endpoint at {DELAY_MS} ms: peak RSS, MB", {"agent": [r["rss_mb"] for r in agents]}, target="at most 64")
    table.add("the same: anonymous memory, MB", {"agent": [r["anonymous_mb"] for r in agents]}, target="at most 40")


def backlog(world, table, options):
    """The whole backlog as fast as it goes."""
    fill_backlog(world)
    results = []
    for number in range(max(1, options.rounds // 3)):
        say(f"draining the backlog, round {number + 1}")
        results.append(run_agent(world, "bench.backlog", BACKLOG))
    table.add(f"{BACKLOG:,} drained at full speed: peak RSS, MB", {"agent": [r["rss_mb"] for r in results]}, target="at most 64")
    table.add("the same: events/s", {"agent": [r["rate"] for r in results]}, ",.0f", bound=bound(results))


def trickle(world, kind, topic, count):
    """One record to be sure that it consumes, then a steady rate."""
    world.broker.create(topic)
    world.sink.reset()
    program = world.start(kind, topic, IN_FLIGHT, *((count + 1,) if kind is Floor else ()))
    world.records.single(topic)
    program.wait_webhooks(1)
    time.sleep(0.2)
    world.sink.reset()
    world.records.trickle(topic, count, PER_SECOND)
    if kind is Agent:
        program.wait_webhooks(count)
    return program.finish()


def latency(world, table, options):
    """From the producer's call to the webhook's arrival, at a steady rate that costs nobody anything."""
    count = PER_SECOND * 6
    results = {Floor: [], Agent: []}
    for number in range(options.rounds):
        say(f"latency at {PER_SECOND}/s, round {number + 1}")
        for kind in (Floor, Agent):
            results[kind].append(trickle(world, kind, f"bench.trickle.{kind.name}.{number}", count))
    for name, key in (("p50", "p50_us"), ("p99", "p99_us")):
        table.add(f"latency at {PER_SECOND}/s, {name}, µs", {kind.name: [r[key] for r in results[kind]] for kind in results}, ",.0f",
                  "at most the floor's")


def documented_mapping():
    """The example of docs/mapping.md, with the sink's address in place of its own."""
    return re.search(r"```json\n(.*?)```", (ROOT / "docs/mapping.md").read_text(), re.DOTALL).group(1)


def mapping_files(world, directory):
    """What is measured: no file at all, one that maps nothing, and what is documented, by us and by Port."""
    ours = documented_mapping().replace("https://ci.internal", world.sink.url)
    files = {"a file that changes nothing": "[{}]", "the example of docs/mapping.md": ours,
             "Port's documented example": (ROOT / "tests/e2e/mappings/every_field.json").read_text().replace('".body"', '"."')}
    paths = {}
    for name, text in files.items():
        paths[name] = directory / f"{len(paths)}.json"
        paths[name].write_text(text)
    return paths


def mapped_life(world, count, mapping):
    """CPU of events that pass a mapping, without that of a life in which none came."""
    world.sink.reset()
    agent = world.start(Agent, "bench.empty", IN_FLIGHT, mapping=mapping)
    agent.wait_until(agent.assigned_ns, "assignment")
    idle_us = agent.finish()["cpu_us"]
    result = run_agent(world, "bench.mapped", count, mapping=mapping)
    return (result["cpu_us"] - idle_us) / count, result["evaluating_us"] / count


def mapping(world, table, options):
    """What a mapping file adds to an event: the agent and its evaluator together."""
    world.records.fill("bench.mapped", "mapped", options.records)
    with tempfile.TemporaryDirectory() as directory:
        paths = mapping_files(world, pathlib.Path(directory))
        without, with_file = [], {name: [] for name in paths}
        for number in range(options.rounds):
            say(f"mappings, round {number + 1}")
            without.append(mapped_life(world, options.records, None))
            for name, path in paths.items():
                with_file[name].append(mapped_life(world, options.records, path))
    table.add("no mapping file: CPU µs an event", {"agent": [total for total, _ in without]})
    table.add("no mapping file: CPU µs an event of evaluating", {"agent": [evaluating for _, evaluating in without]}, target="0")
    for name, lives in with_file.items():
        table.add(f"{name} adds: CPU µs an event", {"agent": [life[0] - base[0] for life, base in zip(lives, without)]},
                  target="at most 60" if "example" in name else "")


def turns(world, table, options):
    """How long the loop is at anything: small events, and every hundredth of 900 KB."""
    small, large = Template("none", world.records.url), Template("none", world.records.url, 900_000)
    count = options.records // 10
    world.records.fill_with("bench.turns", count, lambda number: large if number % 100 == 99 else small)
    told = []
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory) / "turns.json"
        for number in range(options.rounds):
            say(f"turns of the loop, round {number + 1}")
            run_agent(world, "bench.turns", count, turns=path)
            told.append(json.loads(path.read_text()))
    table.add("longest turn of the loop, ms", {"agent": [one["longest_us"] / 1000 for one in told]}, target="under 20")
    table.add("the same, of processor time, ms", {"agent": [one["longest_cpu_us"] / 1000 for one in told]}, target="under 20")
    table.add("99.9 % of the turns take at most, ms", {"agent": [one["p999_us"] / 1000 for one in told]})


SCENARIOS = {"events": events, "runs": runs, "tls": tls, "destinations": destinations, "growth": growth, "slow": slow,
             "backlog": backlog, "latency": latency, "idle": idle, "mapping": mapping, "turns": turns}


def arguments():
    parser = argparse.ArgumentParser(prog="./dev bench", description="Measures the agent beside other programs, one after the other.")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is run (default: %(default)s)")
    parser.add_argument("--records", type=int, default=20_000, help="events of a run (default: %(default)s)")
    parser.add_argument("--only", choices=SCENARIOS, action="append", help="measure only this; may be repeated")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/bench", help="where the programs are")
    parser.add_argument("--contender", type=pathlib.Path, default=ROOT / "build/contender", help="the Go program")
    return parser.parse_args()


def main():
    options, table = arguments(), Table([kind.name for kind in PROGRAMS])
    say("starting the broker and the sink")
    world = World(options.build, options.contender)
    try:
        warm_up(world)
        measure_idle(world, options.rounds)
        for name in options.only or SCENARIOS:
            SCENARIOS[name](world, table, options)
    finally:
        world.close()
    print(f"{os.cpu_count()} cores, {options.rounds} rounds of {options.records:,} events; median (lowest – highest); "
          "idle lives taken off: " + ", ".join(f"{name} {us / 1000:.0f} ms" for name, us in world.idle_us.items()))
    table.print()


def warm_up(world):
    """The broker's own first requests are slow: they are nobody's figures."""
    world.records.fill("bench.warm", "none", 10_000)
    run(world, Floor, "bench.warm", 10_000)


if __name__ == "__main__":
    main()
