"""The processes of a benchmark. The floor and the agent are measured from outside, in the same way."""
import calendar
import http.client
import itertools
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time

from harness import SECRET

PATIENCE_S = 120
numbers = itertools.count(1)


class Sink:
    def __init__(self, binary, certificate=()):
        """`certificate`: the paths of one and of its key; with them it speaks TLS on a second port."""
        self.process = subprocess.Popen([binary, *(("--tls", *certificate) if certificate else ())], stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}"
        if certificate:
            self.tls_url = f"https://127.0.0.1:{int(self.process.stdout.readline())}"
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)

    def _get(self, path):
        self.connection.request("GET", path)
        return json.loads(self.connection.getresponse().read())

    def stats(self):
        return self._get("/stats")

    def reset(self, delay_ms=0, per_second=0, close_every=0):
        self._get(f"/reset?delay_ms={delay_ms}&per_second={per_second}&close_every={close_every}")

    def stop(self):
        self.process.terminate()
        self.process.wait()


def log_time_ns(text):
    """2026-01-13T15:20:16.641Z"""
    seconds = calendar.timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S"))
    return seconds * 10**9 + int(text[20:23]) * 10**6


def children(pid):
    return [int(one) for task in pathlib.Path(f"/proc/{pid}/task").iterdir() for one in (task / "children").read_text().split()]


def on_cpu_us(pid):
    """Of a process's first thread, which is the agent's loop."""
    return int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1000


def ticks(pid):
    """CPU seconds of a process that runs."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Program:
    """A process with its life: `used` is what the kernel says it used when it has ended."""

    def __init__(self, world, command, environment):
        self.sink = world.sink
        self.others = [world.sink.process.pid, world.broker.process.pid]
        self.before = [ticks(pid) for pid in self.others]
        self.output = tempfile.TemporaryFile("w+")
        self.start_ns = time.time_ns()
        self.process = subprocess.Popen(command, env=environment, cwd="/tmp", stdin=subprocess.DEVNULL, stdout=self.output)
        self.peak_rss_kb = self.anonymous_kb = 0

    def wait_until(self, true, what):
        deadline = time.monotonic() + PATIENCE_S
        while not true():
            assert self.process.poll() is None, f"{self.process.args[0]} ended by itself: {self.text()[-2000:]}"
            assert time.monotonic() < deadline, f"{what}: not within {PATIENCE_S} s"
            time.sleep(0.05)

    def wait_webhooks(self, count):
        self.wait_until(lambda: self.sink.stats()["webhooks"] >= count, f"{count} webhooks")

    def wait_quiet(self):
        """No request of any kind came for a while."""
        seen = [None] * 6
        def quiet():
            stats = self.sink.stats()
            seen.append(stats["webhooks"] + stats["port_calls"])
            return len(set(seen[-6:])) == 1
        self.wait_until(quiet, "quiet")

    def text(self):
        self.output.seek(0)
        return self.output.read()

    def read_rss(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                self.peak_rss_kb = int(line.split()[1])
            if line.startswith("RssAnon:"):
                self.anonymous_kb = int(line.split()[1])

    def end(self):
        """Waits for the process; its CPU time is that of its whole life."""
        _, status, used = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        assert self.process.returncode == 0, f"{self.process.args[0]} exited with {self.process.returncode}: {self.text()[-2000:]}"
        self.cpu_us = (used.ru_utime + used.ru_stime) * 1e6

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def result(self, assigned_ns):
        """What a run came to. `cpu_us` still has the idle life in it."""
        stats = self.sink.stats()
        webhooks, first_ns, last_ns = stats["webhooks"], stats["first_ns"], stats["last_ns"]
        busy_s = [self.cpu_us / 1e6, *(ticks(pid) - before for pid, before in zip(self.others, self.before))]
        return {"webhooks": webhooks, "requests": webhooks + stats["port_calls"], "cpu_us": self.cpu_us,
                "rss_mb": self.peak_rss_kb / 1024, "anonymous_mb": self.anonymous_kb / 1024, "connections": stats["connections"],
                "cores": [one / max((last_ns - first_ns) / 1e9, 1e-9) for one in busy_s],
                "rate": (webhooks - 1) / max((last_ns - first_ns) / 1e9, 1e-9),
                "assigned_to_first_ms": (first_ns - assigned_ns) / 1e6,
                "start_to_first_ms": (first_ns - self.start_ns) / 1e6,
                "p50_us": stats["latency_us"]["p50"], "p99_us": stats["latency_us"]["p99"]}


class Floor(Program):
    """Ends by itself after so many answers (0: once it has its assignment)."""
    name = "floor"

    def __init__(self, world, topic, in_flight, records, authority=None):
        super().__init__(world, self.command(world, topic, in_flight, records, authority), {"PATH": os.environ["PATH"]})

    def command(self, world, topic, in_flight, records, authority):
        return [world.programs[self.name], world.broker.bootstrap, topic, f"{self.name}-{os.getpid()}-{next(numbers)}", SECRET,
                str(in_flight), str(records), *([str(authority)] if authority else [])]

    def finish(self):
        self.end()
        told = json.loads(self.text())
        self.peak_rss_kb = told["peak_rss_kb"]
        return self.result(told["assigned_ns"])


class Raw(Floor):
    name = "raw sockets"


class FastHTTP(Floor):
    name = "fasthttp"

    def command(self, world, topic, in_flight, records, authority):
        return [world.programs["go"], "-client", self.name, "-brokers", world.broker.bootstrap, "-topic", topic,
                "-group", f"go-{os.getpid()}-{next(numbers)}", "-secret", SECRET, "-in-flight", str(in_flight), "-records", str(records),
                *(["-ca", str(authority)] if authority else [])]


class NetHTTP(FastHTTP):
    name = "net/http"


class Agent(Program):
    name = "agent"

    def __init__(self, world, topic, in_flight, level="INFO", mapping=None, turns=None, **settings):
        self.group = f"agent-{os.getpid()}-{next(numbers)}"
        environment = {
            "PATH": os.environ["PATH"], "PORT_ORG_ID": "org_bench", "PORT_CLIENT_ID": "client", "PORT_CLIENT_SECRET": SECRET,
            "PORT_API_BASE_URL": world.sink.url, "USING_LOCAL_PORT_INSTANCE": "true",
            "KAFKA_CONSUMER_BOOTSTRAP_SERVERS": world.broker.bootstrap,
            "KAFKA_CONSUMER_GROUP_ID": self.group, "KAFKA_RUNS_TOPIC": topic,
            "KAFKA_CHANGE_LOG_TOPIC": "bench.changes", "WEBHOOK_MAX_IN_FLIGHT": str(in_flight), "LOG_LEVEL": level,
            "LOG_FORMAT": "json", **settings}
        if mapping:
            environment["CONTROL_THE_PAYLOAD_CONFIG_PATH"] = str(mapping)
        if turns:
            environment |= {"LD_PRELOAD": world.turns_library, "BENCH_TURNS": str(turns)}
        super().__init__(world, [world.agent_binary], environment)

    def assigned_ns(self):
        for line in self.text().splitlines():
            if '"partitions assigned"' in line:
                return log_time_ns(json.loads(line)["time"])
        return 0

    def summary(self):
        """Its counters as they are now."""
        told = lambda: [line for line in self.text().splitlines() if '"msg":"summary"' in line]
        before = len(told())
        self.process.send_signal(signal.SIGUSR1)
        self.wait_until(lambda: len(told()) > before, "summary")
        return json.loads(told()[-1])

    def finish(self):
        self.read_rss()
        evaluating_us = self.evaluating_us()
        self.process.send_signal(signal.SIGTERM)
        self.end()
        self.cpu_us += evaluating_us
        return {**self.result(self.assigned_ns()), "evaluating_us": evaluating_us}

    def wakes(self):
        """How often the loop's thread has waited."""
        status = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/status").read_text()
        return int(status.split("\nvoluntary_ctxt_switches:")[1].split()[0])

    def evaluating_us(self):
        """CPU of the process that evaluates mappings: nobody waits for it, so the agent's own time does not hold it."""
        return sum(on_cpu_us(evaluator) for process in children(self.process.pid) for compiler in children(process) for evaluator in children(compiler))
