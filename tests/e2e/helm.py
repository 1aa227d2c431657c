"""Helm, built from its Go module into .cache/go/bin. A bare machine takes minutes for it: the build starts with the tests, most of
which wait for something rather than compute, and yields to them; those that need Helm come last (conftest.py). Of several processes that
run tests one builds, and the others wait for what it builds."""
import fcntl
import os
import shutil
import subprocess

from harness import ROOT

VERSION = "v3.12.3"  # the newest whose module builds with Debian 12's Go 1.19
TOOLS = ROOT / ".cache/go"


class Helm:
    def __init__(self, tools=TOOLS):
        self.tools, self.program, self.work = tools, tools / f"bin/helm-{VERSION}", tools / "build"
        self.build = self.lock = None

    def start(self):
        """Starts the build if there is no Helm yet and nobody else builds it."""
        if self.program.exists() or not shutil.which("go"):
            return
        self.tools.mkdir(parents=True, exist_ok=True)
        self.lock = open(self.tools / "lock", "w")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        environment = {**os.environ, "GOPATH": str(self.work / "path"), "GOCACHE": str(self.work / "cache"), "GOBIN": str(self.work / "bin"),
                       "CGO_ENABLED": "0", "GOFLAGS": "-mod=mod -modcacherw", "GOTOOLCHAIN": "local"}
        self.work.mkdir(parents=True, exist_ok=True)
        self.log = open(self.work / "log", "w+")
        self.build = subprocess.Popen(["nice", "go", "install", "-ldflags=-s -w", f"helm.sh/helm/v3/cmd/helm@{VERSION}"], env=environment, cwd=self.tools,
                                      stdout=self.log, stderr=subprocess.STDOUT)

    def ready(self):
        """Waits for the build, whoever does it. Returns the program's path."""
        if self.build:
            self._keep()
        elif self.lock and not self.program.exists():
            fcntl.flock(self.lock, fcntl.LOCK_EX)  # until the other process has built it, or given up
        assert self.program.exists(), "there is no Helm: install golang-go, or see what the process that built it says"
        return self.program

    def close(self):
        """Ends a build that nobody waited for. Of several processes the builder may run no test that needs Helm while another does:
        then what it builds stays, whether the build is through by now or not."""
        if self.build and "PYTEST_XDIST_WORKER" in os.environ:
            self._keep()
        else:
            self._drop()

    def _keep(self):
        code = self.build.wait()
        self.log.seek(0)
        assert code == 0, self.log.read()
        self.program.parent.mkdir(parents=True, exist_ok=True)
        (self.work / "bin/helm").rename(self.program)
        self._drop()

    def _drop(self):
        """Lets the others go on. What a build leaves behind is 1 GB and goes."""
        if self.build:
            self.build.terminate()
            self.build.wait()
            self.build = None
            self.log.close()
            shutil.rmtree(self.work, ignore_errors=True)
        if self.lock:
            self.lock.close()
            self.lock = None
