"""Files that change under a running agent: taken over with nothing dropped or doubled, or refused while what was before stays in force."""
import json
import os
import pty
import signal
import subprocess
import urllib.error
import urllib.request

import pytest
from broker import free_port
from certificates import Authority, server_context
from harness import BINARY, SECRET, Agent, outcome, wait_until
from otlp import Collector
from test_polling import polled_run
from test_signals import Held


def mapping(version):
    return json.dumps([{"body": {"version": str(version), "run": ".context.runId"}, "report": {"summary": f"\"made by {version}\""}}])


class Endpoint(Held):
    def __init__(self):
        super().__init__()
        self.clients = []

    def use_tls(self, context):
        """From the first connection on. `clients`: the names in the certificates that they show, one for each request."""
        self.url = self.url.replace("http:", "https:")
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        handler, clients = self.server.RequestHandlerClass, self.clients

        class Noting(handler):
            def do_POST(self):
                clients.append(dict(pair for (pair,) in self.connection.getpeercert()["subject"])["commonName"])
                super().do_POST()

        self.server.RequestHandlerClass = Noting

    def fail(self, text):
        """From the next connection on."""
        class Failing(self.server.RequestHandlerClass):
            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(400)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

        self.server.RequestHandlerClass = Failing


@pytest.fixture
def authority():
    one = Authority()
    yield one
    one.remove()


@pytest.fixture
def endpoint():
    one = Endpoint()
    one.go.set()
    yield one
    one.close()


@pytest.fixture
def held():
    one = Held()
    yield one
    one.close()


@pytest.fixture
def environment(port, tmp_path):
    return {"PORT_ORG_ID": "org_reload", "PORT_CLIENT_ID": "client", "PORT_CLIENT_SECRET": SECRET, "PORT_API_BASE_URL": port.url, "STREAMER_NAME": "POLLING",
            "POLLING_INTERVAL_SECONDS": "0.1", "LOG_FORMAT": "json", "STATUS_SOCKET": str(tmp_path / "agent.sock"), "RELOAD_INTERVAL_SECONDS": "0",
            "CONTROL_THE_PAYLOAD_CONFIG_PATH": str(tmp_path / "mount" / "mapping.json")}


@pytest.fixture
def start(environment):
    agents = []

    def start(**more):
        agents.append(Agent({**environment, **more}))
        return agents[-1]

    yield start
    for agent in agents:
        agent.kill()


@pytest.fixture
def mount(tmp_path):
    """A ConfigMap as Kubernetes mounts one: mapping.json leads through ..data to a folder of the version's own."""
    folder = tmp_path / "mount"
    folder.mkdir()
    (folder / "mapping.json").symlink_to("..data/mapping.json")
    versions = []

    def mount(text):
        versions.append(f"..version_{len(versions)}")
        (folder / versions[-1]).mkdir()
        (folder / versions[-1] / "mapping.json").write_text(text)
        (folder / "..next").symlink_to(versions[-1])
        os.replace(folder / "..next", folder / "..data")

    mount(mapping(1))
    return mount


def status(environment):
    shown = subprocess.run([BINARY, "status", "--output", "json"], env={"PATH": os.environ["PATH"], **environment}, capture_output=True, text=True, timeout=60)
    return json.loads(shown.stdout)


def test_a_mapping_file_takes_over_under_load_and_nothing_is_dropped_or_doubled(start, port, endpoint, held, mount):
    agent = start(RELOAD_INTERVAL_SECONDS="0.1", WEBHOOK_MAX_IN_FLIGHT="4")  # the endpoint lets five connections wait
    port.offer(polled_run("r_held", held.url))
    held.wait()
    port.offer(*[polled_run(f"r_{n}", endpoint.url) for n in range(100)])
    mount(mapping(2))
    assert agent.wait_log("reloaded")["changed"] == "mapping file"
    port.offer(*[polled_run(f"r_{n}", endpoint.url) for n in range(100, 200)])
    outcomes = {n: outcome(port, f"r_{n}") for n in range(200)}
    held.go.set()
    assert outcome(port, "r_held")["summary"] == "made by 1"  # its request is the first file's
    made = {body["run"]: body["version"] for body in map(json.loads, endpoint.bodies)}
    assert len(endpoint.bodies) == len(made) == 200
    assert {made[f"r_{n}"] for n in range(100, 200)} == {2}
    assert all(outcomes[n]["summary"] == f"made by {made[f'r_{n}']}" for n in outcomes)
    assert agent.terminate() == 0


def test_a_wrong_file_is_refused_until_it_is_mended_or_put_back(start, port, endpoint, mount, environment):
    agent = start()
    port.wait(lambda: port.claims["runs"])
    for number, wrong in enumerate(("[{\"url\": \"(\"}]", "[{", "{}")):
        mount(wrong)
        agent.process.send_signal(signal.SIGHUP)
        agent.log.wait(lambda items: sum(i["msg"] == "reload refused" for i in items) == number + 1)
    assert "mapping 1, url: jq: syntax error" in agent.wait_log("reload refused")["reason"]
    stands = agent.wait_log("what has changed is refused", what="mapping file")
    assert stands["level"] == "WARNING"
    assert status(environment)["reload"]["generation"] == 0 and "mapping.json" in status(environment)["reload"]["refused"]
    port.offer(polled_run("r_1", endpoint.url))
    assert outcome(port, "r_1")["summary"] == "made by 1"
    mount(mapping(1))
    agent.process.send_signal(signal.SIGHUP)
    agent.wait_log("what had been refused is mended")
    assert [i for i in agent.log.snapshot() if i["msg"] == "reloaded"] == []
    mount(mapping(2))
    agent.process.send_signal(signal.SIGHUP)
    agent.wait_log("reloaded", generation=1)
    port.offer(polled_run("r_2", endpoint.url))
    assert outcome(port, "r_2")["summary"] == "made by 2"
    assert status(environment)["reload"]["changed"] == "mapping file"
    assert agent.terminate() == 0


def test_a_hangup_reloads_unless_the_terminal_is_gone(port, environment, mount):
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(BINARY, [BINARY], {"PATH": os.environ["PATH"], **environment})
    shown = b""
    wait_until(lambda: port.claims["runs"], "it asks for runs")
    os.kill(pid, signal.SIGHUP)
    while b"nothing to reload" not in shown:
        shown += os.read(terminal, 65536)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_certificates_take_over_while_requests_are_under_way_and_bad_ones_are_refused(start, port, endpoint, held, authority, tmp_path):
    trusted, shown, brokers = tmp_path / "trusted.pem", tmp_path / "shown.pem", tmp_path / "brokers.pem"

    def show(file, name):
        certificate, key = authority.issue(name)
        file.write_text(open(certificate).read() + open(key).read())

    show(trusted, "untrusted")  # it signs nobody
    show(shown, "first")
    show(brokers, "third")
    endpoint.use_tls(server_context(*authority.issue("server"), clients=str(authority.file)))
    agent = start(RELOAD_INTERVAL_SECONDS="0.1", SSL_CERT_FILE=str(trusted), WEBHOOK_CLIENT_CERT=str(shown), KAFKA_CONSUMER_SSL_CERTIFICATE=str(brokers),
                  WEBHOOK_RETRY_MAX_ATTEMPTS="1", CONTROL_THE_PAYLOAD_CONFIG_PATH="")
    port.offer(polled_run("r_held", held.url), polled_run("r_refused", endpoint.url))
    held.wait()
    assert outcome(port, "r_refused")["status"] == "FAILURE"
    trusted.write_text("no certificate")
    assert "holds no certificate in PEM form" in agent.wait_log("reload refused")["reason"]
    assert agent.wait_log("what has changed is refused", what="certificates")["level"] == "WARNING"
    trusted.write_text(authority.pem)
    agent.wait_log("reloaded", generation=1, changed="certificates")
    agent.wait_log("what had been refused is mended", what="certificates")
    port.offer(polled_run("r_1", endpoint.url))
    assert outcome(port, "r_1")["status"] == "SUCCESS"
    show(shown, "second")  # r_held is under way with what was there at first
    agent.log.wait(lambda items: any("still under way" in item.get("reason", "") for item in items))
    held.go.set()
    assert outcome(port, "r_held")["status"] == "SUCCESS"
    agent.wait_log("reloaded", generation=2, changed="certificates")
    port.offer(polled_run("r_2", endpoint.url))
    assert outcome(port, "r_2")["status"] == "SUCCESS"
    assert endpoint.clients == ["first", "second"] and len(held.bodies) == 1
    show(brokers, "fourth")
    agent.log.wait(lambda items: any("until the agent starts anew; restart it" in item.get("reason", "") for item in items))
    assert agent.terminate() == 0


def asked(address, token):
    """The status of the answer to somebody from elsewhere who brings this token."""
    request = urllib.request.Request(f"http://{address}/status.json", headers={"Host": "elsewhere", "Authorization": f"Bearer {token}"})
    try:
        return urllib.request.urlopen(request, timeout=60).status
    except urllib.error.HTTPError as refused:
        return refused.code


def test_another_admin_token_takes_over_and_an_empty_file_is_refused(start, port, endpoint, environment, tmp_path):
    token, address = tmp_path / "token", f"127.0.0.1:{free_port()}"
    token.write_text("first-token-of-the-administrator\n")
    agent = start(RELOAD_INTERVAL_SECONDS="0.1", ADMIN_LISTEN=address, ADMIN_TOKEN_FILE=str(token), CONTROL_THE_PAYLOAD_CONFIG_PATH="")
    agent.wait_log("listening for health checks and status")
    assert asked(address, "first-token-of-the-administrator") == 200
    token.write_text("")
    assert "ADMIN_TOKEN" in agent.wait_log("reload refused")["reason"]
    assert agent.wait_log("what has changed is refused", what="admin token")["level"] == "WARNING"
    assert asked(address, "first-token-of-the-administrator") == 200 and asked(address, "") == 403
    token.write_text("second-token-of-the-administrator\n")
    agent.wait_log("reloaded", generation=1, changed="admin token")
    agent.wait_log("what had been refused is mended", what="admin token")
    assert asked(address, "second-token-of-the-administrator") == 200
    assert asked(address, "first-token-of-the-administrator") == 403
    endpoint.fail("told: second-token-of-the-administrator")
    port.offer(polled_run("r_told", endpoint.url))
    assert "told: ***" in json.dumps(agent.wait_log("webhook failed"))
    token.write_text('"third-token-of-the-administrator"')
    agent.wait_log("settings", reason="ADMIN_TOKEN: its value begins and ends with a quote, which counts as a part of it")
    assert "of-the-administrator" not in json.dumps(agent.log.snapshot() + [status(environment)])
    assert agent.terminate() == 0


def test_a_collector_is_trusted_by_authorities_and_gets_headers_that_came_later(start, port, endpoint, authority, tmp_path):
    trusted, headers, collector = tmp_path / "trusted.pem", tmp_path / "headers", Collector()
    trusted.write_text(open(authority.self_signed()[0]).read())  # it signs nobody else
    headers.write_text("api-key=the-first\n")
    collector.server.socket = server_context(*authority.issue("collector")).wrap_socket(collector.server.socket, server_side=True)
    agent = start(RELOAD_INTERVAL_SECONDS="0.1", SSL_CERT_FILE=str(trusted), OTEL_EXPORTER_OTLP_ENDPOINT=collector.url.replace("http:", "https:"),
                  OTEL_EXPORTER_OTLP_HEADERS_FILE=str(headers), CONTROL_THE_PAYLOAD_CONFIG_PATH="")
    port.wait(lambda: port.claims["runs"])
    headers.write_text("")
    assert agent.wait_log("reload refused")["reason"] == "OTEL_EXPORTER_OTLP_HEADERS: is empty now; write the headers into the file"
    agent.wait_log("what has changed is refused", what="collector's headers")
    headers.write_text("api-key=the-second\n")
    agent.wait_log("reloaded", generation=1, changed="collector's headers")
    agent.wait_log("what had been refused is mended", what="collector's headers")
    trusted.write_text(authority.pem)
    agent.wait_log("reloaded", generation=2, changed="certificates")
    port.offer(polled_run("r_1", endpoint.url))
    assert outcome(port, "r_1")["status"] == "SUCCESS"
    assert agent.terminate() == 0  # what is left is sent
    assert {span.name for span in collector.wait(3)} == {"process", "POST", "report"}
    assert {headers["api-key"] for _, headers in collector.requests} == {"the-second"}
    collector.close()


def test_brokers_are_trusted_by_the_authorities_of_the_start_and_a_warning_says_so(start, authority, tmp_path):
    trusted = tmp_path / "trusted.pem"
    trusted.write_text(open(authority.self_signed()[0]).read())
    agent = start(STREAMER_NAME="KAFKA", USING_LOCAL_PORT_INSTANCE="true", KAFKA_CONSUMER_BOOTSTRAP_SERVERS="127.0.0.1:1", KAFKA_CONSUMER_GROUP_ID="group",
                  KAFKA_CONSUMER_SECURITY_PROTOCOL="ssl", SSL_CERT_FILE=str(trusted), CONTROL_THE_PAYLOAD_CONFIG_PATH="")
    agent.wait_log("starting")
    told = lambda: sum(line["msg"].startswith("authorities have changed, and brokers are trusted by those before") for line in agent.log.snapshot())
    agent.process.send_signal(signal.SIGHUP)
    agent.wait_log("nothing to reload")
    assert told() == 0
    trusted.write_text(authority.pem)
    agent.process.send_signal(signal.SIGHUP)
    agent.wait_log("reloaded", changed="certificates")
    agent.process.send_signal(signal.SIGHUP)
    agent.log.wait(lambda items: sum(item["msg"].startswith("nothing to reload") for item in items) == 2)
    assert told() == 1
    assert agent.terminate() == 0
