"""README.md says what the binary does."""
import re
import subprocess

import pytest

from harness import BINARY, ROOT


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
