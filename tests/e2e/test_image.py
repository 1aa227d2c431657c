"""The container image: what is in it, and the agent inside it against a real broker. Built with buildah, which also looks into it."""
import json
import os
import pathlib
import platform
import resource
import subprocess

import pytest

from accounting import committed
from harness import ROOT, VERSION, Lines, run_event

# The one that ./dev has built, if it has.
TAG = os.environ.get("PORT_AGENT_IMAGE", "port-agent:test")
IMAGE = f"localhost/{TAG}"

# Without root's rights a user has no subordinate ids on a bare machine; ./dev image goes on as root there, and so do we.
AS_ROOT = [*([] if os.geteuid() == 0 else ["sudo"]), "env", "STORAGE_DRIVER=vfs"]

# As they are, for newer buildahs; see docker/build.sh.
LIMITS = [part for name, which in (("nofile", resource.RLIMIT_NOFILE), ("nproc", resource.RLIMIT_NPROC))
          for part in ("--ulimit", "{}={}:{}".format(name, *resource.getrlimit(which)))
          ] if int(platform.freedesktop_os_release().get("VERSION_ID", "0").split(".")[0]) >= 13 else []


def buildah(*arguments):
    return subprocess.run([*AS_ROOT, "buildah", *arguments], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(scope="module")
def image():
    if subprocess.run([*AS_ROOT, "buildah", "inspect", "--type", "image", IMAGE], capture_output=True).returncode != 0:
        subprocess.run([str(ROOT / "dev"), "image", "--buildah", "--tag", TAG], check=True, cwd=ROOT, env={**os.environ, "STORAGE_DRIVER": "vfs"})
    container = buildah("from", "--pull-never", *LIMITS, IMAGE)
    yield container
    buildah("rm", container)


@pytest.fixture(scope="module")
def root(image):
    yield buildah("mount", image)
    buildah("umount", image)


def inside(container, *arguments, **environment):
    settings = [part for name, value in environment.items() for part in ("--env", f"{name}={value}")]
    return [*AS_ROOT, "buildah", "run", "--isolation", "chroot", *settings, container, "--", "/usr/local/bin/port-agent", *arguments]


def test_holds_the_agent_its_libraries_and_authorities_only(root):
    listing = subprocess.run([*AS_ROOT, "find", root, "!", "-type", "d", "-printf", "%s %P\\n"], check=True, capture_output=True, text=True).stdout
    files = {path: int(size) for size, path in (line.split(" ", 1) for line in listing.splitlines())}
    print(f"unpacked: {sum(files.values()) / 1e6:.1f} MB in {len(files)} files")
    assert sum(files.values()) <= 35_000_000
    assert "etc/ssl/certs/ca-certificates.crt" in files
    # What no library is linked with: glibc looks for it when a thread ends, and aborts without it.
    assert [path for path in files if path.endswith("/libgcc_s.so.1")]
    assert not [path for path in files if path.endswith("bin/sh")]


def test_configuration_is_of_a_hardened_service(image):
    config = json.loads(buildah("inspect", "--type", "image", IMAGE))["OCIv1"]["config"]
    assert config["User"] == "1000:1000" and config["WorkingDir"] == "/app"
    assert config["Entrypoint"] == ["/usr/local/bin/port-agent"]
    labels = {name.removeprefix("org.opencontainers.image."): value for name, value in config["Labels"].items()}
    assert (labels["title"], labels["version"], labels["licenses"]) == ("port-agent", VERSION, "Apache-2.0")


def test_the_binary_is_hardened(root):
    """By what the compiler leaves in it: each of these is absent from a build without its option."""
    binary = f"{root}/usr/local/bin/port-agent"
    read = lambda *options: subprocess.run([*AS_ROOT, *options, binary], check=True, capture_output=True, text=True).stdout
    layout = read("readelf", "-Wldh")
    assert "DYN (Position-Independent Executable" in layout or "DYN (Shared object" in layout
    assert "GNU_RELRO" in layout and "BIND_NOW" in layout
    stack, = [line.split() for line in layout.splitlines() if "GNU_STACK" in line]
    assert "RWE" not in stack
    imported = read("readelf", "-W", "--dyn-syms")
    # The last one: of what has a size that only the running program knows, so by _FORTIFY_SOURCE=3.
    for checked in ("__stack_chk_fail", "__snprintf_chk", "__memset_chk"):
        assert f" {checked}@" in imported
    code = read("objdump", "-d", "--no-show-raw-insn")
    if platform.machine() == "x86_64":
        assert code.count("endbr64") > 500
        # Touches each page of a large frame.
        assert "orq    $0x0,(%rsp)" in code
    elif platform.machine() == "aarch64":
        assert code.count("paciasp") + code.count("bti") > 500


def test_says_what_is_missing_and_exits_78(root):
    # Not by buildah, which on a busy machine may end before it has passed on what a short process said.
    agent = lambda *arguments: subprocess.run([*AS_ROOT, "env", "-i", "/usr/sbin/chroot", "--userspec=1000:1000", root, "/usr/local/bin/port-agent", *arguments],
                                              capture_output=True, text=True)
    result = agent()
    assert result.returncode == 78 and "PORT_CLIENT_SECRET" in result.stderr
    assert "librdkafka 2." in agent("--version").stdout


def agent_pid(parent):
    """The agent's own process below buildah's."""
    # Any of buildah's threads may have started it, and a thread's list has its own children only.
    children = [pid for task in pathlib.Path(f"/proc/{parent}/task").iterdir() for pid in (task / "children").read_text().split()]
    for child in map(int, children):
        if pathlib.Path(f"/proc/{child}/comm").read_text().strip() == "port-agent":
            return child
        found = agent_pid(child)
        if found:
            return found
    return None


def test_does_its_job_against_a_real_broker_and_stops_on_sigterm(image, world, port, receiver):
    command = inside(image, **world.environment)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        log = Lines(process.stdout, json.loads)
        log.wait(lambda items: any(i["msg"] == "partitions assigned" for i in items))
        pid = agent_pid(process.pid)
        assert "Uid:\t1000" in pathlib.Path(f"/proc/{pid}/status").read_text()
        # The second needs a locale that knows UTF-8, and there is none but what the image brings along.
        world.produce(run_event("r_image", receiver.url + "/ok"), run_event("r_name", f"http://bücher.localhost:{receiver.port}/ok"))
        told = lambda run: [body for _, path, body in port.of_run(run) if path == ""]
        port.wait(lambda: told("r_image") and told("r_name"))
        assert told("r_image") == told("r_name") == [{"status": "SUCCESS"}]
        subprocess.run([*AS_ROOT, "sh", "-c", f"kill -TERM {pid}"], check=True)
        assert process.wait(20) == 0
    finally:
        process.kill()
    assert committed(world).offset == 2
