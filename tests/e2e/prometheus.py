"""Debian's Prometheus, scraping one agent often. `./dev test e2e` unpacks it where it is not installed."""
import json
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request

from broker import free_port
from harness import ROOT, wait_until


def program(name):
    """The path of prometheus or promtool."""
    unpacked = ROOT / ".cache/prometheus/usr/bin" / name
    found = shutil.which(name) or (str(unpacked) if unpacked.exists() else None)
    assert found, f"{name} is in Debian's package prometheus, which './dev test e2e' unpacks"
    return found


class Prometheus:
    def __init__(self, target, folder):
        config = folder / "prometheus.yaml"
        config.write_text(json.dumps({"global": {"scrape_interval": "200ms", "scrape_timeout": "200ms"},
                                      "scrape_configs": [{"job_name": "port-agent", "static_configs": [{"targets": [target]}]}]}))
        address = f"127.0.0.1:{free_port()}"
        self.url, self.log = f"http://{address}", open(folder / "prometheus.log", "w+")
        self.process = subprocess.Popen([program("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}",
                                         f"--web.listen-address={address}"], stdout=self.log, stderr=subprocess.STDOUT)
        wait_until(self.is_ready, self.said)

    def said(self):
        self.log.seek(0)
        return self.log.read()[-3000:]

    def is_ready(self):
        assert self.process.poll() is None, self.said()
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=10):
                return True
        except (urllib.error.URLError, OSError):
            return False

    def query(self, expression):
        """The values that there are now; those that are no number are left out."""
        body = urllib.parse.urlencode({"query": expression}).encode()
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/query", body, timeout=30) as answer:
                result = json.load(answer)["data"]["result"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{expression}: {error.read().decode()}") from None
        values = [float(one["value"][1]) for one in result]
        return [value for value in values if value == value]

    def close(self):
        self.process.kill()
        self.process.wait()
        self.log.close()
