"""The container image: what is in it, and the agent inside it against a real broker. Built with buildah, which also looks into it."""
import datetime
import json
import os
import pathlib
import platform
import re
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


def labels_of(config):
    return {name.removeprefix("org.opencontainers.image."): value for name, value in config["Labels"].items()}


def test_configuration_is_of_a_hardened_service(image):
    inspected = json.loads(buildah("inspect", "--type", "image", IMAGE))
    # The format in which a HEALTHCHECK is kept.
    assert json.loads(inspected["Manifest"])["mediaType"] == "application/vnd.docker.distribution.manifest.v2+json"
    assert inspected["Docker"]["config"]["Healthcheck"]["Test"] == ["CMD", "/usr/local/bin/port-agent", "health"]
    config = inspected["OCIv1"]["config"]
    assert config["User"] == "1000:1000" and config["WorkingDir"] == "/app"
    assert config["Entrypoint"] == ["/usr/local/bin/port-agent"]
    assert "ADMIN_LISTEN=[::]:9464" in config["Env"] and "9464/tcp" in config["ExposedPorts"]
    labels = labels_of(config)
    assert (labels["title"], labels["version"], labels["licenses"]) == ("port-agent", VERSION, "Apache-2.0")
    assert labels["source"] == "unknown" or labels["source"].startswith("https://")


def test_everything_in_it_has_the_date_of_its_commit(image, root):
    """So that the same commit gives the same image; docker/again.sh, which `./dev test image` has run, compares its files to the byte."""
    config = json.loads(buildah("inspect", "--type", "image", IMAGE))["OCIv1"]
    labels = labels_of(config["config"])
    created = labels["created"]
    seconds = int(datetime.datetime.fromisoformat(created.replace("Z", "+00:00")).timestamp())
    assert config["created"] == created and {layer["created"] for layer in config["history"]} == {created}
    times = subprocess.run([*AS_ROOT, "find", root, "-mindepth", "1", "-printf", "%T@ %P\n"], check=True, capture_output=True, text=True).stdout
    assert [line for line in times.splitlines() if float(line.split()[0]) != seconds] == []
    git = subprocess.run(["git", "log", "-1", "--format=%ct", labels["revision"].removesuffix("-dirty")], cwd=ROOT, capture_output=True, text=True)
    # A revision that was rewritten since is unknown, and so is any where there is no repository.
    assert git.returncode != 0 or int(git.stdout) == seconds


def test_says_what_it_is_made_of(image, root):
    read = lambda path: subprocess.run([*AS_ROOT, "cat", f"{root}/{path}"], check=True, capture_output=True, text=True).stdout
    names = lambda folder: subprocess.run([*AS_ROOT, "ls", f"{root}/{folder}"], check=True, capture_output=True, text=True).stdout.split()
    document = json.loads(read("usr/share/doc/port-agent/port-agent.spdx.json"))
    assert (document["spdxVersion"], document["dataLicense"], document["SPDXID"]) == ("SPDX-2.3", "CC0-1.0", "SPDXRef-DOCUMENT")
    labels = labels_of(json.loads(buildah("inspect", "--type", "image", IMAGE))["OCIv1"]["config"])
    assert document["creationInfo"]["created"] == labels["created"] and f"-{labels['revision']}-" in document["documentNamespace"]
    packages = {package["SPDXID"]: package for package in document["packages"]}
    assert len(packages) == len(document["packages"])
    assert {one["relatedSpdxElement"] for one in document["relationships"]} == set(packages)
    assert {one["spdxElementId"] for one in document["relationships"]} <= {*packages, "SPDXRef-DOCUMENT"}
    debian = {package["name"]: package for package in packages.values() if "externalRefs" in package}
    # The loader, what glibc loads by itself, the bundle of authorities, the name of the release.
    assert {"libc6", "librdkafka1", "libjq1", "libgcc-s1", "ca-certificates", "base-files"} < set(debian)
    # What scanners read, and the licences' texts.
    assert set(names("var/lib/dpkg/status.d")) == set(debian) and set(names("usr/share/doc")) == {*debian, "port-agent"}
    assert 'VERSION_ID="13"' in read("etc/os-release")
    for name, package in debian.items():
        record = read(f"var/lib/dpkg/status.d/{name}")
        assert f"Package: {name}\n" in record and f"\nVersion: {package['versionInfo']}\n" in record
        assert package["externalRefs"][0]["referenceLocator"].startswith("pkg:deb/debian/") and read(f"usr/share/doc/{name}/copyright")
    assert debian["libcjson1"]["licenseDeclared"] == "Apache-2.0 AND MIT"
    used = set(re.findall(r"LicenseRef-[\w.-]+", " ".join(package["licenseDeclared"] for package in debian.values())))
    assert used == {one["licenseId"] for one in document["hasExtractedLicensingInfos"]}
    for package in packages.values():
        expression = package["licenseDeclared"].replace("(", "").replace(")", "")
        assert re.fullmatch(r"[A-Za-z0-9.+-]+( (AND|OR) [A-Za-z0-9.+-]+)*", expression), package
    assert read("usr/share/doc/port-agent/copyright") == (ROOT / "LICENSE").read_text()


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
