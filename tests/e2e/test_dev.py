"""./dev on machines where something is missing: says what, why it cannot be had, and how it can."""
import os
import pathlib
import shutil
import subprocess

import pytest

from harness import ROOT

LEFT_OUT = {"sudo", "dpkg-query", "apt-get", "gcc", "cmake", "ninja", "pkg-config", "id"}
USER, ABSENT, ASKS = "echo 1000", "exit 1", 'echo "sudo: a password is required" >&2; exit 1'
INSTALLED = "echo install ok installed"


class Machine:
    """A checkout of its own, and a PATH whose programs are this machine's, except for what a test says."""

    def __init__(self, folder):
        self.checkout, self.bin = folder / "checkout", folder / "bin"
        for name in ("dev", "docker/shell.sh", "docker/packages"):
            (self.checkout / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, self.checkout / name)
        self.bin.mkdir()
        for place in map(pathlib.Path, ("/bin", "/usr/bin")):
            for program in place.iterdir():
                if program.name not in LEFT_OUT and not (self.bin / program.name).is_symlink():
                    (self.bin / program.name).symlink_to(program)
        # Ten seconds pass as one tenth, the package sources answer, and nobody is root.
        self.has(id=USER, dpkg_query=ABSENT, apt_helper="exit 0", sleep='exec /bin/sleep 0.1')

    def has(self, **programs):
        for name, script in programs.items():
            path = self.bin / name.replace("_", "-")
            path.unlink(missing_ok=True)
            path.write_text(f"#!/bin/sh\n{script}\n")
            path.chmod(0o755)

    def dev(self, *arguments, within=()):
        done = subprocess.run([*within, str(self.checkout / "dev"), *arguments], env={"PATH": str(self.bin)}, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=60, start_new_session=True)  # no terminal either
        assert done.returncode == 1, done
        return done.stderr


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def assert_tells(told, reason):
    assert "missing: gcc libc6-dev cmake" in told and " libuv1-dev" in told, told
    assert reason in told, told
    assert "as root: apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev cmake" in told, told


@pytest.mark.parametrize("command", ["demo", "build", "test", "bench", "lint"])
def test_a_user_without_sudo_is_told_what_is_missing_and_how_to_get_it(machine, command):
    machine.has(apt_get="exit 0")
    assert_tells(machine.dev(command), "you are not root, and there is no sudo")


def test_a_password_that_nobody_can_type_is_told(machine):
    machine.has(apt_get="exit 0", sudo=ASKS)
    assert_tells(machine.dev("demo"), "sudo asks for a password, for which there is no terminal")


def test_another_system_than_debian_is_told_the_packages(machine):
    assert_tells(machine.dev("demo"), "there is no apt-get")


@pytest.mark.parametrize("says, reason", [
    ("E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 77 (dpkg)", "another program is installing packages: process 77 (dpkg)"),
    ("E: Unable to locate package libjq-dev", "the package sources here do not have all of them"),
    ("E: You don't have enough free space: No space left on device", "the disk is full"),
    ("E: dpkg was interrupted, you must manually run 'dpkg --configure -a'", "dpkg --configure -a"),
    ("E: nothing that anybody knows", "apt-get failed, as shown above")])
def test_an_installation_that_fails_is_told_with_its_reason(machine, says, reason):
    machine.has(id="echo 0", apt_get=f'case "$*" in *install*) echo "{says}" >&2; exit 100;; esac')
    told = machine.dev("demo")
    assert_tells(told, reason)
    assert says in told


def test_lists_that_another_apt_holds_are_waited_for_but_not_for_ever(machine):
    machine.has(id="echo 0", apt_get='echo "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 77 (apt-get)" >&2; exit 100')
    assert_tells(machine.dev("demo"), "another program is installing packages: process 77 (apt-get)")


def test_installing_goes_by_sudo_where_that_is_allowed_and_a_source_that_cannot_be_read_is_no_end(machine):
    machine.has(sudo='[ "$1" = -n ] || exec env AS_ROOT=1 "$@"', apt_get='[ "$AS_ROOT" = 1 ] || exit 9; echo "$@" >>"${0%/*}/../calls"; case "$*" in *update*) exit 100;; esac')
    machine.has(cmake="echo cmake version 3.18.4")
    told = machine.dev("demo")
    assert "install" in (machine.bin.parent / "calls").read_text().splitlines()[1]
    assert "cmake is version 3.18.4, and 3.25 is needed" in told


def test_no_network_is_told_soon(machine):
    if not (sources := [*pathlib.Path("/etc/apt").glob("sources.list*")]) or shutil.which("apt-get") is None:
        pytest.skip(f"no Debian here: {sources}")
    (machine.bin / "apt-helper").unlink()
    machine.has(id="echo 0", apt_get="exit 0")
    without = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--net", "--map-root-user"]
    assert_tells(machine.dev("demo", within=without), "none of the package sources in /etc/apt answers: is there a network?")


def test_a_checkout_that_cannot_be_written_is_told(machine):
    (machine.checkout / "build").write_text("")
    machine.has(dpkg_query=INSTALLED, cmake="echo cmake version 3.25.1")
    assert "cannot write to" in (told := machine.dev("demo")) and "read-only" in told


def test_an_old_cmake_is_told_and_where_it_is(machine):
    machine.has(dpkg_query=INSTALLED, cmake="echo cmake version 3.7.2")
    assert f"{machine.bin}/cmake is version 3.7.2, and 3.25 is needed" in machine.dev("demo")
