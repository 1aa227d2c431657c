#!/usr/bin/env python3
"""Makes small mistakes in lib, one at a time, and says which of them the unit and component tests do not notice.

It works in a copy of the checkout (build/mutate/tree) with builds of its own beside it: `counted`, which says once for each
state of the sources which tests run which line, and `asan`, in which mutants are built and tried. There lib is a shared
library, so that a mutant is one object and one link, and no test is linked anew. A mutant is tried with the tests that run its line, the quick ones first, until one fails or passes its deadline; a failure of a component test
must happen twice. A mutant whose optimised object code is that of the original is no mutant, and one that the compiler (with
our warnings) refuses needs no test: neither counts.

Tests of mutants run in a namespace of processes, so that one that sends signals reaches only itself.
"""
import argparse
import collections
import concurrent.futures
import hashlib
import json
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from mutations import mutations

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "mutate"
TREE = FOLDER / "tree"
SIDE_BY_SIDE = 3
# Seconds that a test may take when nothing is mutated, as in ctest.
LONGEST = 120
UNSHARE = ["unshare", "--mount-proc", "--pid", "--fork", "--kill-child"]
# Tests end with us.
ALONE = ["setpriv", "--pdeathsig", "KILL", *UNSHARE]
LIMITS = "hard_rss_limit_mb=3072"


def die(why):
    sys.exit(f"mutate: {why}")


def run(*command, **options):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    if done.returncode != 0:
        die(f"{shlex.join(map(str, command))} failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout


def copy_checkout():
    """What git knows or would add goes to TREE; what has not changed there keeps its time. Returns what it is, in one word."""
    names = [name for name in run("git", "-C", ROOT, "ls-files", "-z", "-co", "--exclude-standard").split("\0") if (ROOT / name).is_file()]
    stamp = hashlib.sha256()
    for name in sorted(names):
        content, copy = (ROOT / name).read_bytes(), TREE / name
        stamp.update(name.encode() + b"\0" + content)
        if not copy.exists() or copy.read_bytes() != content:
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, copy)
            copy.chmod((ROOT / name).stat().st_mode)
    kept = set(names)
    for copy in [path for path in TREE.rglob("*") if path.is_file() and str(path.relative_to(TREE)) not in kept]:
        copy.unlink()
    return stamp.hexdigest()


def build(name, *options):
    folder = FOLDER / name
    run("cmake", "-S", TREE, "-B", folder, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Debug", "-DPA_REVISION=mutant", *options)
    run("cmake", "--build", folder)
    return folder


class Test:
    """A program of unit or component tests, as ctest knows it."""

    def __init__(self, described):
        properties = {entry["name"]: entry["value"] for entry in described["properties"]}
        self.name, self.command = described["name"], described["command"]
        self.environment = dict(entry.split("=", 1) for entry in properties.get("ENVIRONMENT", []))
        self.labels = properties.get("LABELS", [])
        self.seconds = 0

    def run(self, deadline, environment, stopped=None):
        """True: it passes. False: it fails, or is not done by its deadline, or `stopped` is set meanwhile."""
        began = time.monotonic()
        process = subprocess.Popen([*ALONE, "sh", "-c", '"$@"; exit $?', "sh", *self.command], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
                                   env={**os.environ, **self.environment, **environment})
        self.late = False
        while process.poll() is None:
            self.late = time.monotonic() - began > deadline
            if self.late or (stopped and stopped.is_set()):
                process.kill()  # and with it all of its namespace
                process.wait()
                return False
            time.sleep(0.01)
        self.seconds = time.monotonic() - began
        return process.returncode == 0


def tests_of(folder):
    described = json.loads(run("ctest", "--test-dir", folder, "--show-only=json-v1"))["tests"]
    tests = [Test(entry) for entry in described if entry.get("command") and entry["command"][0].startswith(str(folder))]
    return {test.name: test for test in tests if {"unit", "component"} & set(test.labels)}


def try_all(tests, environment_of):
    """Runs them; one that fails twice, the second time alone, is told and left out of `tests`."""
    with concurrent.futures.ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        passed = list(pool.map(lambda test: test.run(LONGEST, environment_of(test)), tests.values()))
    for name in [name for name, ok in zip(tests, passed) if not ok]:
        if not tests[name].run(LONGEST, environment_of(tests[name])):
            print(f"left out, because it fails without any mutation: {name}", flush=True)
            del tests[name]
    if not tests:
        die("no test passes without any mutation")


class Coverage:
    """Which tests run which lines and functions, and which link a file at all."""

    def __init__(self, kept=None):
        self.files = kept or {}

    def add(self, test, counted, source):
        file = self.files.setdefault(source, {"links": [], "lines": {}, "functions": {}})
        file["links"].append(test)
        for line in counted["lines"]:
            runs = file["lines"].setdefault(str(line["line_number"]), [])
            if line["count"] > 0 and test not in runs:
                runs.append(test)
        for function in counted["functions"]:
            runs = file["functions"].setdefault(f"{function['start_line']}-{function['end_line']}", [])
            if function["execution_count"] > 0 and test not in runs:
                runs.append(test)

    def tests(self, source, line):
        file = self.files.get(source)
        if not file:
            return set()
        if str(line) in file["lines"]:
            return set(file["lines"][str(line)])
        for span, runs in file["functions"].items():
            first, last = map(int, span.split("-"))
            if first <= line <= last:
                return set(runs)
        return set(file["links"])

    def as_json(self):
        return self.files


def read_counts(test, folder, counts, coverage):
    """What gcov makes of the files that the test left in `counts`."""
    # A process that was killed while it began to write leaves an empty file.
    data = sorted(path for path in counts.rglob("*.gcda") if path.stat().st_size > 0)
    for path in data:
        notes = Path("/", path.relative_to(counts)).with_suffix(".gcno")
        path.with_suffix(".gcno").symlink_to(notes)
    done = run("gcov", "--json-format", "--stdout", *data, cwd=folder) if data else ""
    for line in done.splitlines():
        for file in json.loads(line)["files"]:
            source = os.path.relpath(os.path.join(folder, file["file"]), TREE)
            if source.startswith("lib/") and source.endswith(".c"):
                coverage.add(test, file, source)


def measure(stamp):
    kept = FOLDER / "coverage.json"
    try:
        before = json.loads(kept.read_text())
        if before["stamp"] == stamp:
            return Coverage(before["files"])
    except (OSError, ValueError, KeyError):
        pass
    print("building, and running every test once to see which lines it runs", flush=True)
    folder = build("counted", "-DPA_COVERAGE=ON")
    for old in folder.rglob("*.gcda"):
        old.unlink()
    counts, coverage = FOLDER / "counts", Coverage()
    shutil.rmtree(counts, ignore_errors=True)
    tests = tests_of(folder)
    try_all(tests, lambda test: {"GCOV_PREFIX": str(counts / test.name)})
    for name in tests:
        read_counts(name, folder, counts / name, coverage)
    shutil.rmtree(counts)
    kept.write_text(json.dumps({"stamp": stamp, "files": coverage.as_json()}))
    return coverage


class Compiler:
    """Compiles a source of lib alone, optimised, to see whether a mutation is any change."""

    def __init__(self, folder):
        self.commands = {}
        for entry in json.loads((folder / "compile_commands.json").read_text()):
            words = [word for word in shlex.split(entry["command"]) if not word.startswith(("-g", "-fsanitize", "-fno-sanitize", "-W"))]
            words = words[:words.index("-o")] if "-o" in words else words
            self.commands[os.path.relpath(entry["file"], TREE)] = [*words, "-w", "-O2", "-c", entry["file"], "-o", "-"], entry["directory"]

    def code(self, source):
        command, folder = self.commands[source]
        out = FOLDER / "mutant.o"
        out.unlink(missing_ok=True)
        subprocess.run([*command[:-1], str(out)], cwd=folder, capture_output=True)
        return out.read_bytes() if out.exists() else None


class Trial:
    def __init__(self, folder, coverage):
        self.folder, self.coverage = folder, coverage
        self.tests, self.compiler, self.originals = tests_of(folder), Compiler(folder), {}

    def begin(self):
        try_all(self.tests, lambda test: {"ASAN_OPTIONS": LIMITS})

    def builds(self, *targets):
        return subprocess.run(["ninja", "-C", str(self.folder), *targets], capture_output=True).returncode == 0

    def fails(self, test, stopped):
        deadline = 10 + 6 * test.seconds
        seconds = test.seconds
        failed = not test.run(deadline, {"ASAN_OPTIONS": LIMITS}, stopped)
        if failed and not test.late and "component" in test.labels and not stopped.is_set():
            failed = not test.run(deadline, {"ASAN_OPTIONS": LIMITS}, stopped)
        test.seconds = seconds
        if failed and not stopped.is_set():
            stopped.set()
            return True
        return False

    def noticed_by(self, names):
        """The test that fails; None: all pass."""
        tests = sorted((self.tests[name] for name in names if name in self.tests), key=lambda test: ("component" in test.labels, test.seconds))
        batch = 4
        while tests:
            now, tests = tests[:batch], tests[batch:]
            stopped = threading.Event()
            with concurrent.futures.ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
                failed = [test for test, fails in zip(now, pool.map(lambda test: not stopped.is_set() and self.fails(test, stopped), now)) if fails]
            if failed:
                return failed[0].name
            batch *= 2
        return None

    def outcome(self, source, text, mutation):
        """refused, same, noticed (by which test) or survived (how many tests)."""
        path = TREE / source
        try:
            path.write_text(mutation.apply(text))
            if not self.builds(f"CMakeFiles/agent_lib.dir/{source}.o"):
                return "refused", ""
            if not self.builds("agent_lib"):
                die(f"lib cannot be linked with {source} changed")
            names = self.coverage.tests(source, mutation.line(text))
            by = self.noticed_by(names)
            if by:
                return "noticed", f"by {by}"
            mutant = self.compiler.code(source)
        finally:
            path.write_text(text)
        return ("same", "") if mutant is not None and mutant == self.original(source) else ("survived", tests_run_it(len(names)))

    def original(self, source):
        if source not in self.originals:
            self.originals[source] = self.compiler.code(source)
        return self.originals[source]


def tests_run_it(count):
    return {0: "no test runs it", 1: "1 test runs it"}.get(count, f"{count} tests run it")


def summed_up(counts, seed):
    noticed, counted = counts["noticed"], counts["noticed"] + counts["survived"]
    share = 100 * noticed / counted if counted else 0
    return (f"{noticed} of {counted} mutants noticed, {share:.1f} % (seed {seed}); beside them {counts['refused']} that the compiler refused, "
            f"and {counts['same']} that {'is' if counts['same'] == 1 else 'are'} no change to it")


def enough(counts, at_least):
    counted = counts["noticed"] + counts["survived"]
    return counted > 0 and 100 * counts["noticed"] >= at_least * counted


def candidates(paths):
    found = []
    for path in sorted((TREE / "lib").rglob("*.c")):
        source = str(path.relative_to(TREE))
        if not paths or any(source == wanted or source.startswith(wanted.rstrip("/") + "/") for wanted in paths):
            text = path.read_text()
            found += [(source, text, mutation) for mutation in mutations(text)]
    return found


def main():
    parser = argparse.ArgumentParser(prog="./dev mutate", description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=20, metavar="N", help="how many mutants to try (20)")
    parser.add_argument("--seed", type=int, default=None, metavar="S", help="chooses which; the same seed and sources, the same mutants")
    parser.add_argument("--at-least", type=float, default=85, metavar="PERCENT", help="must be noticed, else the exit code is 1 (85)")
    parser.add_argument("--all", action="store_true", help="show mutants that are noticed too")
    parser.add_argument("paths", nargs="*", metavar="PATH", help="files or folders below lib (all of lib)")
    options = parser.parse_args()
    # A shell's background jobs ignore these two; tests must not inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    seed = random.SystemRandom().randrange(10000) if options.seed is None else options.seed
    if subprocess.run([*ALONE, "true"], capture_output=True).returncode != 0:
        ALONE.insert(ALONE.index("unshare") + 1, "--map-current-user")
        if subprocess.run([*ALONE, "true"], capture_output=True).returncode != 0:
            die("unshare cannot make a namespace of processes here, and without one a mutant's signals could reach anybody")
    TREE.mkdir(parents=True, exist_ok=True)
    coverage = measure(copy_checkout())
    trial = Trial(build("asan", "-DPA_SANITIZE=address,undefined", "-DBUILD_SHARED_LIBS=ON", "-DCMAKE_LINK_DEPENDS_NO_SHARED=ON",
                        "-DCMAKE_C_FLAGS_DEBUG="), coverage)
    trial.begin()
    chosen = candidates(options.paths)
    random.Random(seed).shuffle(chosen)
    counts = collections.Counter(noticed=0, survived=0, refused=0, same=0)
    # Who ends it early sees how far it came.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        for source, text, mutation in chosen:
            if counts["noticed"] + counts["survived"] >= options.count:
                break
            verdict, why = trial.outcome(source, text, mutation)
            counts[verdict] += 1
            if verdict == "survived" or (options.all and verdict == "noticed"):
                before, after = mutation.change(text)
                print(f"{verdict}: {source}:{mutation.line(text)}: {mutation.kind} ({why})\n    - {before}\n    + {after}", flush=True)
    except KeyboardInterrupt:
        print("ended early", flush=True)
    print(summed_up(counts, seed))
    return 0 if enough(counts, options.at_least) else 1


if __name__ == "__main__":
    sys.exit(main())
