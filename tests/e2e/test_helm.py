"""Helm's build (helm.py) as several processes share it, with a Go that builds at once."""
import pytest
from helm import Helm

GO = """#!/bin/sh
mkdir -p "$GOBIN" && echo built > "$GOBIN/helm"
"""


@pytest.fixture
def two(tmp_path, monkeypatch):
    (tmp_path / "path").mkdir()
    (tmp_path / "path/go").write_text(GO)
    (tmp_path / "path/go").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/path", prepend=":")
    builder, other = Helm(tmp_path / "tools"), Helm(tmp_path / "tools")
    builder.start()
    other.start()
    return builder, other


def test_what_one_process_built_stays_for_the_others(two, monkeypatch):
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw1")
    builder, other = two
    builder.build.wait()
    builder.close()  # through before anybody asked: this process ran no test that needs Helm
    assert other.ready().read_text() == "built\n"
    other.close()


def test_a_build_that_nobody_waits_for_leaves_nothing(two, monkeypatch):
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    builder, other = two
    builder.close()
    assert not builder.program.exists() and not builder.work.exists()
    with pytest.raises(AssertionError, match="install golang-go"):
        other.ready()
