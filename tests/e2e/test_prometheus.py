"""A real Prometheus (Debian's) scrapes a loaded agent: promtool has no complaint, and every query of the dashboard finds something."""
import itertools
import json
import re
import subprocess
import time
import urllib.request

import pytest
from broker import free_port
from harness import ROOT, run_event
from prometheus import Prometheus, program
from test_signals import Held

DASHBOARD = ROOT / "deploy/grafana/port-agent.json"


def queries():
    """Every query of the dashboard, as Grafana asks it: with its variables filled in, and without what stands in for nothing."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    found = [target["expr"] for panel in panels for target in panel.get("targets", [])]
    filled = [query.replace("$instance", ".*").replace("$__rate_interval", "10s").removesuffix(" or vector(0)") for query in found]
    assert filled and not any("$" in query for query in filled)
    return filled


@pytest.fixture
def loaded(world, receiver, tmp_path):
    """An agent that has had everything happen to it that is counted, and its address; then more of it whenever it is asked for."""
    held = Held()
    mapping = tmp_path / "mapping.json"
    mapping.write_text(json.dumps([{"query": {"seen": '"yes"'}}]))
    address = f"127.0.0.1:{free_port()}"
    agent = world.agent(ADMIN_LISTEN=address, CONTROL_THE_PAYLOAD_CONFIG_PATH=str(mapping), DEAD_LETTER_DIR=str(tmp_path / "letters"),
                        WEBHOOK_RETRY_INITIAL_BACKOFF="0.02", WEBHOOK_RETRY_MAX_ATTEMPTS="2")
    agent.assigned()
    away = f"http://127.0.0.1:{free_port()}/away"
    numbers = itertools.count()

    def more():
        ids = [f"r_{next(numbers)}" for _ in range(40)]
        world.produce(run_event("r_held", held.url), *(run_event(run, receiver.url) for run in ids[:30]),
                      *(run_event(run, away) for run in ids[30:35]), *(run_event(run, receiver.url, tampered=True) for run in ids[35:]))

    yield address, more
    held.close()


def test_dashboard_is_about_metrics_that_there_are():
    documented = set(re.findall(r"^\| `(\w+)`", (ROOT / "docs/metrics.md").read_text(), re.MULTILINE))
    for query in queries():
        named = {name.removesuffix("_bucket") for name in re.findall(r"\b(?:port_agent|process)_\w+", query)}
        assert named and named <= documented, query
    panels = json.loads(DASHBOARD.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert [panel["title"] for panel in panels if panel["type"] != "row" and not panel.get("description")] == []


def test_promtool_has_no_complaint_and_no_query_of_the_dashboard_is_empty(loaded, tmp_path):
    address, more = loaded
    prometheus = Prometheus(address, tmp_path)
    try:
        missing, deadline = queries(), time.monotonic() + 120
        while missing:
            assert time.monotonic() < deadline, missing
            more()
            missing = [query for query in missing if not prometheus.query(query)]
        # The values are the agent's own.
        assert prometheus.query("sum(port_agent_deliveries_total)")[0] > 30
    finally:
        prometheus.close()
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    assert "port_agent_signature_age_seconds " in text
    checked = subprocess.run([program("promtool"), "check", "metrics"], input=text, capture_output=True, text=True, timeout=60)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
