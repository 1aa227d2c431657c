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
from programs import Agent, Floor, Sink  # noqa: E402
from records import Records, Template  # noqa: E402

IN_FLIGHT = 256
DELAY_MS = 50
BACKLOG = 200_000
PER_SECOND = 200


class World:
    """What all runs share."""

    def __init__(self, build):
        self.agent_binary, self.floor_binary = str(build / "port-agent"), str(build / "bench/bench-floor")
        self.turns_library = str(build / "bench/bench-turns.so")
        self.running = []
        self.idle_us = {}
        self.broker = Broker()
        self.sink = Sink(str(build / "bench/bench-sink"))
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


# Runs

def run_floor(world, topic, records, in_flight=IN_FLIGHT, delay_ms=0):
    world.sink.reset(delay_ms)
    return world.start(Floor, topic, in_flight, records).finish()


def run_agent(world, topic, records, in_flight=IN_FLIGHT, delay_ms=0, **options):
    world.sink.reset(delay_ms)
    agent = world.start(Agent, topic, in_flight, **options)
    agent.wait_webhooks(records)
    agent.wait_quiet()
    return agent.finish()


def measure_idle(world, rounds):
    """CPU of a life without a record: start, join the group, leave, end. Taken off every other run's."""
    lives = {"floor": [], "agent": []}
    for _ in range(rounds):
        lives["floor"].append(run_floor(world, "bench.empty", 0)["cpu_us"])
        world.sink.reset()
        agent = world.start(Agent, "bench.empty", IN_FLIGHT)
        agent.wait_until(agent.assigned_ns, "assignment")
        lives["agent"].append(agent.finish()["cpu_us"])
    world.idle_us = {name: statistics.median(values) for name, values in lives.items()}


def per(world, name, result, unit):
    return (result["cpu_us"] - world.idle_us[name]) / result[unit]


# Tables

def shown(values, form):
    return f"{statistics.median(values):{form}} ({min(values):{form}} – {max(values):{form}})"


class Table:
    def __init__(self):
        self.rows = []

    def add(self, figure, floor, agent, target, form=".1f", ratio=True):
        ratios = [a / f for a, f in zip(agent, floor)] if floor and ratio else []
        self.rows.append((figure, shown(floor, form) if floor else "", shown(agent, form),
                          shown(ratios, ".2f") if ratios else "", target))

    def print(self):
        head = ("figure", "floor", "agent", "agent / floor", "target")
        print_table(head, self.rows)


def print_table(head, rows):
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    line = lambda cells: "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths)) + " |"
    print(line(head), "|" + "|".join("-" * (width + 2) for width in widths) + "|", *map(line, rows), sep="\n", flush=True)


def say(text):
    print(f"[{time.monotonic() - say.start:4.0f}s] {text}", file=sys.stderr, flush=True)


say.start = time.monotonic()

# Scenarios: each fills its topics, runs in turns, and adds its rows


def events(world, table, options):
    """Without a run id: nothing but the webhook. Also how soon the first one comes."""
    world.records.fill("bench.none", "none", options.records)
    for in_flight in (IN_FLIGHT, 64):
        floor, agent, quiet = [], [], []
        for number in range(options.rounds):
            say(f"events without a run id, {in_flight} in flight, round {number + 1}")
            floor.append(run_floor(world, "bench.none", options.records, in_flight))
            agent.append(run_agent(world, "bench.none", options.records, in_flight))
            if in_flight == IN_FLIGHT:
                quiet.append(run_agent(world, "bench.none", options.records, in_flight, level="WARNING"))
        name = f"no run id, {in_flight} in flight"
        add_cpu(world, table, name, floor, agent, "at most 1.25 x")
        table.add(f"{name}: events/s", [r["rate"] for r in floor], [r["rate"] for r in agent], "", ",.0f")
        if quiet:
            add_cpu(world, table, f"{name}, LOG_LEVEL=WARNING", floor, quiet, "")
            add_start(table, floor, agent)


def add_cpu(world, table, name, floor, agent, target):
    table.add(f"{name}: CPU µs an event", [per(world, "floor", r, "webhooks") for r in floor],
              [per(world, "agent", r, "webhooks") for r in agent], target)


def add_start(table, floor, agent):
    rows = (("start to first delivery, ms", "start_to_first_ms", ""),
            ("assignment to first delivery, ms", "assigned_to_first_ms", "under 200"))
    for name, key, target in rows:
        table.add(name, [r[key] for r in floor], [r[key] for r in agent], target, ".0f", ratio=False)


def runs(world, table, options):
    """With a run id: the webhook, its two progress logs, and the results of a synchronous run."""
    count = options.records // 2
    kinds = ("async", "sync")
    world.records.fill("bench.floor", "none", options.records)
    for kind in kinds:
        world.records.fill(f"bench.{kind}", kind, count)
    floor, agent = [], {kind: [] for kind in kinds}
    for number in range(options.rounds):
        say(f"runs, round {number + 1}")
        floor.append(run_floor(world, "bench.floor", options.records))
        for kind in kinds:
            agent[kind].append(run_agent(world, f"bench.{kind}", count))
    floor_cpu = [per(world, "floor", r, "requests") for r in floor]
    for kind in kinds:
        results = agent[kind]
        requests = statistics.median(r["requests"] / r["webhooks"] for r in results)
        table.add(f"{kind} run, {requests:.2f} requests each: CPU µs a request", floor_cpu,
                  [per(world, "agent", r, "requests") for r in results], "at most 1.25 x")
        table.add(f"{kind} run: CPU µs an event", [], [per(world, "agent", r, "webhooks") for r in results], "")
        table.add(f"{kind} run: events/s", [], [r["rate"] for r in results], "", ",.0f")


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
    table.add(f"endpoint at {DELAY_MS} ms, {IN_FLIGHT} in flight: events/s", rates[Floor], rates[Agent], f"at least {ideal * 0.95:,.0f}", ",.0f")
    table.add("the same as a share of the ideal, %", [r / ideal * 100 for r in rates[Floor]],
              [r / ideal * 100 for r in rates[Agent]], "at least 95", ratio=False)
    table.add(f"peak RSS with {BACKLOG:,} waiting, endpoint at {DELAY_MS} ms, MB", [], [r["rss_mb"] for r in agents], "at most 64")


def backlog(world, table, options):
    """The whole backlog as fast as it goes."""
    fill_backlog(world)
    results = []
    for number in range(max(1, options.rounds // 3)):
        say(f"draining the backlog, round {number + 1}")
        results.append(run_agent(world, "bench.backlog", BACKLOG))
    table.add(f"peak RSS, {BACKLOG:,} drained at full speed, MB", [], [r["rss_mb"] for r in results], "at most 64")
    table.add("the same: events/s", [], [r["rate"] for r in results], "", ",.0f")


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
    for name, key, target in (("p50", "p50_us", ""), ("p99", "p99_us", "at most 1.3 x")):
        table.add(f"latency at {PER_SECOND}/s, {name}, µs", [r[key] for r in results[Floor]], [r[key] for r in results[Agent]], target, ",.0f")


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
    table.add("no mapping file: CPU µs an event", [], [total for total, _ in without], "")
    table.add("no mapping file: CPU µs an event of evaluating", [], [evaluating for _, evaluating in without], "0")
    for name, lives in with_file.items():
        table.add(f"{name} adds: CPU µs an event", [], [life[0] - base[0] for life, base in zip(lives, without)],
                  "at most 60" if "example" in name else "")


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
    table.add("longest turn of the loop, ms", [], [one["longest_us"] / 1000 for one in told], "under 20")
    table.add("the same, of processor time, ms", [], [one["longest_cpu_us"] / 1000 for one in told], "under 20")
    table.add("99.9 % of the turns take at most, ms", [], [one["p999_us"] / 1000 for one in told], "")


SCENARIOS = {"events": events, "runs": runs, "slow": slow, "backlog": backlog, "latency": latency,
             "mapping": mapping, "turns": turns}


def arguments():
    parser = argparse.ArgumentParser(prog="./dev bench", description="Measures the agent beside a floor program.")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is run (default: %(default)s)")
    parser.add_argument("--records", type=int, default=20_000, help="events of a run (default: %(default)s)")
    parser.add_argument("--only", choices=SCENARIOS, action="append", help="measure only this; may be repeated")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/bench", help="where the programs are")
    return parser.parse_args()


def main():
    options, table = arguments(), Table()
    say("starting the broker and the sink")
    world = World(options.build)
    try:
        run_floor_warmup(world)
        measure_idle(world, options.rounds)
        for name in options.only or SCENARIOS:
            SCENARIOS[name](world, table, options)
    finally:
        world.close()
    print(f"{os.cpu_count()} cores, {options.rounds} rounds of {options.records:,} events; median (lowest – highest); "
          f"idle lives taken off: floor {world.idle_us['floor'] / 1000:.0f} ms, agent {world.idle_us['agent'] / 1000:.0f} ms")
    table.print()


def run_floor_warmup(world):
    """The broker's own first requests are slow: they are nobody's figures."""
    world.records.fill("bench.warm", "none", 10_000)
    run_floor(world, "bench.warm", 10_000)


if __name__ == "__main__":
    main()
