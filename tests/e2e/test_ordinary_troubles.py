"""Each ordinary trouble, played: `port-agent status`, `run-status` and the log say what docs/troubles.md says that they do.

Troubles that an agent can have at the same time share one; the others' agents run side by side."""
import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess

import pytest
from broker import SCRAM_PASSWORD, SCRAM_USER, free_port
from certificates import Authority, server_context
from confluent_kafka.admin import AclBinding, AclOperation, AclPermissionType, ResourcePatternType, ResourceType
from harness import BINARY, ROOT, SECRET, Agent, run_event, wait_until
from port_api import PortApi
from raw import Raw
from test_polling import polled_run
from test_signals import Held


def table():
    """Of docs/troubles.md: trouble -> the words that `status`, `run-status` and the log have."""
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in (ROOT / "docs/troubles.md").read_text().splitlines() if line.startswith("| ")]
    assert all(len(row) == 5 for row in rows), [row for row in rows if len(row) != 5]
    assert all(row[4] for row in rows)
    return {row[0]: [re.findall("`(.+?)`", cell) for cell in row[1:4]] for row in rows[1:]}


TROUBLES = table()


class Pod:
    """An agent with its log, and the two commands that ask it."""

    def __init__(self, directory, **environment):
        self.socket = str(directory / f"{len(list(directory.iterdir()))}.sock")
        open(self.socket + ".name", "w").close()
        self.agent = Agent({"LOG_FORMAT": "json", "STATUS_SOCKET": self.socket, **environment})

    def ask(self, *words):
        done = subprocess.run([BINARY, *words], env={"PATH": os.environ["PATH"], "STATUS_SOCKET": self.socket}, capture_output=True, text=True, timeout=60, cwd="/tmp")
        return " ".join((done.stdout + done.stderr).split())

    def log(self):
        return "\n".join(" ".join(map(str, line.values())) for line in self.agent.log.snapshot())

    def shows(self, trouble, run_id, named=("status", "log")):
        """Until all of it is said, `run-status`'s words of that run among it; `named`: what names the run as well."""
        status, run, log = TROUBLES[trouble]
        missing = [("status", words) for words in status] + [("run-status", words) for words in run] + [("log", words) for words in log]
        missing += [(where, run_id) for where in named]
        said = {}

        def all_is_said():
            said.update({"status": self.ask("status"), "run-status": self.ask("run-status", run_id), "log": self.log()})
            missing[:] = [(where, words) for where, words in missing if words not in said[where]]
            return not missing

        wait_until(all_is_said, lambda: f"{trouble}: {missing} is not in {json.dumps(said, indent=1)}")


@pytest.fixture
def start(tmp_path):
    with contextlib.ExitStack() as ends:
        def start(**environment):
            pod = Pod(tmp_path, **environment)
            ends.callback(pod.agent.kill)
            return pod

        yield start


@pytest.fixture
def polling(start):
    """An agent, the Port that it polls, and an endpoint that holds its answers."""
    with contextlib.ExitStack() as ends:
        def polling(**environment):
            port, held = PortApi(), Held()
            ends.callback(port.close)
            ends.callback(held.close)
            pod = start(PORT_ORG_ID="org_trouble", PORT_CLIENT_ID="client", PORT_CLIENT_SECRET=SECRET, PORT_API_BASE_URL=port.url,
                        **{"STREAMER_NAME": "POLLING", "POLLING_INTERVAL_SECONDS": "0.1", "DRAIN_TIMEOUT_SECONDS": "1", **environment})
            return pod, port, held

        yield polling


def test_endpoints(polling, receiver, authority):
    stranger = Authority("nobody's authority")
    other_name = Raw(tls=server_context(*authority.issue("other", names="DNS:elsewhere.example")))
    not_trusted = Raw(tls=server_context(*stranger.issue("localhost")))
    pod, port, _ = polling(WEBHOOK_RETRY_MAX_ATTEMPTS="1", WEBHOOK_INVOKER_TIMEOUT="1", SSL_CERT_FILE=str(authority.file))
    urls = {"the endpoint answers 404": receiver.url + "/status/404",
            "the endpoint answers 500": receiver.url.replace("127.0.0.1", "127.0.0.2") + "/status/500",
            "the endpoint answers 503": receiver.url.replace("127.0.0.1", "127.0.0.3") + "/status/503",
            "the endpoint refuses connections": f"http://127.0.0.1:{free_port()}/",
            "the endpoint is silent": receiver.url.replace("127.0.0.1", "127.0.0.4") + "/never",
            "the endpoint's certificate has another name": f"https://localhost:{other_name.port}/",
            "the endpoint's certificate is not trusted": f"https://localhost:{not_trusted.port}/",
            "the endpoint redirects": receiver.url.replace("127.0.0.1", "127.0.0.5") + "/redirect/302/http:||elsewhere.example|x"}
    runs = {trouble: f"r_{number}" for number, trouble in enumerate(urls)}
    port.offer(*[polled_run(runs[trouble], url) for trouble, url in urls.items()])
    for trouble, run in runs.items():
        pod.shows(trouble, run)
    other_name.close()
    not_trusted.close()
    stranger.remove()


def gone(port):
    port.serve = lambda *_: None  # what is connected
    port.close()


def refuses_tokens(port):
    port.token_status = 401
    port.revoke_tokens()


def wants_quiet(port):
    port.serve = lambda *_: (429, {"ok": False}, [("Retry-After", "600")])


def refuses_results(port):
    serve = port.serve
    port.serve = lambda method, path, *rest: (422, {"message": "it has ended"}) if method == "PATCH" and "/runs/r_" in path else serve(method, path, *rest)


def forbids_results(port):
    serve = port.serve
    port.serve = lambda method, path, *rest: (403, {"message": "not yours"}) if method == "PATCH" and "/runs/r_" in path else serve(method, path, *rest)


def a_page_instead(port):
    serve = port.serve
    page = (200, b"<html><body>Sign in to use this network</body></html>")
    port.serve = lambda method, path, *rest: serve(method, path, *rest) if path.endswith(("/access_token", "/ack")) else page


def an_hour_ahead(port):
    port.date_offset = 3600


def test_port(polling):
    troubles = {"Port is down": gone, "Port answers 401": refuses_tokens, "Port answers 429": wants_quiet, "Port refuses results": refuses_results,
                "Port forbids results": forbids_results, "something else answers in Port's place": a_page_instead, "the clock is an hour off": an_hour_ahead}
    made = {trouble: polling() for trouble in troubles}
    for pod, port, held in made.values():
        port.offer(*[polled_run(f"r_{number}", held.url) for number in range(3)])
    for trouble, (pod, port, held) in made.items():
        for _ in range(3):
            held.wait()
        troubles[trouble](port)
        held.go.set()
    for trouble, (pod, port, held) in made.items():
        named = {"Port answers 429": ["status"], "the clock is an hour off": ["log"]}  # nothing failed, or nothing new is told yet
        pod.shows(trouble, "r_0", named.get(trouble, ("status", "log")))


def test_mappings_letters_and_the_end(polling, receiver, tmp_path):
    mapping = tmp_path / "mapping.json"
    mapping.write_text(json.dumps([{"enabled": ".payload.properties.mine", "url": '.payload.properties | error("no")'}]))
    pod, port, _ = polling(CONTROL_THE_PAYLOAD_CONFIG_PATH=str(mapping))
    body = lambda **properties: {"action": "create_vm", "payload": {"properties": properties}}
    port.offer(polled_run("r_fails", receiver.url, body=body(mine=True)), polled_run("r_unwanted", receiver.url, body=body()))
    (tmp_path / "letters").mkdir()
    full, full_port, _ = polling(DEAD_LETTER_DIR=str(tmp_path / "letters"), DEAD_LETTER_MAX_BYTES="65536")
    full_port.offer(polled_run("r_letter", receiver.url + "/status/404", body=body(long="x" * 70000)))
    ends, ends_port, held = polling(DRAIN_TIMEOUT_SECONDS="60")
    ends_port.offer(polled_run("r_held", held.url))
    held.wait()
    ends.agent.process.send_signal(signal.SIGTERM)
    ends.shows("SIGTERM comes while a run is under way", "r_held", named=["status"])
    held.go.set()
    down, down_port, _ = polling(WEBHOOK_RETRY_MAX_ATTEMPTS="1", WEBHOOK_BREAKER_FAILURES="1")
    url = f"http://127.0.0.1:{free_port()}/"
    down_port.offer(polled_run("r_first", url))
    down.agent.wait_log("circuit open")
    down_port.offer(*[polled_run(f"r_{number}", url) for number in range(9)])
    down.shows("an endpoint goes on failing", "r_8", named=["status"])
    pod.shows("a mapping fails", "r_fails")
    pod.shows("no mapping wants the event", "r_unwanted", named=["log"])
    full.shows("dead letters are full", "r_letter")
    full.ask("pause")
    full_port.offer(polled_run("r_paused", receiver.url))
    full.shows("deliveries are paused, and that was forgotten", "r_paused", named=["status"])
    assert ends.agent.wait() == 0


def test_brokers(make_world, kafka, start, receiver):
    world, twins, crowded = make_world(), make_world(), make_world()
    credentials, refusing = PortApi(), PortApi()
    refusing.token_status = 401
    credentials.credentials = {"brokers": [kafka.tls_bootstrap], "username": SCRAM_USER, "password": "another-password"}
    right, plain = PortApi(), PortApi()
    right.credentials = {**credentials.credentials, "password": SCRAM_PASSWORD}
    plain.credentials = {**right.credentials, "brokers": [kafka.bootstrap]}
    from_port = {"USING_LOCAL_PORT_INSTANCE": "false", "PORT_API_BASE_URL": credentials.url, "KAFKA_CONSUMER_BOOTSTRAP_SERVERS": ""}
    logs_in = {**from_port, "SSL_CERT_FILE": str(kafka.ca), "PORT_API_BASE_URL": right.url}
    forbidden = AclBinding(ResourceType.GROUP, f"{world.group}-forbidden", ResourcePatternType.LITERAL, f"User:{SCRAM_USER}", "*", AclOperation.READ, AclPermissionType.DENY)
    admin = kafka.admin()  # kept while its futures are waited for
    for made in admin.create_acls([forbidden]).values():
        made.result(30)
    differs = {"the client secret is wrong": {"PORT_CLIENT_SECRET": "the-secret-of-another-organisation"},
               "the organisation is wrong": {"PORT_ORG_ID": "org_of_nobody"},
               "the broker refuses connections": {"KAFKA_CONSUMER_BOOTSTRAP_SERVERS": f"127.0.0.1:{free_port()}"},
               "the broker's name is not known": {"KAFKA_CONSUMER_BOOTSTRAP_SERVERS": "broker.invalid:9092"},
               "the broker's certificate is not trusted": from_port,
               "the broker refuses the password": {**from_port, "SSL_CERT_FILE": str(kafka.ca)},
               "the broker wants another way of login": {**logs_in, "KAFKA_CONSUMER_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_CONSUMER_AUTHENTICATION_MECHANISM": "PLAIN"},
               "the broker does not speak TLS": {**logs_in, "PORT_API_BASE_URL": plain.url},
               "the broker wants TLS": {"KAFKA_CONSUMER_BOOTSTRAP_SERVERS": kafka.tls_bootstrap},
               "the consumer group is forbidden": {**logs_in, "KAFKA_CONSUMER_GROUP_ID": forbidden.name},
               "Port is down when the agent starts": {**from_port, "PORT_API_BASE_URL": f"http://127.0.0.1:{free_port()}"},
               "Port refuses the client when the agent starts": {**from_port, "PORT_API_BASE_URL": refusing.url}}
    pods = {trouble: start(**{**world.environment, **environment}) for trouble, environment in differs.items()}
    named = {**twins.environment, "KAFKA_CONSUMER_GROUP_INSTANCE_ID": "agent-0"}
    fenced = start(**named)
    members = [start(**crowded.environment)]
    world.produce(*[run_event(f"r_{number}", receiver.url) for number in range(5)])
    members[0].agent.assigned()
    members.append(start(**crowded.environment))
    fenced.agent.assigned()
    start(**named)
    for trouble, pod in pods.items():
        pod.shows(trouble, "r_0", named=["status", "log"] if trouble == "the client secret is wrong" else [])
    assert fenced.agent.wait() == 1
    fenced.shows("two agents have one name", "r_0", named=[])
    stands_by = lambda pod: any(line["msg"].startswith("no partitions assigned: standing by") for line in pod.agent.log.snapshot())
    wait_until(lambda: any(map(stands_by, members)), "one of two members stands by")
    next(filter(stands_by, members)).shows("other members hold all partitions", "r_0", named=[])
    for api in (credentials, refusing, right, plain):
        api.close()


def test_each_trouble_of_the_page_is_played():
    """By one of the tests above, each of which fails at a trouble that the page does not have."""
    source = pathlib.Path(__file__).read_text()
    assert len(TROUBLES) > 20 and [trouble for trouble in TROUBLES if f'"{trouble}"' not in source] == []
