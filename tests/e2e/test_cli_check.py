"""`port-agent check`: settings and mapping file, and with --connect a real broker, TLS servers, a proxy and Port's API."""
import json
import os
import re
import socket
import subprocess
import time

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AclBinding, AclOperation, AclPermissionType, NewTopic, ResourcePatternType, ResourceType

from broker import SCRAM_PASSWORD, SCRAM_USER, free_port
from certificates import server_context
from harness import BINARY, SECRET
from port_api import PortApi
from proxy import Proxy

PLAIN = {"PATH": os.environ["PATH"]}


@pytest.fixture
def environment(port):
    return {"PORT_ORG_ID": "org_check", "PORT_CLIENT_ID": "client", "PORT_CLIENT_SECRET": SECRET, "PORT_API_BASE_URL": port.url,
            "KAFKA_CONSUMER_GROUP_ID": "org_check.agent"}


@pytest.fixture
def check(tmp_path):
    def run(environment, *arguments, code=0):
        started = time.monotonic()
        done = subprocess.run([BINARY, "check", *arguments], env={**PLAIN, **environment}, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        done.seconds = time.monotonic() - started
        assert done.returncode == code, (done.stdout, done.stderr)
        assert SECRET not in done.stdout + done.stderr and SCRAM_PASSWORD not in done.stdout + done.stderr
        return done

    return run


@pytest.fixture
def connect(check):
    """The steps of --connect: {name: [step, ...]}."""

    def run(environment, code=0):
        steps = {}
        done = check(environment, "--connect", "--output", "json", code=code)
        for step in json.loads(done.stdout)["steps"]:
            steps.setdefault(step["step"], []).append(step)
        return steps

    return run


def outcomes(steps, *names):
    return [[step["outcome"] for step in steps.get(name, [])] for name in names]


# Settings and mapping file


def test_what_is_right_is_said_so(check, environment):
    done = check(environment)
    assert "✓ settings" in done.stdout and "✓ mapping file" in done.stdout and "0 failed" in done.stdout and done.stderr == ""


def test_everything_wrong_with_settings_and_mapping_file_is_told_as_a_start_tells_it(check, environment, tmp_path):
    (tmp_path / "mapping.json").write_text('[{"url":"bad("},{"enabled":3},{"nothing":1}]')
    wrong = {**environment, "LOG_LEVEL": "loud", "CONTROL_THE_PAYLOAD_CONFIG_PATH": "mapping.json"}
    del wrong["PORT_CLIENT_ID"]
    done = check(wrong, code=78)
    start = subprocess.run([BINARY], env={**PLAIN, **wrong}, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert start.returncode == 78 and done.stderr == start.stderr
    problems = json.loads(check(wrong, "--output", "json", code=78).stdout)
    assert problems["ok"] is False and "\n".join(problems["problems"]) + "\n" == start.stderr
    assert len(problems["problems"]) == 4
    assert any("mapping 3, nothing" in s["detail"] and s["outcome"] == "warning" for s in problems["steps"])


@pytest.mark.parametrize("wrong, says", [
    ({"CONTROL_THE_PAYLOAD_CONFIG_PATH": "nowhere.json"}, "nowhere.json does not exist"),
    ({"SSL_CERT_FILE": "/nowhere.pem"}, "SSL_CERT_FILE: '/nowhere.pem' cannot be read"),
    ({"PORT_CLIENT_SECRET_FILE": "/nowhere"}, "PORT_CLIENT_SECRET"),
])
def test_files_that_settings_name_must_be_there(check, environment, wrong, says):
    assert says in check({**environment, **wrong}, code=78).stderr


@pytest.mark.parametrize("wrong, says", [
    ({"HTTP_PROXY": "http://h:99999"}, "HTTP_PROXY: 'http://h:99999' is not accepted"),
    ({"HTTPS_PROXY": "http://"}, "HTTPS_PROXY: 'http://' is not accepted"),
    ({"all_proxy": "http://user:pa55word@h:x"}, "ALL_PROXY: 'http://***@h:x' is not accepted"),
    ({"HTTP_PROXY": "//h", "LOG_LEVEL": "loud"}, "HTTP_PROXY: '//h' is not accepted"),
    ({"HTTP_PROXY": "http://user:pa55word%0a@h:1"}, "HTTP_PROXY: 'http://***@h:1' is not accepted (a control character"),
    ({"https_proxy": "http://us%0der:pa55word@h:1"}, "HTTPS_PROXY: 'http://***@h:1' is not accepted (a control character"),
    ({"ALL_PROXY": "socks5h://user:pa55word%@h:1"}, "ALL_PROXY: 'socks5h://***@h:1' is not accepted (a '%'"),
    ({"HTTPS_PROXY": "http://user:12/pa55word@h:1"}, "HTTPS_PROXY: 'http://***@h:1' is not accepted (a '/'"),
    ({"HTTP_PROXY_FILE": "/dev/null"}, "HTTP_PROXY_FILE: '/dev/null' is empty"),
    ({"DEAD_LETTER_DIR": __file__}, f"DEAD_LETTER_DIR: '{__file__}' is not a directory; write"),
])
def test_what_the_agent_does_not_start_with_is_a_problem_for_check_too(check, environment, tmp_path, wrong, says):
    done = check({**environment, **wrong}, code=78)
    start = subprocess.run([BINARY], env={**PLAIN, **environment, **wrong}, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert start.returncode == 78 and start.stderr == done.stderr
    assert says in done.stderr and done.stderr.count("\n") == len(wrong) and "pa55word" not in done.stderr + done.stdout


@pytest.mark.parametrize("name", ["LOG_LEVEL", "PORT_API_BASE_URL", "HTTP_PROXY", "SSL_CERT_FILE", "CONTROL_THE_PAYLOAD_CONFIG_PATH"])
def test_a_line_break_in_a_value_makes_no_second_line(check, environment, tmp_path, name):
    wrong = {**environment, name: "/no\nwhere"}
    done = check(wrong, code=78)
    assert done.stderr.count("\n") == 1 and done.stderr.startswith(name) and "/no\\nwhere" in done.stderr
    start = subprocess.run([BINARY], env={**PLAIN, **wrong}, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert start.returncode == 78 and start.stderr == done.stderr


def test_a_directory_for_dead_letters_that_cannot_be_made_is_told(check, environment, tmp_path):
    done = check({**environment, "DEAD_LETTER_DIR": "/proc/nowhere/letters"}, code=1)
    assert "✗ dead letters" in done.stdout and "/proc/nowhere: No such file or directory" in done.stdout and "make the directory" in done.stdout
    done = check({**environment, "DEAD_LETTER_DIR": str(tmp_path / "letters")})
    assert "is made when the agent starts" in done.stdout and not (tmp_path / "letters").exists()


def test_what_is_odd_is_a_warning(check, environment):
    done = check({**environment, "WEBHOOK_VERIFY_SSL": "false", "PORT_CLIENT_SECRET": SECRET + " "})
    assert "! webhook tls" in done.stdout and "! client secret" in done.stdout and "2 warnings" in done.stdout
    done = check({**environment, "PORT_CLIENT_SECRET": " " + SECRET})
    assert "! client secret" in done.stdout and "1 warning, " in done.stdout


def test_wrong_settings_are_not_connected_with(connect, environment, port):
    steps = connect({**environment, "LOG_LEVEL": "loud"}, code=78)
    assert steps["connection"][0]["outcome"] == "skipped" and port.calls == []


def test_help_and_wrong_usage(check):
    assert "--connect" in check({}, "--help").stdout
    assert "neither text nor json" in check({}, "--output", "xml", code=64).stderr
    assert "whole number of seconds" in check({}, "--timeout", "x", code=64).stderr
    assert "unexpected argument" in check({}, "now", code=64).stderr


# Port's API


@pytest.mark.host
def test_the_way_to_port_is_told_step_by_step(connect, authority, environment):
    port = PortApi(tls=server_context(*authority.issue("good", days=300)))
    try:
        steps = connect({**environment, "PORT_API_BASE_URL": port.url, "SSL_CERT_FILE": str(authority.file), "STREAMER_NAME": "POLLING"})
    finally:
        port.close()
    assert outcomes(steps, "proxy", "dns", "connection", "tls", "answer", "clock", "credentials") == [["ok"]] * 7
    assert "CN=good issued by CN=test authority until 20" in steps["tls"][0]["detail"]
    assert outcomes(steps, "kafka credentials", "broker") == [["skipped"], ["skipped"]]


@pytest.mark.parametrize("certificate, says, hint", [
    (lambda a: a.self_signed(), "self", "set SSL_CERT_FILE or REQUESTS_CA_BUNDLE"),
    (lambda a: a.issue("unknown"), "issuer", "ask for the certificate of CN=test authority"),
    (lambda a: a.issue("expired", days=-1), "expired", "renew it"),
    (lambda a: a.issue("other", names="DNS:other.example"), "127.0.0.1", "another host's"),
])
@pytest.mark.host
def test_a_certificate_that_fails_its_check_is_shown_with_what_to_do(connect, authority, environment, certificate, says, hint):
    port = PortApi(tls=server_context(*certificate(authority)))
    trusted = {} if says in ("self", "issuer") else {"SSL_CERT_FILE": str(authority.file)}
    try:
        steps = connect({**environment, **trusted, "PORT_API_BASE_URL": port.url}, code=1)
    finally:
        port.close()
    tls = steps["tls"][0]
    assert tls["outcome"] == "failed" and says in tls["detail"] and hint in tls["hint"], tls
    assert "CN=" in tls["detail"] and "until 20" in tls["detail"], "the chain is shown all the same"
    assert port.calls == [] and "credentials" not in steps


def test_a_certificate_that_expires_soon_is_a_warning(connect, authority, environment):
    port = PortApi(tls=server_context(*authority.issue("soon", days=2)))
    try:
        steps = connect({**environment, "PORT_API_BASE_URL": port.url, "SSL_CERT_FILE": str(authority.file), "STREAMER_NAME": "POLLING"})
    finally:
        port.close()
    assert steps["tls"][0]["outcome"] == "warning" and "expires soon" in steps["tls"][0]["hint"]


def test_a_name_that_is_not_known_and_a_port_that_is_closed(connect, environment):
    steps = connect({**environment, "PORT_API_BASE_URL": "https://nowhere.invalid"}, code=1)
    assert outcomes(steps, "dns", "connection") == [["failed"], []] and "DNS" in steps["dns"][0]["hint"]
    steps = connect({**environment, "PORT_API_BASE_URL": f"https://127.0.0.1:{free_port()}"}, code=1)
    assert outcomes(steps, "dns", "connection", "tls") == [["ok"], ["failed"], []] and "firewall" in steps["connection"][0]["hint"]


def test_a_port_that_speaks_no_tls(connect, environment, port):
    steps = connect({**environment, "PORT_API_BASE_URL": port.url.replace("http:", "https:")}, code=1)
    assert outcomes(steps, "connection", "tls") == [["ok"], ["failed"]] and "speak TLS" in steps["tls"][0]["hint"]


def test_a_server_that_never_answers_is_given_up(check, environment):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        done = check({**environment, "PORT_API_BASE_URL": f"http://127.0.0.1:{silent.getsockname()[1]}"}, "--connect", "--timeout", "1", code=1)
    assert "✗ answer" in done.stdout and done.seconds < 5


def test_the_proxy_is_named_and_its_password_is_not(connect, check, environment):
    proxy = Proxy(user="user", password="pa55word")
    try:
        through = {**environment, "HTTP_PROXY": proxy.url(), "STREAMER_NAME": "POLLING"}
        done = check(through, "--connect")
        assert f"http://127.0.0.1:{proxy.port}" in done.stdout and "pa55word" not in done.stdout
        assert proxy.targets() and all(t.startswith(environment["PORT_API_BASE_URL"]) for t in proxy.targets())
        wrong = connect({**through, "HTTP_PROXY": f"http://user:wrong@127.0.0.1:{proxy.port}"}, code=1)
        assert wrong["proxy"][0]["outcome"] == "failed" and "NO_PROXY" in wrong["proxy"][0]["hint"] and "407" in wrong["proxy"][0]["detail"]
    finally:
        proxy.close()


@pytest.mark.parametrize("text, good", [("http://us:p%0ax@127.0.0.1:{port}", False), ("http://us:p\nx@127.0.0.1:{port}\n", False),
                                        ("http://user:pa55word@127.0.0.1:{port}\n", True)], ids=["escaped break", "break within", "final break"])
def test_a_proxy_is_gone_through_or_the_start_stops(connect, check, environment, tmp_path, port, text, good):
    proxy = Proxy(user="user", password="pa55word")
    (tmp_path / "proxy").write_text(text.format(port=proxy.port))
    through = {**environment, "HTTP_PROXY_FILE": str(tmp_path / "proxy"), "STREAMER_NAME": "POLLING"}
    try:
        if good:
            assert connect(through)["proxy"][0]["detail"] == f"http://127.0.0.1:{proxy.port}"
            assert len(proxy.targets()) >= len(port.calls) > 0
        else:
            done = check(through, "--connect", code=78)
            assert "HTTP_PROXY: 'http://***@127.0.0.1" in done.stderr and "x@" not in done.stderr and "pa55word" not in done.stderr
            assert port.calls == [] and proxy.targets() == []
    finally:
        proxy.close()


def test_a_clock_that_is_wrong_is_a_warning(connect, environment, port):
    polling = {**environment, "STREAMER_NAME": "POLLING"}
    port.date_offset = 100
    clock = connect(polling)["clock"][0]
    assert clock["outcome"] == "warning" and "NTP" in clock["hint"] and "s behind the server's" in clock["detail"], clock
    port.date_offset = -100
    assert "s ahead of the server's" in connect(polling)["clock"][0]["detail"]
    port.date_offset = 20
    assert connect(polling)["clock"][0]["outcome"] == "ok"


def test_credentials_that_port_refuses_and_those_of_another_organisation(connect, environment, port):
    port.token_status = 401
    steps = connect(environment, code=1)
    assert steps["credentials"][0]["outcome"] == "failed" and "PORT_CLIENT_SECRET" in steps["credentials"][0]["hint"]
    assert steps["broker"][0]["outcome"] == "skipped"
    port.token_status, port.organisation = None, "org_other"
    steps = connect({**environment, "STREAMER_NAME": "POLLING"}, code=1)
    assert steps["organisation"][0]["outcome"] == "failed" and "'org_check'" in steps["organisation"][0]["hint"]


def test_an_answer_without_kafka_credentials(connect, environment, port):
    steps = connect(environment, code=1)
    assert steps["kafka credentials"][0]["outcome"] == "failed" and "POLLING" in steps["kafka credentials"][0]["hint"]


# Kafka


@pytest.fixture
def org(kafka, environment):
    environment["PORT_ORG_ID"] = f"org_check_{time.monotonic_ns()}"
    kafka.create(environment["PORT_ORG_ID"] + ".runs", environment["PORT_ORG_ID"] + ".change.log", partitions=3)
    return environment


@pytest.fixture
def local(kafka, org):
    return {**org, "USING_LOCAL_PORT_INSTANCE": "true", "KAFKA_CONSUMER_BOOTSTRAP_SERVERS": kafka.bootstrap}


@pytest.fixture
def encrypted(kafka, org, port):
    """Brokers and credentials come from Port."""
    port.credentials = {"brokers": [kafka.tls_bootstrap], "username": SCRAM_USER, "password": SCRAM_PASSWORD}
    return {**org, "SSL_CERT_FILE": str(kafka.ca)}


def test_a_local_broker_topics_and_group(connect, check, local):
    steps = connect(local)
    assert outcomes(steps, "broker", "runs topic", "change-log topic", "consumer group") == [["ok"]] * 4
    assert steps["runs topic"][0]["detail"].endswith("has 3 partitions")
    assert steps["kafka credentials"][0]["outcome"] == "skipped"
    assert steps["group members"][0]["detail"].startswith("there is no such group yet"), steps
    assert "nobody has committed an offset yet; 0 records are there" in steps["runs lag"][0]["detail"]
    assert "begins at the earliest record" in steps["change-log lag"][0]["hint"]
    assert "✓ consumer group" in check(local, "--connect").stdout


@pytest.mark.kafka
def test_the_groups_members_and_lag_are_told(connect, local, kafka):
    """A member beside it that holds everything and has read half: its offsets stay as they are."""
    runs, change_log = local["PORT_ORG_ID"] + ".runs", local["PORT_ORG_ID"] + ".change.log"
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for value in range(4):
        producer.produce(runs, str(value), partition=1)
    assert producer.flush(60) == 0
    member = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": local["KAFKA_CONSUMER_GROUP_ID"], "client.id": "an-older-agent",
                       "enable.auto.commit": False})
    try:
        member.subscribe([runs, change_log])
        deadline = time.monotonic() + 60
        while not member.assignment():
            member.poll(0.1)
            assert time.monotonic() < deadline
        member.commit(offsets=[TopicPartition(runs, 1, 2)], asynchronous=False)
        steps = connect(local)
        assert outcomes(steps, "consumer group", "group members", "runs lag", "change-log lag") == [["ok"], ["warning"], ["ok"], ["ok"]]
        who = steps["group members"][0]
        assert "the group is Stable and has 1 member: an-older-agent at /127.0.0.1 holds " in who["detail"], who
        assert f"{runs} 0-2" in who["detail"] and f"{change_log} 0-2" in who["detail"] and "another program" in who["hint"]
        assert f"{runs}: 2 records beyond the committed offsets: partition 1: 2 (committed 2, end 4)" in steps["runs lag"][0]["detail"], steps["runs lag"]
        assert [p.offset for p in member.committed([TopicPartition(runs, n) for n in range(3)], 60)] == [-1001, 2, -1001]
        assert len(member.assignment()) == 6, "nobody has joined"
    finally:
        member.close()
    assert connect(local)["group members"][0]["detail"] == "nobody is in the group: an agent that starts gets all partitions"


def test_the_topic_for_dead_letters_is_looked_at_without_a_write(connect, encrypted, kafka):
    """What its ACLs allow, librdkafka passes on since 2.3: the image's."""
    topic = encrypted["PORT_ORG_ID"] + ".letters"
    admin = kafka.admin()
    small = {"retention.ms": "5400000", "max.message.bytes": "1000"}
    admin.create_topics([NewTopic(topic, 2, 1, config=small)])[topic].result(60)
    letters = connect({**encrypted, "DEAD_LETTER_TOPIC": topic})["dead-letter topic"][0]
    assert letters["outcome"] == "warning" and f"{topic} has 2 partitions" in letters["detail"], letters
    assert "letters stay 90 minutes; a letter may have 1000 bytes" in letters["detail"]
    assert "raise its max.message.bytes: records of the runs topic may have 67108864 bytes" in letters["hint"]
    version = subprocess.run([BINARY, "--version"], capture_output=True, text=True, check=True).stdout
    told = tuple(map(int, re.search(r"librdkafka (\d+)\.(\d+)", version).groups())) >= (2, 3)
    assert (", the agent may write to it" if told else "only a write can tell whether the agent may write to it") in letters["detail"]
    acls = [AclBinding(ResourceType.TOPIC, topic, ResourcePatternType.LITERAL, f"User:{SCRAM_USER}", "*", operation, permission)
            for operation, permission in ((AclOperation.WRITE, AclPermissionType.DENY), (AclOperation.ALL, AclPermissionType.ALLOW))]
    for future in admin.create_acls(acls).values():
        future.result(60)
    refused = connect({**encrypted, "DEAD_LETTER_TOPIC": topic}, code=1 if told else 0)["dead-letter topic"][0]
    if told:
        assert refused["outcome"] == "failed" and "may not write to it" in refused["detail"] and "ACL" in refused["hint"], refused
    else:
        assert refused == letters
    reader = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "reader"})
    assert [reader.get_watermark_offsets(TopicPartition(topic, number), 60) for number in range(2)] == [(0, 0)] * 2
    reader.close()


@pytest.mark.kafka
@pytest.mark.host
def test_brokers_that_ask_for_tls_and_a_password(connect, encrypted, kafka, port):
    port.credentials["brokers"] = [kafka.tls_bootstrap, f"localhost:{kafka.tls_port}"]
    steps = connect(encrypted)
    assert outcomes(steps, "kafka credentials", "dns", "broker") == [["ok"], ["ok"] * 3, ["ok", "ok"]]
    assert "authenticated with SCRAM-SHA-512" in steps["broker"][0]["detail"]


def test_a_wrong_password_is_told_soon(check, encrypted, port):
    port.credentials["password"] = "not-the-password"
    done = check(encrypted, "--connect", code=1)
    assert "✗ broker" in done.stdout and "SASL authentication error" in done.stdout and "refuses the user and password" in done.stdout
    assert "not-the-password" not in done.stdout and done.seconds < 8


@pytest.mark.host
def test_a_broker_whose_authority_is_not_trusted(connect, encrypted):
    steps = connect({k: v for k, v in encrypted.items() if k != "SSL_CERT_FILE"}, code=1)
    assert steps["broker"][0]["outcome"] == "failed" and "certificate verify failed" in steps["broker"][0]["detail"]
    assert "SSL_CERT_FILE" in steps["broker"][0]["hint"] and "runs topic" not in steps


def test_each_broker_is_tried_and_one_is_enough_for_the_topics(connect, encrypted, kafka, port):
    closed = free_port()
    port.credentials["brokers"] = ["nowhere.invalid:9092", f"127.0.0.1:{closed}", kafka.tls_bootstrap]
    steps = connect(encrypted, code=1)
    assert outcomes(steps, "broker", "runs topic") == [["failed", "failed", "ok"], ["ok"]]
    assert "Failed to resolve" in steps["broker"][0]["detail"] and "Connection refused" in steps["broker"][1]["detail"]
    assert [s["outcome"] for s in steps["dns"] if "nowhere" in s["detail"]] == ["failed"]


@pytest.mark.kafka
def test_a_broker_that_speaks_another_protocol(connect, local, kafka):
    steps = connect({**local, "KAFKA_CONSUMER_BOOTSTRAP_SERVERS": kafka.tls_bootstrap}, code=1)
    assert "KAFKA_CONSUMER_SECURITY_PROTOCOL (plaintext)" in steps["broker"][0]["hint"]


def test_a_broker_that_never_answers_is_given_up(check, local):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        done = check({**local, "KAFKA_CONSUMER_BOOTSTRAP_SERVERS": f"127.0.0.1:{silent.getsockname()[1]}"}, "--connect", "--timeout", "1", code=1)
    assert "✗ broker" in done.stdout and "no answer within" in done.stdout and done.seconds < 5


def test_topics_that_are_missing(connect, local):
    steps = connect({**local, "KAFKA_RUNS_TOPIC": "missing.runs", "DEAD_LETTER_TOPIC": "missing.dead"}, code=1)
    assert outcomes(steps, "runs topic", "change-log topic", "dead-letter topic", "consumer group") == [["failed"], ["ok"], ["failed"], ["ok"]]
    assert "missing.runs" in steps["runs topic"][0]["detail"] and "PORT_ORG_ID" in steps["runs topic"][0]["hint"]


def test_it_joins_no_group_and_commits_nothing(connect, local, kafka):
    connect(local)
    groups = kafka.admin().list_consumer_groups(request_timeout=120).result()
    assert local["KAFKA_CONSUMER_GROUP_ID"] not in [g.group_id for g in groups.valid]


# The way to an endpoint, and the settings in force


def test_the_way_to_an_endpoint_is_told_step_by_step(check, environment, port):
    def steps(url, *arguments, code=0, **settings):
        done = check({**environment, **settings}, "--destination", url, "--output", "json", *arguments, code=code)
        return {step["step"]: step for step in json.loads(done.stdout)["steps"] if step["area"] == "Destination"}

    before = len(port.calls)
    way = steps(port.url)
    assert [way[name]["outcome"] for name in ("proxy", "dns", "egress policy", "connection", "tls", "answer")] == ["ok"] * 4 + ["skipped"] * 2
    assert len(port.calls) == before
    assert steps(port.url, "--request")["answer"]["outcome"] == "ok"
    assert list(steps(f"http://127.0.0.1:{free_port()}/", code=1).values())[-1]["step"] == "connection"
    refused = steps(port.url, code=1, EGRESS_DENY="127.0.0.0/8")
    assert list(refused)[-1] == "egress policy" and "EGRESS_DENY" in refused["egress policy"]["detail"] + refused["egress policy"]["hint"]
    assert list(steps(port.url.replace("http:", "https:"), code=1))[-1] == "tls"
    assert way["proxy"]["detail"] == f"none (to {port.url})"
    for wrong in ("svc/vm", "nope", "ftp://svc/vm", ""):
        assert f"--destination: '{wrong}' is no http or https URL" in check(environment, "--destination", port.url, "--destination", wrong, code=64).stderr
    hidden = check(environment, "--destination", "http://user:secret-word@svc:99999/?key=secret-word", code=64).stderr
    assert "'http://***@svc:99999/?***' is no http or https URL" in hidden and "secret-word" not in hidden
    assert "--request needs a destination; write --destination URL too" in check(environment, "--request", code=64).stderr


def test_the_settings_in_force_have_their_origin(check, environment, tmp_path):
    (tmp_path / ".env").write_text("WEBHOOK_INVOKER_TIMEOUT=7\n")
    (tmp_path / "id").write_text("from-a-file")
    settings = {**environment, "PORT_CLIENT_ID_FILE": str(tmp_path / "id")}
    del settings["PORT_CLIENT_ID"]
    shown = {item["name"]: (item["from"], item["value"]) for item in json.loads(check(settings, "--effective", "--output", "json").stdout)}
    assert shown["PORT_CLIENT_SECRET"] == ("environment", "set") and shown["PORT_CLIENT_ID"] == ("file", "from-a-file")
    assert shown["WEBHOOK_INVOKER_TIMEOUT"] == (".env", "7") and shown["STREAMER_NAME"] == ("default", "KAFKA")
    done = check({**settings, "WEBHOOK_VERIFY_SSL": "perhaps"}, "--effective", code=78)
    assert "WEBHOOK_VERIFY_SSL" in done.stderr and "PORT_CLIENT_SECRET                         environment  set\n" in done.stdout
