"""Nobody's trouble is another's: everything of tests/hostile at once, beside a probe that misses nothing."""
import json
import pathlib
import subprocess
import sys
import threading
import time
import urllib.parse

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from harness import ROOT, run_event, wait_until

sys.path.insert(0, str(ROOT / "tests/hostile"))
import endpoint  # noqa: E402
import neighbours  # noqa: E402
import port as hostile_port  # noqa: E402
import records  # noqa: E402

PARTITIONS = 4
PROBE_SECONDS = 0.5
RATIO = 1.5


def resident_kib(agent):
    """What the agent's own process holds; the processes that evaluate mappings come and go."""
    status = pathlib.Path(f"/proc/{agent.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


class Probe:
    """An ordinary run now and then, for as long as it is open."""

    def __init__(self, world, receiver):
        self.world, self.receiver, self.runs, self.over = world, receiver, [], threading.Event()
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def work(self):
        while not self.over.wait(PROBE_SECONDS):
            self.runs.append(f"r_probe_{len(self.runs)}")
            self.world.produce(run_event(self.runs[-1], self.receiver.url + "/ok"))

    def close(self):
        self.over.set()
        self.thread.join()


@pytest.fixture
def hostile_endpoint():
    process = subprocess.Popen([sys.executable, str(ROOT / "tests/hostile/endpoint.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    yield json.loads(process.stdout.readline())
    process.kill()
    process.wait()


@pytest.fixture
def evil_port(port):
    one = hostile_port.HostilePort(port)
    yield one
    one.close()


def write_forged(world, forged):
    producer = Producer({"bootstrap.servers": world.kafka.bootstrap, "message.max.bytes": 67108864})
    for kind, key, value, headers in forged.values():
        producer.produce(world.runs if kind == "runs" else world.changes, value=value, key=key, headers=headers)
    assert producer.flush(60) == 0


def wait_for_commits(world, timeout=120):
    """Until every record of the runs topic is committed."""
    consumer = Consumer({"bootstrap.servers": world.kafka.bootstrap, "group.id": world.group})
    partitions = [TopicPartition(world.runs, number) for number in range(PARTITIONS)]

    def left():
        ends = [consumer.get_watermark_offsets(partition, timeout=30)[1] for partition in partitions]
        return [(end, one.offset) for end, one in zip(ends, consumer.committed(partitions, timeout=30)) if max(one.offset, 0) < end]

    try:
        wait_until(lambda: not left(), "not everything is committed", timeout)
    finally:
        consumer.close()


def finals(port, run):
    """What Port was told to be the run's end."""
    with port.lock:
        return [body for method, path, body in port.calls if method == "PATCH" and path == f"/v1/actions/runs/{run}"]


def wait_for_ends(port, names, timeout=120):
    """Until Port was told an end of each of these runs."""
    without = lambda: [name for run, name in names.items() if not finals(port, run)]
    deadline = time.monotonic() + timeout
    while missing := without():
        assert time.monotonic() < deadline, f"without an end: {missing}"
        time.sleep(0.1)


def test_a_probe_misses_nothing_among_the_hostile(make_world, port, receiver, hostile_endpoint, evil_port):
    assert len(endpoint.BEHAVIOURS) + len(hostile_port.BEHAVIOURS) + len(neighbours.BEHAVIOURS) > 170
    world = make_world(PARTITIONS)
    # Whoever is silent is found out by the first of these alone, and whoever answers has to do so in time on a machine that is busy.
    agent = world.agent(PORT_API_BASE_URL=evil_port.url, WEBHOOK_INVOKER_TIMEOUT="15", WEBHOOK_TOTAL_TIMEOUT="20", WEBHOOK_RETRY_MAX_ELAPSED="3",
                        GITLAB_URL=receiver.url + "/").assigned()
    probe = Probe(world, receiver)
    # What ordinary work takes, so that what the hostile leave behind can be told from it.
    ordinary = [f"r_ordinary_{n}" for n in range(200)]
    world.produce(*[run_event(run, receiver.url + "/big/50000") for run in ordinary])
    wait_for_ends(port, {run: run for run in ordinary})
    hostile_runs, ok = records.hostile_runs(receiver.url + "/ok"), receiver.url + "/ok"
    rows = {**{f"r_record_{number}": (name, outcome) for number, (name, (outcome, _)) in enumerate(hostile_runs.items())},
            **{f"r_endpoint_{number}": (name, row.outcome) for number, (name, row) in enumerate(endpoint.BEHAVIOURS.items())}}
    names = {run: name for run, (name, _) in rows.items()}
    before = resident_kib(agent)
    write_forged(world, records.forged(receiver.url + "/trap"))
    world.produce(*[make(f"r_record_{number}") for number, (_, make) in enumerate(hostile_runs.values())])
    world.produce(*[run_event(f"r_endpoint_{number}", f"{row.scheme}://user:password@127.0.0.1:{hostile_endpoint[name]}{row.target}")
                    for number, (name, row) in enumerate(endpoint.BEHAVIOURS.items())])
    world.produce(*[run_event(run, ok) for run in (*evil_port.rows, *records.IDS.values())])
    place = neighbours.Place(world, agent)
    for behaviour in neighbours.BEHAVIOURS:
        behaviour(place)

    wait_for_ends(port, names)
    # A revocation would wait for those that never answer (test_rebalance.py).
    neighbours.joins_takes_what_it_can_and_leaves(place)
    probe.close()
    wait_for_ends(port, {run: run for run in probe.runs})
    wait_for_commits(world)
    after = resident_kib(agent)
    print(f"resident: {before} KiB before, {after} KiB after; {len(probe.runs)} probes")
    told = {run: {one.get("status") for one in finals(port, run)} for run in names}
    wrong = lambda run, outcome: len(told[run]) != 1 or outcome not in (None, *told[run])
    assert {name: (finals(port, run), outcome) for run, (name, outcome) in rows.items() if wrong(run, outcome)} == {}
    assert [run for run in probe.runs if finals(port, run)[0] != {"status": "SUCCESS"}] == []
    # Nothing was done on the word of a forged record, except that its workflow would wait for ever.
    meant = ("/ok", "/big/", "/api/v4/projects/..%2F..%2F..%2F..%2Fx%3Fy%23z/")
    assert [hit for hit in receiver.seen.snapshot() if not hit["path"].startswith(meant)] == []
    assert port.of_run("r_forged") == port.of_run("r_forged2") == []
    # Every behaviour of Port was met; a run whose id is none of Port's was delivered, and Port was not called about it, or about something else.
    assert evil_port.unmet() == []
    asked = {urllib.parse.unquote(path.split("/")[4]) for _, path, _ in port.calls if path.startswith("/v1/actions/runs/")}
    assert asked <= {*names, *ordinary, *probe.runs, *evil_port.rows} and set(records.IDS.values()) <= set(receiver.runs())
    assert {path for _, path, _ in port.calls if not path.startswith("/v1/actions/runs/")} <= {
        "/v1/auth/access_token", "/v1/organization", "/v1/workflows/nodes/runs/wfnr_forged"}
    assert agent.terminate() == 0
    assert after < before * RATIO
