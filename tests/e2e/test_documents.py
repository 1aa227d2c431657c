"""README.md says what the binary does."""
import re
import subprocess

import pytest

from harness import BINARY, ROOT, VERSION


@pytest.mark.host
def test_readme_has_every_setting_as_the_binary_knows_it():
    table = subprocess.run([BINARY, "settings"], check=True, capture_output=True, text=True).stdout
    assert table in (ROOT / "README.md").read_text(), "README.md: put the output of 'port-agent settings' in place of its table"


def test_what_runs_with_the_hosts_build_too_is_listed():
    wholly, single = set(), set()
    for path in (ROOT / "tests/e2e").glob("test_*.py"):
        text = path.read_text()
        if re.search(r"^pytestmark = .*pytest\.mark\.host\b", text, re.M):
            wholly.add(path.name)
        single |= set(re.findall(r"^@pytest\.mark\.host(?:_only\(.*\))?\n(?:@.*\n)*def (test_\w+)", text, re.M))
    listed = (ROOT / "docs/testing.md").read_text()
    assert not [name for name in wholly | single if f"`{name}`" not in listed]
    table = re.search(r"^These run with the host's build too.*?^## ", listed, re.M | re.S).group()
    assert set(re.findall(r"`(test_\w+)`", table)) == single


def test_each_row_about_migrating_names_what_is_there():
    """Tests by their names, messages as the sources have them, settings as the binary knows them."""
    text = (ROOT / "docs/migrating.md").read_text()
    tests = "".join(path.read_text() for pattern in ("unit/*/*.c", "component/*/*.c", "e2e/*.py") for path in (ROOT / "tests").glob(pattern))
    sources = re.sub(r'"\s*\n?\s*"', "", "".join(path.read_text() for room in ("lib", "agent") for path in (ROOT / room).rglob("*.c")))
    settings = subprocess.run([BINARY, "settings"], check=True, capture_output=True, text=True).stdout
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|") and not line.startswith("|---")]
    header, shown = None, []
    for row in rows:
        if row[-1] in ("test", "look at"):
            header = row
            continue
        assert len(row) == len(header), row
        if header[-1] == "test":
            assert row[-1], row
            for name in re.findall(r"`([^`]+)`", row[-1]):
                assert (ROOT / name).exists() if "/" in name else re.search(rf"\b{name}\(", tests), name
            shown += re.findall(r"`([A-Z][A-Z_]{5,})`", row[-2]) if header[-2] == "setting" else []
        else:
            for message in re.findall(r"`([^`]+)`", row[2]):
                assert f'"{message}' in sources, message
    assert shown and [name for name in shown if f"`{name}`" not in settings and name != "DRAIN_TIMEOUT_SECONDS"] == []


# What people look for at the root


def test_every_file_that_names_the_version_has_that_of_the_file_version():
    """What can read VERSION does (CMake, and so --version and the User-Agent); what cannot is compared here."""
    assert re.fullmatch(r"\d+\.\d+\.\d+", VERSION)
    assert subprocess.run([BINARY, "--version"], check=True, capture_output=True, text=True).stdout.startswith(f"port-agent {VERSION} (")
    for path, pattern in (("deploy/helm/port-agent/Chart.yaml", r'^(?:version|appVersion): "?([^"\n]+)'),
                          ("deploy/kubernetes/deployment.yaml", r"image: port-agent:(\S+)"),
                          ("deploy/README.md", r"(?:port-agent:|image\.tag=)(\d[\w.]*)"),
                          ("docker/Dockerfile", r"^ARG VERSION=(\S+)"),
                          ("lib/base/version.h", r'"(?:port-agent/)?(\d[^"]*)"')):
        found = re.findall(pattern, (ROOT / path).read_text(), re.M)
        assert found and set(found) == {VERSION}, path
