"""The agents of a run: each has a place of its own (log, clock, dead letters), and is started again after whatever happened to it."""
import glob
import os
import signal
import subprocess
import threading
import time

from broker import free_port
from harness import BINARY
from livez import Life

STOP_SECONDS = 25  # for an agent to exit after SIGTERM: its drain time, two seconds to leave the group, and a loaded machine


def faketime_library():
    found = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
    return found[0] if found else None


class Place:
    """One agent after another: at most one at a time."""

    def __init__(self, number, environment, directory):
        self.number, self.directory = number, directory / f"agent-{number}"
        self.directory.mkdir(parents=True)
        self.clock = self.directory / "clock"
        self.clock.write_text("+0")
        # An address of its own, so that nobody else comes to listen there between two lives.
        self.address = f"127.0.2.{number + 1}:{free_port()}"
        self.environment = {"PATH": os.environ["PATH"], "ADMIN_LISTEN": self.address, **environment}
        if faketime_library():
            self.environment |= {"LD_PRELOAD": faketime_library(), "FAKETIME_TIMESTAMP_FILE": str(self.clock), "FAKETIME_CACHE_DURATION": "1",
                                 "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}
        self.lock = threading.RLock()  # one thing at a time happens to it
        self.process, self.starts, self.complaints, self.peak_rss = None, 0, [], 0
        self.life = None  # of the process

    def start(self):
        self.starts += 1
        self.log = self.directory / f"{self.starts}.log"
        with open(self.log, "wb") as out:
            self.process = subprocess.Popen([BINARY], env=self.environment, stdout=out, stderr=out, cwd=self.directory)
        self.life = Life(self.number)

    def gone(self):
        self.life.ended_at = time.monotonic()
        self.process = self.life = None

    def look(self):
        """Complains when the agent has gone although nobody asked it to; restarts it, so that the run goes on."""
        if not self.lock.acquire(blocking=False):
            return
        try:
            if self.process and self.process.poll() is not None:
                self.complain(f"exited by itself with {self.process.returncode}")
                self.gone()
                self.start()
            elif self.process:
                self.peak_rss = max(self.peak_rss, self.rss())
        finally:
            self.lock.release()

    def complain(self, text):
        last = self.log.read_text(errors="replace").splitlines()[-5:]
        self.complaints.append(f"agent {self.number} {text}; {self.log}: {last}")

    def rss(self):
        try:
            with open(f"/proc/{self.process.pid}/statm") as statm:
                return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, IndexError):
            return 0

    def kill(self):
        self.life.killed_at = time.monotonic()
        self.process.kill()
        self.process.wait()
        self.gone()

    def terminate(self):
        self.life.stopping_at = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_SECONDS)
            if code != 0:
                self.complain(f"exited with {code} after SIGTERM")
        except subprocess.TimeoutExpired:
            self.complain(f"did not exit within {STOP_SECONDS} s of SIGTERM")
            self.process.kill()
            self.process.wait()
        self.gone()

    def freeze(self, seconds):
        self.process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self.process.send_signal(signal.SIGCONT)

    def step_clock(self, offset, seconds):
        self.clock.write_text(f"{offset:+d}")
        time.sleep(seconds)
        self.clock.write_text("+0")
