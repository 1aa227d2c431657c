"""README.md says what the binary does."""
import subprocess

from harness import BINARY, ROOT


def test_readme_has_every_setting_as_the_binary_knows_it():
    table = subprocess.run([BINARY, "settings"], check=True, capture_output=True, text=True).stdout
    assert table in (ROOT / "README.md").read_text(), "README.md: put the output of 'port-agent settings' in place of its table"
