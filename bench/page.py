"""What webhooks feel of a live page that somebody has open: its stream of events, which is all that the page asks for by itself.

Each round runs the same records twice, without and with the page: the machine's mood is then in both. The exit code is 1 when the p99 with
the page is more than a tenth above that without, as the median of the rounds. How long the agent's loop was busy is printed of each run: other
work on the machine hardly changes that."""
import pathlib
import socket
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/e2e"))
from broker import Broker  # noqa: E402
from pairs import WITH, compare_latencies, parser_of  # noqa: E402
from programs import Agent, Sink, on_cpu_us  # noqa: E402
from records import Records, Template  # noqa: E402
from tables import say  # noqa: E402

ALLOWED = 0.10
# What a browser does with the page, without drawing it: a process of its own, which says when the page is open, and at last how many bytes
# came. A browser is on another machine: on this one it costs no more than it must.
READER = """
import os, signal, socket, sys
events = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
events.sendall(f"GET /events HTTP/1.1\\r\\nHost: 127.0.0.1:{sys.argv[1]}\\r\\nConnection: close\\r\\n\\r\\n".encode())
came = len(events.recv(65536))
print(flush=True)
signal.signal(signal.SIGTERM, lambda *_: (print(came, flush=True), os._exit(0)))
while piece := events.recv(65536):
    came += len(piece)
"""


class World:
    def __init__(self, build):
        self.agent_binary = str(build / "port-agent")
        self.broker = Broker()
        self.broker.start()
        self.broker.create("bench.changes")
        self.sink = Sink(str(build / "bench/bench-sink"))
        self.records = Records(self.broker, "")
        self.template = Template("async", self.sink.url + "/hooks")

    def close(self):
        self.sink.stop()
        self.broker.stop()


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def run(world, form, number, options):
    """One agent's life; when the webhooks arrived, in µs from when their records were written."""
    topic, count, port = f"bench.page.{form}.{number}", options.per_second * options.seconds, free_port()
    world.broker.create(topic)
    world.sink.reset()
    agent, reader = Agent(world, topic, 256, ADMIN_LISTEN=f"127.0.0.1:{port}"), None
    try:
        world.records.single(topic, world.template)
        agent.wait_webhooks(1)
        world.sink.reset()
        if form == WITH:
            reader = subprocess.Popen([sys.executable, "-c", READER, str(port)], stdout=subprocess.PIPE, text=True)
            reader.stdout.readline()  # starting Python is not what is measured
        before_us = on_cpu_us(agent.process.pid)
        world.records.trickle(topic, count, options.per_second, lambda _: world.template)
        agent.wait_webhooks(count)
        busy_ms = (on_cpu_us(agent.process.pid) - before_us) / 1000 / options.seconds
    finally:
        if reader:
            reader.terminate()
            came = int(reader.communicate()[0] or 0)
            assert came > count, f"the page was told {came} bytes of {count} webhooks"
        agent.kill()
    latency = world.sink.stats()["latency_us"]
    say(f"{form}: {count} webhooks, p99 {latency['p99'] / 1000:.2f} ms, the loop busy for {busy_ms:.1f} ms a second" + (f", {came / 1e6:.1f} MB to the page" if reader else ""))
    return latency


def main():
    parser = parser_of("page", __doc__, 1000, 15, "events")
    options = parser.parse_args()
    say("starting the broker and the sink")
    return compare_latencies(World(options.build), run, options, "events", ALLOWED, ("alone", "with the page open"))


if __name__ == "__main__":
    sys.exit(main())
