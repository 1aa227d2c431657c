"""Everything of tests/hostile against one agent, in a process of its own so that it takes nothing from whoever measures.

    trouble.py BOOTSTRAP OK     prints the URL of a Port as JSON; OK: a URL that answers

Then each line on standard input is a JSON object: the topics `runs` and `changes`, the `group`, the agent's `pid`, `kinds` (some of KINDS),
and the `seconds` over which the trouble is spread. It is answered by a line when all of it is done."""
import concurrent.futures
import functools
import json
import os
import pathlib
import random
import subprocess
import sys
import time
import types

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests/e2e"), str(ROOT / "tests/hostile")]
from confluent_kafka import Producer  # noqa: E402
from confluent_kafka.admin import AdminClient  # noqa: E402

import endpoint  # noqa: E402
import neighbours  # noqa: E402
import port as hostile_port  # noqa: E402
import records  # noqa: E402
from harness import run_event  # noqa: E402
from port_api import PortApi  # noqa: E402

# Whoever stops the process, or takes its partitions away, delays what is delivered; that says nothing about the agent.
NOT_BESIDE = (neighbours.freezes_it_for_a_second, neighbours.adds_a_partition)


def spread(deeds, seconds, begin):
    for number, deed in enumerate(deeds):
        time.sleep(max(0, begin + seconds * number / len(deeds) - time.monotonic()))
        deed()


KINDS = ("runs", "endpoints", "port", "forged", "neighbours")


class Trouble:
    def __init__(self, bootstrap, ok):
        self.bootstrap, self.ok = bootstrap, ok
        self.producer = Producer({"bootstrap.servers": bootstrap, "message.max.bytes": 67108864, "linger.ms": 0})
        self.endpoint = subprocess.Popen([sys.executable, str(ROOT / "tests/hostile/endpoint.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.ports = json.loads(self.endpoint.stdout.readline())
        self.port = hostile_port.HostilePort(PortApi())
        self.forged = records.forged(ok + "/trap")
        self.hostile_runs = [make(f"r_record_{number}") for number, (_, make) in enumerate(records.hostile_runs(ok).values())]

    def write(self, topic, value, key=None, headers=None):
        self.producer.produce(topic, value=value, key=key, headers=headers)
        self.producer.poll(0)

    def records(self, runs, changes, kinds):
        """A function for each that is written."""
        topics = {"runs": runs, "changes": changes}
        written = {
            "runs": [(runs, value) for value in self.hostile_runs],
            "endpoints": [(runs, run_event(f"r_endpoint_{number}", f"{row.scheme}://user:password@127.0.0.1:{self.ports[name]}{row.target}"))
                          for number, (name, row) in enumerate(endpoint.BEHAVIOURS.items())],
            "port": [(runs, run_event(run, self.ok)) for run in (*self.port.rows, *records.IDS.values())],
            "forged": [(topics[kind], value, key, headers) for kind, key, value, headers in self.forged.values()]}
        return [functools.partial(self.write, *one) for kind in kinds if kind in written for one in written[kind]]

    def neighbours(self, runs, changes, group, pid):
        """A function for each thing that they do."""
        kafka = types.SimpleNamespace(bootstrap=self.bootstrap, admin=lambda: AdminClient({"bootstrap.servers": self.bootstrap}))
        world = types.SimpleNamespace(kafka=kafka, runs=runs, changes=changes, group=group)
        place = neighbours.Place(world, types.SimpleNamespace(process=types.SimpleNamespace(pid=pid)))
        return [functools.partial(one, place) for one in neighbours.BEHAVIOURS if one not in NOT_BESIDE]

    def strike(self, seconds, runs, changes, group, pid, kinds):
        with self.port.lock:
            self.port.answered.clear()
        written = self.records(runs, changes, kinds)
        done = self.neighbours(runs, changes, group, pid) if "neighbours" in kinds else []
        random.Random(5).shuffle(written)
        begin = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(2) as pool:  # some neighbours take their time
            for ended in [pool.submit(spread, deeds, seconds, begin) for deeds in (written, done)]:
                ended.result()
        assert self.producer.flush(60) == 0
        return {"done": len(written) + len(done), "seconds": time.monotonic() - begin}


def main():
    trouble = Trouble(*sys.argv[1:])
    print(json.dumps(trouble.port.url), flush=True)
    try:
        for line in sys.stdin:
            # What neighbours print is for people.
            with open(os.devnull, "w") as nowhere:
                told, sys.stdout = sys.stdout, nowhere
                done = trouble.strike(**json.loads(line))
                sys.stdout = told
            print(json.dumps(done), flush=True)
    finally:
        trouble.endpoint.kill()


if __name__ == "__main__":
    main()
