"""Proxies and certificate authorities: a real proxy, real TLS servers, a real broker."""
import contextlib
import json
import os
import pathlib
import resource
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
import urllib.parse
import uuid

import pytest

from broker import SCRAM_PASSWORD, SCRAM_USER
from certificates import Authority, server_context
from harness import BINARY, ROOT, Agent, Receiver, outcome, run_event, speaks_http2
from names import Names, preload
from port_api import PortApi
from proxy import Proxy, read_head, relay
from raw import Raw

pytestmark = pytest.mark.host  # what libraries do is most of what is tested here

MOUNTED = pathlib.Path("/usr/local/share/ca-certificates")


@pytest.fixture
def open_receiver():
    opened = []

    def start(certificate):
        opened.append(Receiver(sys.executable, str(ROOT / "tests/receivers/receiver.py"), tls=certificate))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


@pytest.fixture
def tls_receiver(authority, open_receiver):
    return open_receiver(authority.issue("good"))


@pytest.fixture
def open_proxy():
    opened = []

    def start(**options):
        opened.append(Proxy(**options))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


def all_text(agent):
    return json.dumps(agent.log.snapshot()) + json.dumps(agent.errors.snapshot())


# Proxies


def test_http_webhooks_and_the_port_api_go_through_the_proxy(world, port, receiver, open_proxy):
    proxy = open_proxy(user="user", password="pa55word")
    agent = world.agent(HTTP_PROXY=proxy.url()).assigned()
    world.produce(run_event("r_proxied", receiver.url + "/ok", method="PUT"))
    assert outcome(port, "r_proxied") == {"status": "SUCCESS"}
    assert proxy.targets("PUT") == [receiver.url + "/ok"]
    assert all(path.startswith(port.url) for path in proxy.targets("PATCH"))
    assert len(proxy.targets()) == 1 + len(port.calls), "every call went through the proxy"
    assert receiver.seen.snapshot()[0]["valid"]
    assert agent.terminate() == 0
    assert "pa55word" not in all_text(agent)


def test_https_goes_through_a_tunnel_that_sees_nothing_of_it(world, port, authority, tls_receiver, open_proxy):
    proxy = open_proxy(user="user", password="pa55word")
    world.agent(https_proxy=proxy.url(), SSL_CERT_FILE=str(authority.file)).assigned()
    world.produce(*[run_event(f"r_{i}", tls_receiver.url + "/ok") for i in range(5)])
    for i in range(5):
        assert outcome(port, f"r_{i}") == {"status": "SUCCESS"}
    assert set(proxy.targets()) == {f"127.0.0.1:{tls_receiver.port}"}
    assert all("port-signature" not in head.lower() and "/ok" not in head for _, _, head in proxy.requests)
    assert all(seen["valid"] for seen in tls_receiver.seen.snapshot())


def test_https_port_api_through_a_tunnel(make_world, authority, receiver, open_proxy):
    api, proxy = PortApi(tls=server_context(*authority.issue("port"))), open_proxy()
    try:
        world = make_world()
        world.agent(PORT_API_BASE_URL=api.url, ALL_PROXY=proxy.url(), NO_PROXY=f"127.0.0.1:{receiver.port}",
                    SSL_CERT_FILE=str(authority.file)).assigned()
        world.produce(run_event("r_api", receiver.url + "/ok"))
        assert outcome(api, "r_api") == {"status": "SUCCESS"}
        assert set(proxy.targets()) == {f"127.0.0.1:{api.server.server_port}"}
    finally:
        api.close()


@pytest.mark.parametrize("tls_proxy", [False, True], ids=["http", "https"])
def test_both_schemes_through_one_proxy(world, port, authority, receiver, tls_receiver, open_proxy, tls_proxy):
    proxy = open_proxy(tls=server_context(*authority.issue("proxy")) if tls_proxy else None)
    world.agent(all_proxy=proxy.url("https" if tls_proxy else "http"), SSL_CERT_FILE=str(authority.file)).assigned()
    world.produce(run_event("r_http", receiver.url + "/ok"), run_event("r_https", tls_receiver.url + "/ok"))
    assert outcome(port, "r_http") == outcome(port, "r_https") == {"status": "SUCCESS"}
    assert proxy.targets("POST").count(receiver.url + "/ok") == 1
    assert proxy.targets("CONNECT") == [f"127.0.0.1:{tls_receiver.port}"]


def test_socks_5(world, port, authority, tls_receiver, open_proxy):
    proxy = open_proxy(user="user", password="pa55word")
    world.agent(ALL_PROXY=proxy.url("socks5h"), SSL_CERT_FILE=str(authority.file)).assigned()
    world.produce(run_event("r_socks", f"https://localhost:{tls_receiver.port}/ok"))
    assert outcome(port, "r_socks") == {"status": "SUCCESS"}
    assert f"localhost:{tls_receiver.port}" in proxy.targets("SOCKS")


@pytest.mark.parametrize("no_proxy", ["127.0.0.1", "10.0.0.0/8,127.0.0.0/8", "*", "other.internal 127.0.0.1"])
def test_no_proxy_goes_straight(world, port, receiver, open_proxy, no_proxy):
    proxy = open_proxy()
    world.agent(HTTP_PROXY=proxy.url(), NO_PROXY=no_proxy).assigned()
    world.produce(run_event("r_straight", receiver.url + "/ok"))
    assert outcome(port, "r_straight") == {"status": "SUCCESS"}
    assert proxy.requests == []


def test_the_lower_case_name_wins_and_a_domain_may_carry_a_port(world, port, receiver, open_proxy):
    first, second = open_proxy(), open_proxy()
    world.agent(HTTP_PROXY=first.url(), http_proxy=second.url(), no_proxy=f".localhost:{port.server.server_port},127.0.0.1").assigned()
    world.produce(run_event("r_lower", f"http://hooks.localhost:{receiver.port}/ok"))
    second_target = f"http://hooks.localhost:{receiver.port}/ok"
    port.wait(lambda: second.targets())
    assert first.targets() == [] and second.targets()[0] == second_target


@pytest.mark.parametrize("scheme", ["http", "socks5h"])
def test_a_password_of_any_characters_reaches_the_proxy(world, port, receiver, open_proxy, scheme):
    password = "p:@/?#% +;\\'\"&=ä"
    proxy = open_proxy(user="me@corp", password=password)
    given = f"{scheme}://me@corp:{urllib.parse.quote(password, safe='@')}@127.0.0.1:{proxy.port}"
    world.agent(ALL_PROXY=given, NO_PROXY=f"127.0.0.1:{port.server.server_port}").assigned()
    world.produce(run_event("r_any", receiver.url + "/ok"))
    assert receiver.wait_runs(["r_any"]) and outcome(port, "r_any")["status"] == "SUCCESS"
    assert len(proxy.targets()) == 1


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "https_proxy", "ALL_PROXY_FILE"])
def test_the_agent_does_not_start_with_a_proxy_that_it_cannot_use(world, port, tmp_path, variable):
    value = "http://us:pa55%0aword@127.0.0.1:1"
    if variable.endswith("_FILE"):
        (tmp_path / "secret").write_text(value)
        value = str(tmp_path / "secret")
    agent = world.agent(**{variable: value})
    assert agent.wait() == 78 and port.calls == []
    told = "".join(agent.errors.snapshot())
    assert variable.upper().removesuffix("_FILE") + ": " in told and "pa55" not in told and "word" not in told.replace("password", ""), told


INTERIM = {"100": [b"HTTP/1.1 100 Continue\r\n\r\n"],
           "several": [b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\nX-A: b\r\n\r\n", b"HTTP/1.1 103 Early Hints\nLink: </a>\n\n"],
           "bytewise": [bytes([b]) for b in b"HTTP/1.1 102 Processing\r\nX: y\r\n\r\nHTTP/1.0 199 Z\r\n\r\n"]}


@pytest.mark.parametrize("before", INTERIM.values(), ids=INTERIM.keys())
def test_a_proxy_may_answer_connect_with_interim_answers_first(world, port, authority, tls_receiver, open_proxy, before):
    proxy = open_proxy(before=before)
    world.agent(HTTPS_PROXY=proxy.url(), SSL_CERT_FILE=str(authority.file), WEBHOOK_RETRY_ON="none").assigned()
    for run in ("r_interim", "r_kept"):
        world.produce(run_event(run, f"https://localhost:{tls_receiver.port}/ok"))
        assert outcome(port, run)["status"] == "SUCCESS"
    assert len(proxy.targets()) == 1


@pytest.mark.parametrize("before", INTERIM.values(), ids=INTERIM.keys())
def test_a_proxy_may_answer_connect_before_anybody_has_looked(world, port, authority, tls_receiver, open_proxy, tmp_path, before):
    """A busy machine runs the proxy between the agent's sending and its next step."""
    proxy = open_proxy(before=before)
    world.agent(HTTPS_PROXY=proxy.url(), SSL_CERT_FILE=str(authority.file), WEBHOOK_RETRY_ON="none",
                LD_PRELOAD=preload(tmp_path, "hasty")).assigned()
    world.produce(run_event("r_hasty", f"https://localhost:{tls_receiver.port}/ok"))
    assert outcome(port, "r_hasty")["status"] == "SUCCESS" and len(proxy.targets()) == 1


def test_tls_before_1_2_is_not_spoken(world, port, authority):
    context = server_context(*authority.issue("old"))
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    old = Raw(tls=context)
    try:
        agent = world.agent(SSL_CERT_FILE=str(authority.file), WEBHOOK_RETRY_ON="none").assigned()
        world.produce(run_event("r_old", f"https://localhost:{old.port}/"))
        assert outcome(port, "r_old")["status"] == "FAILURE"
        assert agent.wait_log("webhook failed")["error.type"] == "tls" and old.requests == []
    finally:
        old.close()


def flood(head, line, tail=b""):
    def answer(connection):
        connection.sendall(head)
        for _ in range(24 * 1024 * 1024 // len(line) if line else 0):
            connection.sendall(line)
        connection.sendall(tail)
    return answer


GARBAGE = {"many headers": flood(b"HTTP/1.1 200 OK\r\n", b"X-A: " + b"b" * 1000 + b"\r\n", b"\r\n"),
           "one long header": flood(b"HTTP/1.1 200 OK\r\nX-A: ", b"b" * 65536, b"\r\n\r\n"),
           "endless interim answers": flood(b"", b"HTTP/1.1 102 Processing\r\n\r\n" * 100),
           "a long interim answer": flood(b"HTTP/1.1 102 Processing\r\n", b"X-A: " + b"b" * 1000 + b"\r\n", b"\r\nHTTP/1.1 200 OK\r\n\r\n"),
           "no HTTP": flood(b"SSH-2.0-OpenSSH_9.2\r\n", b""),
           "no header": flood(b"HTTP/1.1 200 OK\r\nno header\r\n\r\n", b""),
           "switching": flood(b"HTTP/1.1 101 Switching\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", b""),
           "nothing": lambda connection: None,
           "half a line": flood(b"HTTP/1.1 10", b""),
           "a long refusal": flood(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 1000000000\r\n\r\n", b"b" * 65536)}


@pytest.mark.parametrize("answer", GARBAGE.values(), ids=GARBAGE.keys())
def test_what_is_no_answer_to_connect_is_the_proxys_failure_and_tried_again(world, port, authority, tls_receiver, open_proxy, answer):
    proxy = open_proxy(instead=answer)
    agent = world.agent(HTTPS_PROXY=proxy.url(), SSL_CERT_FILE=str(authority.file), WEBHOOK_RETRY_MAX_ATTEMPTS="2",
                        WEBHOOK_RETRY_INITIAL_BACKOFF="0.01").assigned()
    world.produce(run_event("r_garbage", f"https://localhost:{tls_receiver.port}/ok", synchronized=False))
    told = outcome(port, "r_garbage")
    assert told["status"] == "FAILURE" and "the proxy http://127.0.0.1:" in told["summary"], told
    line = agent.wait_log("webhook failed")
    assert line["error.type"] == "proxy" and line["http.request.resend_count"] == 1 and len(proxy.targets()) == 2, line
    assert tls_receiver.runs() == []


@pytest.mark.parametrize("variable, scheme", [("HTTPS_PROXY", "http"), ("ALL_PROXY", "http"), ("all_proxy", "socks5h")])
def test_a_refused_password_is_one_attempt_and_no_failure_of_the_endpoint(world, port, tls_receiver, open_proxy, variable, scheme):
    proxy = open_proxy(user="user", password="other")
    agent = world.agent(**{variable: f"{scheme}://user:pa55word@127.0.0.1:{proxy.port}", "NO_PROXY": f"127.0.0.1:{port.server.server_port}",
                           "WEBHOOK_RETRY_INITIAL_BACKOFF": "0.01", "WEBHOOK_BREAKER_FAILURES": "1"}).assigned()
    for number in range(3):
        world.produce(run_event(f"r_refused_{number}", f"https://localhost:{tls_receiver.port}/ok"))
        told = outcome(port, f"r_refused_{number}")
        assert told["status"] == "FAILURE" and f"see {variable.upper()}" in told["summary"] and "pa55word" not in told["summary"], told
    assert agent.terminate() == 0
    lines = [line for line in agent.log.snapshot() if line["msg"] == "webhook failed"]
    assert [("http.request.resend_count" in line, line["error.type"]) for line in lines] == [(False, "proxy")] * 3
    assert not [line for line in agent.log.snapshot() if "circuit" in line["msg"]]


def failing_proxies(open_proxy):
    closed = open_proxy()
    closed.close()
    return {"refused": (closed.url(), "onnect"), "forbidden": (open_proxy(refuse_with=403).url(), "403"),
            "password": (open_proxy(user="user", password="other").url(with_credentials=False).replace("//", "//user:pa55word@"), "password")}


@pytest.mark.parametrize("kind", ["refused", "forbidden", "password"])
def test_a_failing_proxy_is_named_as_the_cause(world, port, tls_receiver, open_proxy, kind):
    url, words = failing_proxies(open_proxy)[kind]
    agent = world.agent(HTTPS_PROXY=url, WEBHOOK_RETRY_ON="none").assigned()
    world.produce(run_event("r_proxy", tls_receiver.url + "/ok", synchronized=False))
    told = outcome(port, "r_proxy")
    assert told["status"] == "FAILURE" and "the proxy http://127.0.0.1:" in told["summary"] and words in told["summary"], told
    assert agent.wait_log("webhook failed")["error.type"] == "proxy"
    assert "pa55word" not in all_text(agent) and "pa55word" not in json.dumps(port.calls)


def test_a_proxy_that_wants_a_password_fails_a_plain_request_too(world, port, receiver, open_proxy):
    proxy = open_proxy(user="user", password="pa55word")
    agent = world.agent(HTTP_PROXY=proxy.url(with_credentials=False), NO_PROXY=f"127.0.0.1:{port.server.server_port}").assigned()
    world.produce(run_event("r_407", receiver.url + "/ok"))
    told = outcome(port, "r_407")
    assert told["status"] == "FAILURE" and "wants a user and a password" in told["summary"], told
    assert agent.wait_log("webhook failed")["error.type"] == "proxy" and receiver.runs() == []


def test_a_proxy_that_is_no_address_stops_the_start(world):
    agent = world.agent(HTTPS_PROXY="http://user:pa55word@proxy.internal:99999")
    assert agent.wait() == 78
    told = "".join(agent.errors.snapshot())
    assert "https" in told.lower() and "proxy" in told.lower() and "pa55word" not in told


# Names whose addresses change


@pytest.fixture
def names(tmp_path):
    return Names(tmp_path)


@contextlib.contextmanager
def listening(address, port, serve):
    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            with contextlib.suppress(OSError):
                serve(self.request)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads, allow_reuse_address = True, True

    server = Server((address, port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def is_silent(connection):
    connection.recv(65536)
    threading.Event().wait(20)


@pytest.fixture
def door(receiver):
    """A port of 127.0.0.1 alone behind which the receiver is."""
    with listening("127.0.0.1", 0, lambda connection: relay(connection, socket.create_connection(("127.0.0.1", receiver.port)))) as port:
        yield port


@pytest.mark.parametrize("before", ["refused", "silent"])
def test_a_name_is_looked_up_again_after_nothing_came_from_where_it_led(world, port, door, names, before):
    names.lead(moving="127.0.0.2")
    agent = world.agent(**names.environment, WEBHOOK_INVOKER_TIMEOUT="2", WEBHOOK_RETRY_ON="none").assigned()
    url = f"http://moving.test:{door}/ok"
    with listening("127.0.0.2", door, is_silent) if before == "silent" else contextlib.nullcontext():
        world.produce(run_event("r_before", url))
        assert outcome(port, "r_before")["status"] == "FAILURE"
    assert agent.wait_log("webhook failed")["error.type"] == ("timeout" if before == "silent" else "connect")
    names.lead(moving="127.0.0.1")
    world.produce(run_event("r_after", url))
    assert outcome(port, "r_after")["status"] == "SUCCESS"


def test_the_next_attempt_looks_the_name_up_again(world, port, door, names):
    names.lead(moving="127.0.0.2")
    agent = world.agent(**names.environment, LOG_LEVEL="DEBUG", WEBHOOK_RETRY_INITIAL_BACKOFF="1").assigned()
    world.produce(run_event("r_moving", f"http://moving.test:{door}/ok"))
    agent.wait_log("webhook will be tried again")
    names.lead(moving="127.0.0.1")
    assert outcome(port, "r_moving")["status"] == "SUCCESS"


def test_a_proxy_that_has_moved_is_found(world, port, receiver, names, open_proxy):
    proxy = open_proxy()
    names.lead(proxy="127.0.0.2")
    agent = world.agent(**names.environment, HTTP_PROXY=f"http://proxy.test:{proxy.port}", WEBHOOK_RETRY_ON="none",
                        NO_PROXY=f"127.0.0.1:{port.server.server_port}").assigned()
    world.produce(run_event("r_before", receiver.url + "/ok"))
    assert outcome(port, "r_before")["status"] == "FAILURE"
    assert agent.wait_log("webhook failed")["error.type"] == "proxy"
    names.lead(proxy="127.0.0.1")
    world.produce(run_event("r_after", receiver.url + "/ok"))
    assert outcome(port, "r_after")["status"] == "SUCCESS"


def test_a_port_api_that_has_moved_is_found(world, port, receiver, names):
    names.lead(port="127.0.0.2")
    agent = world.agent(**names.environment, PORT_API_BASE_URL=f"http://port.test:{port.server.server_port}").assigned()
    agent.wait_log("the streamer could not be announced")
    world.produce(run_event("r_port", receiver.url + "/ok"))
    agent.wait_log("a result waits for Port")
    names.lead(port="127.0.0.1")
    assert outcome(port, "r_port")["status"] == "SUCCESS"


# File descriptors


def limited(count):
    return ["sh", "-c", f"ulimit -n {count} && exec \"$@\"", "sh"]


def answers_slowly(connection):
    while read_head(connection):
        threading.Event().wait(0.5)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


def lines_with(agent, words):
    return [line for line in agent.log.snapshot() if words in line["msg"]]


def test_few_file_descriptors_make_a_small_window_and_no_failure(world, port):
    agent = Agent({**world.environment, "WEBHOOK_RETRY_ON": "none"}, within=limited(64))
    world.agents.append(agent)
    agent.assigned()
    told = agent.wait_log("the limit of open files allows fewer webhooks at once")
    assert told["open_files_limit"] == 64 and 1 <= told["webhooks_at_once"] < 20 and told["wanted"] == 256
    with contextlib.ExitStack() as doors:
        doors = [doors.enter_context(listening("127.0.0.1", 0, answers_slowly)) for _ in range(30)]
        runs = [f"r_few_{i}" for i in range(40)]
        world.produce(*(run_event(run, f"http://127.0.0.1:{doors[i % 30]}/", method="GET") for i, run in enumerate(runs)))
        assert {outcome(port, run)["status"] for run in runs} == {"SUCCESS"}
    assert lines_with(agent, "circuit") == lines_with(agent, "webhook failed") == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_delivery_waits_while_there_is_no_file_descriptor(world, port, receiver, host):
    agent = world.agent(WEBHOOK_RETRY_ON="none", WEBHOOK_BREAKER_FAILURES="1").assigned()
    world.produce(run_event("r_warm", f"http://127.0.0.1:{receiver.port}/ok"))
    assert outcome(port, "r_warm")["status"] == "SUCCESS"
    soft, hard = resource.prlimit(agent.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(agent.process.pid, resource.RLIMIT_NOFILE, (3, hard))
    with listening("127.0.0.1", 0, answers_slowly) as door:
        world.produce(*(run_event(f"r_{i}", f"http://{host}:{door}/", method="GET") for i in range(5)))
        told = agent.wait_log("the system gives out no more connections")
        assert "ulimit -n is 3" in told["error.message"]
        threading.Event().wait(1.5)  # some more would-be attempts
        assert not [run for run in range(5) if ("PATCH", "") in [call[:2] for call in port.of_run(f"r_{run}")]]
        resource.prlimit(agent.process.pid, resource.RLIMIT_NOFILE, (soft, hard))
        assert {outcome(port, f"r_{i}")["status"] for i in range(5)} == {"SUCCESS"}
    assert lines_with(agent, "circuit") == lines_with(agent, "webhook failed") == []
    assert len(lines_with(agent, "the system gives out no more connections")) == 1
    assert not any("http.request.resend_count" in line for line in agent.log.snapshot())


# Certificates of endpoints


def test_certificates_that_fail_their_check(world, port, authority, open_receiver):
    bad = {"expired": authority.issue("expired", days=-1), "host": authority.issue("wronghost", "DNS:other.internal"),
           "self": authority.self_signed()}
    receivers = {kind: open_receiver(certificate) for kind, certificate in bad.items()}
    agent = world.agent(SSL_CERT_FILE=str(authority.file)).assigned()
    world.produce(*[run_event(f"r_{kind}", one.url + "/ok") for kind, one in receivers.items()])
    words = {"expired": "expired", "host": "127.0.0.1", "self": "self"}
    for kind, one in receivers.items():
        told = outcome(port, f"r_{kind}")
        assert told["status"] == "FAILURE" and "certificate" in told["summary"] and words[kind] in told["summary"], told
        assert agent.wait_log("webhook failed", port__run_id=f"r_{kind}")["error.type"] == "tls_certificate"
        assert one.runs() == []


def test_verification_can_be_turned_off_for_webhooks_alone(make_world, authority, open_receiver):
    receiver = open_receiver(authority.self_signed())
    api = PortApi(tls=server_context(*authority.issue("port")))
    try:
        world = make_world()
        agent = world.agent(PORT_API_BASE_URL=api.url, WEBHOOK_VERIFY_SSL="false").assigned()
        assert agent.wait_log("WEBHOOK_VERIFY_SSL is false")["level"] == "WARNING"
        world.produce(run_event("r_any", receiver.url + "/ok"))
        receiver.wait_runs(["r_any"])
        assert "certificate" in agent.wait_log("the streamer could not be announced")["error.message"]
        assert api.calls == []
    finally:
        api.close()


# Certificates of our own


@contextlib.contextmanager
def broker_that_notes_its_clients(context):
    """TLS, and no word of Kafka's: (port, the names in the certificates that were shown)."""
    names = []

    def serve(connection):
        with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True) as tls:
            names.append(dict(pair[0] for pair in tls.getpeercert()["subject"])["commonName"])

    with listening("127.0.0.1", 0, serve) as port:
        yield port, names


def test_client_certificates_reach_all_three(make_world, authority, open_receiver, tmp_path):
    ours, key = authority.issue("ours")
    authorities = str(authority.file)
    receiver = open_receiver((*authority.issue("good"), authorities))
    (tmp_path / "hosts.json").write_text(json.dumps({f"127.0.0.1:{receiver.port}": {"cert": ours, "key": key}}))
    api = PortApi(tls=server_context(*authority.issue("port"), clients=authorities))
    settings = {"PORT_API_BASE_URL": api.url, "PORT_API_CLIENT_CERT": ours, "PORT_API_CLIENT_KEY_FILE": key, "SSL_CERT_FILE": authorities,
                "WEBHOOK_CLIENT_CERT": str(tmp_path / "hosts.json"), "KAFKA_CONSUMER_SSL_CERTIFICATE_FILE": ours, "KAFKA_CONSUMER_SSL_KEY": key}
    try:
        world = make_world()
        agent = world.agent(**settings, WEBHOOK_RETRY_ON="none").assigned()
        # asyncio's servers, of which the receiver is one, send no alert: Port's API, which nobody named for webhooks, does.
        world.produce(run_event("r_shown", receiver.url + "/ok"), run_event("r_none", f"https://localhost:{api.server.server_port}/ok"))
        assert outcome(api, "r_shown") == {"status": "SUCCESS"}
        assert outcome(api, "r_none")["status"] == "FAILURE" and receiver.runs() == ["r_shown"]
        failed = agent.wait_log("webhook failed")
        if speaks_http2():  # an older libcurl may lose the alert
            assert failed["error.type"] == "tls" and failed["error.message"].endswith("it wants a client certificate: see WEBHOOK_CLIENT_CERT"), failed
        assert agent.terminate() == 0
        secret = set(pathlib.Path(key).read_text().splitlines())
        assert not [line for line in secret if line in all_text(agent)]
        with broker_that_notes_its_clients(server_context(*authority.issue("broker"), clients=authorities)) as (port, names):
            environment = {**world.environment, **settings, "KAFKA_CONSUMER_BOOTSTRAP_SERVERS": f"127.0.0.1:{port}", "KAFKA_CONSUMER_SECURITY_PROTOCOL": "ssl"}
            told = subprocess.run([BINARY, "check", "--connect", "--timeout", "4", "--output", "json"], env=environment, capture_output=True, text=True, timeout=60)
            steps = {step["step"]: step["outcome"] for step in json.loads(told.stdout)["steps"]}
            assert steps["answer"] == steps["credentials"] == "ok" and set(names) == {"ours"}, (told.stdout, names)
            for name in ("PORT_API_CLIENT_CERT", "PORT_API_CLIENT_KEY_FILE"):
                del environment[name]
            environment["STREAMER_NAME"] = "POLLING"
            told = subprocess.run([BINARY, "check", "--connect", "--output", "json"], env=environment, capture_output=True, text=True, timeout=60)
            assert told.returncode == 1, told
            if speaks_http2():
                assert "set PORT_API_CLIENT_CERT and PORT_API_CLIENT_KEY" in told.stdout, told.stdout
    finally:
        api.close()


def test_a_client_certificate_that_cannot_be_used_stops_the_start(world, authority, tmp_path):
    ours, key = authority.issue("ours")
    sealed = tmp_path / "sealed.pem"
    subprocess.run(["openssl", "pkcs8", "-topk8", "-in", key, "-out", str(sealed), "-passout", "pass:hush"], check=True)
    for name, other in ((str(tmp_path / "missing.pem"), "cannot be read"), (str(authority.directory / "ca.key"), "the key of another certificate"),
                        (str(sealed), "a key with a passphrase")):
        agent = world.agent(WEBHOOK_CLIENT_CERT=ours, WEBHOOK_CLIENT_KEY=name)
        assert agent.wait() == 78
        told = "".join(agent.errors.snapshot())
        assert told.startswith("WEBHOOK_CLIENT_KEY: '") and other in told and told.count("\n") == 1, told


# Authorities


@contextlib.contextmanager
def mounted(name, text):
    path = MOUNTED / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    try:
        yield path
    finally:
        path.unlink()


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="writes and mounts where only root may")


@needs_root
def test_authorities_come_from_both_settings_and_the_mounted_folder(world, port, open_receiver, tmp_path):
    issuers = [Authority(f"authority {i}") for i in range(3)]
    try:
        receivers = [open_receiver(one.issue("good")) for one in issuers]
        folder = tmp_path / "bundle"
        folder.mkdir()
        (folder / "one.pem").write_text(issuers[1].pem)
        with mounted(f"test-{uuid.uuid4().hex}.crt", issuers[2].pem), mounted(f"test-{uuid.uuid4().hex}.crt", "nonsense") as bad:
            agent = world.agent(SSL_CERT_FILE=str(issuers[0].file), REQUESTS_CA_BUNDLE=str(folder)).assigned()
        world.produce(*[run_event(f"r_{i}", one.url + "/ok") for i, one in enumerate(receivers)])
        for i in range(3):
            assert outcome(port, f"r_{i}") == {"status": "SUCCESS"}
        assert bad.name in agent.wait_log("certificate authorities are incomplete")["error.message"]
    finally:
        for one in issuers:
            one.remove()


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_an_authority_that_cannot_be_read_stops_the_start(world, tmp_path, name):
    empty, garbage = tmp_path / "empty", tmp_path / "garbage.pem"
    empty.mkdir()
    garbage.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    for path in (tmp_path / "missing.pem", empty, garbage):
        agent = world.agent(**{name: str(path)})
        assert agent.wait() == 78
        told = "".join(agent.errors.snapshot())
        assert told.startswith(f"{name}: ") and str(path) in told, told


# Runs the agent as nobody where not one file can be written; /proc has none, and nobody enters another root with its help.
READ_ONLY = ["unshare", "--mount", "sh", "-c", "mount --make-rprivate / && for at in $(awk '{print $5}' /proc/self/mountinfo); do "
             "[ \"$at\" = /proc ] || mount -o remount,bind,ro \"$at\" 2>/dev/null; done; exec setpriv --reuid 65534 --regid 65534 --clear-groups -- \"$@\"", "sh"]


@pytest.mark.kafka
@needs_root
def test_a_read_only_root_and_kafka_over_tls(world, port, kafka, authority, tls_receiver):
    """The broker's authority comes from the mounted folder, the receiver's from the setting; nothing can be written anywhere."""
    assert subprocess.run([*READ_ONLY, "sh", "-c", "for d in / /tmp /dev/shm /var/tmp /run; do touch $d/x 2>/dev/null && exit 1; done; exit 0"]).returncode == 0
    port.credentials = {"brokers": [kafka.tls_bootstrap], "username": SCRAM_USER, "password": SCRAM_PASSWORD}
    readable = pathlib.Path(authority.directory)
    readable.chmod(0o755)
    with mounted(f"test-{uuid.uuid4().hex}.crt", kafka.ca.read_text()):
        agent = Agent({**world.environment, "USING_LOCAL_PORT_INSTANCE": "false", "KAFKA_CONSUMER_BOOTSTRAP_SERVERS": "",
                       "SSL_CERT_FILE": str(authority.file)}, within=READ_ONLY)
        world.agents.append(agent)
        agent.assigned()
    assert "Uid:\t65534" in pathlib.Path(f"/proc/{agent.process.pid}/status").read_text()
    world.produce(run_event("r_tls", tls_receiver.url + "/ok"))
    assert outcome(port, "r_tls") == {"status": "SUCCESS"}
    assert agent.terminate() == 0


@pytest.mark.kafka
def test_a_broker_whose_authority_is_unknown_is_not_trusted(world, port, kafka):
    port.credentials = {"brokers": [kafka.tls_bootstrap], "username": SCRAM_USER, "password": SCRAM_PASSWORD}
    agent = world.agent(USING_LOCAL_PORT_INSTANCE="false", KAFKA_CONSUMER_BOOTSTRAP_SERVERS="")
    told = agent.wait_log("Kafka error", error__type="_SSL")
    assert "certificate" in told["error.message"]
