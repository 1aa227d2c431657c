"""Where the agent sends nothing. No packet of these tests leaves loopback: whatever the agent would connect to beside it is noted,
and refused, by a library that is preloaded into it."""
import json

import pytest

from certificates import server_context
from harness import outcome, run_event
from names import Connects, Names
from proxy import Proxy
from raw import Raw, response

pytestmark = pytest.mark.host  # who connects is libcurl


@pytest.fixture
def endpoint():
    one = Raw()
    yield one
    one.close()


class Watched:
    """Environment of an agent whose connections are watched and whose names are the test's."""

    def __init__(self, directory):
        self.names, self.connects = Names(directory), Connects(directory)
        self.environment = {**self.names.environment, **self.connects.environment,
                            "LD_PRELOAD": f"{self.names.environment['LD_PRELOAD']}:{self.connects.environment['LD_PRELOAD']}"}

    def addresses(self):
        return self.connects.addresses()


@pytest.fixture
def watched(tmp_path):
    return Watched(tmp_path)


def failures(agent):
    return {item["port.run_id"]: item for item in agent.log.snapshot() if item["msg"] == "webhook failed"}


def mapped(tmp_path, **fields):
    path = tmp_path / "mapping.json"
    path.write_text(json.dumps([fields]))
    return str(path)


METADATA = ["169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "[fd00:ec2::254]", "169.254.169.254.", "2852039166", "0xa9fea9fe", "0xA9.254.0251.254",
            "0251.0376.0251.0376", "169.254.43518", "169.16689662", "[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]", "[::169.254.169.254]", "[64:ff9b::a9fe:a9fe]",
            "[2002:a9fe:a9fe::1]", "①⑥⑨.254.169.254", "%31%36%39.254.169.254", "169。254。169。254", "user:pw@169.254.169.254"]
OTHERS = {"link-local": ["169.254.1.1", "[fe80::1]", "[fe80::1%25lo]", "[64:ff9b::169.254.1.1]"], "unspecified": ["0.0.0.0", "0", "0.1.2.3", "[::]", "[::ffff:0.0.0.0]"],
          "multicast": ["224.0.0.1", "239.255.255.250", "[ff02::1]"], "broadcast": ["255.255.255.255", "4294967295"]}


def test_what_is_never_connected_to_fails_its_run_at_once_with_the_rule(world, port, endpoint, watched):
    watched.names.lead(sly="169.254.169.254", sly6="fd00:ec2::254", linked="169.254.7.7", both="169.254.169.254 fe80::1")
    urls = [(f"http://{host}/latest", "metadata") for host in METADATA] + [("https://169.254.169.254/", "metadata"), ("http://169.254.169.254:8080/", "metadata")]
    urls += [(f"http://{host}/x", kind) for kind, hosts in OTHERS.items() for host in hosts]
    urls += [("http://sly.test/", "169.254.169.254 is a metadata"), ("http://sly6.test/", "metadata"), ("http://linked.test/", "link-local"), ("http://both.test/", "address")]
    urls += [("http://127.0.0.1:0/", "port 0"), ("http://localhost:00/", "port 0"), ("https://[::1]:0/", "port 0")]
    agent = world.agent(**watched.environment, WEBHOOK_BREAKER_FAILURES="1", WEBHOOK_RETRY_ON="5xx,timeout,reset").assigned()
    world.produce(*[run_event(f"r_{i}", url, synchronized=i % 2 == 0) for i, (url, _) in enumerate(urls)], run_event("r_good", endpoint.url + "/ok"))
    for i, (url, rule) in enumerate(urls):
        told = outcome(port, f"r_{i}")
        assert told["status"] == "FAILURE" and rule in told["summary"] and "the agent sends nothing there" in told["summary"], (url, told)
    assert outcome(port, "r_good")["status"] == "SUCCESS"
    assert agent.terminate() == 0
    for i, (url, rule) in enumerate(urls):
        line = failures(agent)[f"r_{i}"]
        assert (line["error.type"], line.get("http.request.resend_count", 0)) == ("egress", 0) and rule in line["error.message"], url
    assert not [i for i in agent.log.snapshot() if i["msg"].startswith(("circuit", "webhook will be tried"))]
    assert watched.addresses() == []
    assert "user:pw" not in json.dumps(agent.log.snapshot())


def test_of_a_names_addresses_those_that_are_refused_are_passed_over(world, port, endpoint, watched):
    watched.names.lead(mixed="169.254.169.254 127.0.0.1", other="fe80::1 169.254.1.1 127.0.0.1", last="127.0.0.1 169.254.169.254")
    world.agent(**watched.environment).assigned()
    world.produce(*[run_event(f"r_{name}", f"http://{name}.test:{endpoint.port}/ok") for name in ("mixed", "other", "last")])
    for name in ("mixed", "other", "last"):
        assert outcome(port, f"r_{name}") == {"status": "SUCCESS"}
    assert watched.addresses() == [] and len(endpoint.requests) == 3


def test_a_name_that_leads_elsewhere_for_the_next_attempt_gains_nothing(world, port, endpoint, watched):
    watched.names.lead(moving="127.0.0.1")
    seen = []
    def answer(request):
        seen.append(request)
        watched.names.lead(moving="169.254.169.254")
        return b""  # nothing comes of it, so the name is looked up again
    endpoint.answer = answer
    agent = world.agent(**watched.environment, WEBHOOK_RETRY_ON="reset").assigned()
    def closing(reader, writer, serve=endpoint.serve):
        serve(reader, writer)
        return False
    endpoint.serve = closing
    world.produce(run_event("r_moving", f"http://moving.test:{endpoint.port}/ok"))
    told = outcome(port, "r_moving")
    assert told["status"] == "FAILURE" and "169.254.169.254 is a metadata address" in told["summary"] and len(seen) == 1
    assert agent.terminate() == 0
    assert (failures(agent)["r_moving"]["error.type"], failures(agent)["r_moving"]["http.request.resend_count"]) == ("egress", 1)
    assert watched.addresses() == []


def test_deny_takes_names_networks_and_ports_away(world, port, endpoint, watched):
    second = Raw(address="127.0.0.2")
    watched.names.lead(near="127.0.0.1", far="127.0.0.2", **{"a.secret": "127.0.0.1"})
    refused = {f"http://127.0.0.2:{second.port}/": "EGRESS_DENY (127.0.0.2/31)", f"http://0x7f.2:{second.port}/": "EGRESS_DENY (127.0.0.2/31)",
               f"http://[::ffff:127.0.0.2]:{second.port}/": "EGRESS_DENY (127.0.0.2/31)", f"http://far.test:{second.port}/": "EGRESS_DENY (127.0.0.2/31)",
               f"http://a.secret.test:{endpoint.port}/": "EGRESS_DENY (*.secret.test)", f"http://A.SECRET.test.:{endpoint.port}/": "EGRESS_DENY (*.secret.test)",
               f"http://127.0.0.1:{port.server.server_port}/": "EGRESS_DENY", "http://near.test:22/": "EGRESS_DENY (22)"}
    world.agent(**watched.environment, EGRESS_DENY=f"127.0.0.2/31, *.secret.test\n22 *:{port.server.server_port}").assigned()
    world.produce(*[run_event(f"r_{i}", url) for i, url in enumerate(refused)], run_event("r_near", f"http://near.test:{endpoint.port}/ok"))
    for i, (url, rule) in enumerate(refused.items()):
        told = outcome(port, f"r_{i}")  # Port's API has one of these ports, and is not under it
        assert told["status"] == "FAILURE" and rule in told["summary"], (url, told)
    assert outcome(port, "r_near")["status"] == "SUCCESS"
    second.close()
    assert second.requests == [] and len(endpoint.requests) == 1


def test_allow_means_nothing_else_and_lifts_the_rule_for_an_address_but_not_for_metadata(world, port, endpoint, watched):
    watched.names.lead(good="127.0.0.1", evil="169.254.169.254", other="127.0.0.1", good6="169.254.10.11", metadata="169.254.10.10")
    allowed = f"good*.test, 169.254.10.10, 169.254.169.254,[fd00:ec2::254],168.63.129.16:80,169.254.170.2/32,evil.test:80,127.0.0.1:{endpoint.port}"
    agent = world.agent(**watched.environment, EGRESS_ALLOW=allowed, WEBHOOK_RETRY_MAX_ATTEMPTS="1").assigned()
    cases = {f"http://good.test:{endpoint.port}/ok": None, f"http://127.0.0.1:{endpoint.port}/ok": None, f"http://other.test:{endpoint.port}/ok": None,
             f"http://127.0.0.2:{endpoint.port}/": "is not in EGRESS_ALLOW", f"http://[::1]:{endpoint.port}/": "is not in EGRESS_ALLOW", "http://127.0.0.1:22/": "is not in EGRESS_ALLOW",
             "http://other.test:22/": "other.test:22 (127.0.0.1) is not in EGRESS_ALLOW", "http://good6.test/": "link-local", "http://evil.test/": "metadata", "http://169.254.169.254/": "metadata",
             "http://[fd00:ec2::254]/": "metadata", "http://168.63.129.16/": "metadata", "http://169.254.170.2/": "metadata", "http://[::ffff:169.254.169.254]/": "metadata"}
    lifted = ["http://169.254.10.10/", "http://metadata.test/", "http://[::ffff:169.254.10.10]/"]
    world.produce(*[run_event(f"r_{i}", url) for i, url in enumerate([*cases, *lifted])])
    for i, (url, rule) in enumerate(cases.items()):
        told = outcome(port, f"r_{i}")
        assert (told["status"] == "SUCCESS") if rule is None else (rule in told["summary"] and "sends nothing" in told["summary"]), (url, told)
    for i in range(len(cases), len(cases) + len(lifted)):
        assert "connection refused or host unreachable" in outcome(port, f"r_{i}")["summary"]
    assert {a.removeprefix("::ffff:") for a in watched.addresses()} == {"169.254.10.10"}, "the library says that it is unreachable"
    assert agent.terminate() == 0
    warned = json.dumps(agent.log.snapshot()) + json.dumps(agent.errors.snapshot())
    assert warned.count("is a metadata address, which stays refused") == 4


def test_behind_a_proxy_the_urls_name_and_literal_decide(world, port, endpoint, authority, watched):
    secure, proxy = Raw(tls=server_context(*authority.issue("good"))), Proxy()
    watched.names.lead(sly="169.254.169.254")
    agent = world.agent(**watched.environment, ALL_PROXY=proxy.url(), SSL_CERT_FILE=str(authority.file), EGRESS_DENY="*.secret.test,127.0.0.9").assigned()
    refused = ["http://169.254.169.254/", "http://0xa9fea9fe/", "https://169.254.169.254./", "http://[::ffff:169.254.169.254]/", "http://metadata.google.internal/", "http://425.510.425.510/",
               "http://a.secret.test/", "http://127.0.0.9/", "http://127.9/", "https://127.0.0.1:0/"]
    world.produce(*[run_event(f"r_{i}", url) for i, url in enumerate(refused)], run_event("r_plain", endpoint.url + "/ok"),
                  run_event("r_secure", f"https://localhost:{secure.port}/ok"))
    for i, url in enumerate(refused):
        told = outcome(port, f"r_{i}")
        assert told["status"] == "FAILURE" and "sends nothing there" in told["summary"], (url, told)
    assert outcome(port, "r_plain")["status"] == outcome(port, "r_secure")["status"] == "SUCCESS"
    asked = [t for t in proxy.targets() if not t.startswith(port.url)]
    proxy.close()
    secure.close()
    assert sorted(asked) == sorted([endpoint.url + "/ok", f"localhost:{secure.port}"])
    assert agent.terminate() == 0 and watched.addresses() == []
    assert {failures(agent)[f"r_{i}"]["error.type"] for i in range(len(refused))} == {"egress"}


def test_nothing_at_all_may_be_allowed_while_port_and_the_brokers_are_reached(world, port, endpoint):
    agent = world.agent(EGRESS_DENY="*").assigned()
    world.produce(run_event("r_any", endpoint.url + "/ok"))
    assert "is in EGRESS_DENY (*)" in outcome(port, "r_any")["summary"]
    assert agent.terminate() == 0 and endpoint.requests == []


def test_an_entry_that_is_none_stops_the_start_with_a_line_each(world):
    wrong = {"EGRESS_ALLOW": ["10.1.2.3/8", ".svc.internal", "svc.internal:99999"], "EGRESS_DENY": ["10.*", "https://svc.internal"]}
    agent = world.agent(**{name: ",".join(["127.0.0.1", *entries]) for name, entries in wrong.items()})
    assert agent.wait() == 78
    lines = [line for line in agent.errors.snapshot() if line.startswith("EGRESS_")]
    assert [line.split(" is not accepted; ")[0] for line in lines] == [f"{name}: '{entry}'" for name, entries in wrong.items() for entry in entries]


# Redirects


def test_a_redirect_to_what_is_refused_is_refused(world, port, endpoint, watched):
    watched.names.lead(sly="169.254.169.254")
    there = {"/literal": "http://169.254.169.254/latest", "/name": "http://sly.test/", "/port": "http://127.0.0.1:0/", "/denied": "http://127.0.0.5/"}
    endpoint.answer = lambda r: response(307, f"Location: {there[r.target]}")
    agent = world.agent(**watched.environment, WEBHOOK_FOLLOW_REDIRECTS="all", EGRESS_DENY="127.0.0.5").assigned()
    world.produce(*[run_event(f"r_{path[1:]}", endpoint.url + path) for path in there])
    for path, rule in zip(there, ["metadata", "metadata", "port 0", "EGRESS_DENY"]):
        told = outcome(port, f"r_{path[1:]}")
        assert told["status"] == "FAILURE" and rule in told["summary"], told
    assert agent.terminate() == 0 and watched.addresses() == [] and len(endpoint.requests) == len(there)
    assert {line["error.type"] for line in failures(agent).values()} == {"egress"}


def test_no_redirect_is_followed_where_none_is_wanted(world, port, endpoint):
    endpoint.answer = lambda r: response(int(r.target[1:4]), "Location: /next")
    world.agent(WEBHOOK_FOLLOW_REDIRECTS="none").assigned()
    world.produce(*[run_event(f"r_{s}", f"{endpoint.url}/{s}") for s in (301, 302, 303, 307, 308, 304)])
    for status in (301, 302, 303, 307, 308):
        told = outcome(port, f"r_{status}")
        assert told["status"] == "FAILURE" and f"redirect {status} to {endpoint.url}/next not followed" in told["summary"]
    assert outcome(port, "r_304")["status"] == "SUCCESS"
    assert len(endpoint.requests) == 6


def test_to_another_origin_nothing_goes_along_that_was_meant_for_the_first(world, port, endpoint, tmp_path):
    other = Raw(address="127.0.0.2")
    elsewhere = f"http://127.0.0.2:{other.port}"
    endpoint.answer = lambda r: response() if "back" in r.target else response(int(r.target[1:4]), f"Location: {elsewhere}/{r.target[1:4]}{'/back' if '/home' in r.target else ''}")
    other.answer = lambda r: response(308, f"Location: {endpoint.url}/back") if "back" in r.target else response()
    mapping = mapped(tmp_path, headers={"X-Own": '"mine"', "Authorization": '"Bearer hunter2"', "User-Agent": '"own"', "Host": '"virtual.test"'}, query={"token": '"hunter2"'})
    agent = world.agent(CONTROL_THE_PAYLOAD_CONFIG_PATH=mapping, WEBHOOK_FOLLOW_REDIRECTS="all").assigned()
    urls = {str(s): f"http://user:hunter2@127.0.0.1:{endpoint.port}/{s}" for s in (301, 302, 303, 307, 308)}
    urls["home"] = f"http://user:hunter2@127.0.0.1:{endpoint.port}/307/home"
    world.produce(*[run_event(f"r_{name}", url, method="PUT") for name, url in urls.items()])
    for name in urls:
        assert outcome(port, f"r_{name}") == {"status": "SUCCESS"}
    other.close()
    first = [r for r in endpoint.requests if "token=hunter2" in r.target]
    back = [r for r in endpoint.requests if r.target == "/back"]
    assert len(first) == len(urls) and all(r.headers["x-own"] == "mine" and r.headers["authorization"] and r.headers["x-port-signature"] for r in first)
    assert len(other.requests) == len(urls) and len(back) == 1
    for request in [*other.requests, *back]:
        carried = request.target[1:4] in ("307", "308", "bac")
        assert request.method == ("PUT" if carried else "GET") and bool(request.body) == carried
        expected = {"host", "accept", "user-agent", "accept-encoding"} | ({"content-type", "content-length"} if carried else set())
        assert set(request.headers) <= expected and request.headers["user-agent"] != "own" and request.headers["host"].startswith("127.0.0.")
        assert "hunter2" not in repr(request.lines)
        assert not carried or request.headers["content-type"] == "application/json"
    assert agent.terminate() == 0
    assert "hunter2" not in json.dumps(agent.log.snapshot())


def test_across_origins_https_is_never_left_and_only_come_to_where_its_port_is_usual(world, port, endpoint, authority):
    secure = Raw(tls=server_context(*authority.issue("good")))
    there = {"/down": f"http://localhost:{endpoint.port}/done", "/up": f"https://localhost:{secure.port}/done", "/side": f"https://localhost:{secure.port}/done"}
    secure.answer = endpoint.answer = lambda r: response(307, f"Location: {there[r.target]}") if r.target in there else response()
    world.agent(SSL_CERT_FILE=str(authority.file), WEBHOOK_FOLLOW_REDIRECTS="all").assigned()
    world.produce(run_event("r_down", f"https://127.0.0.1:{secure.port}/down"), run_event("r_up", endpoint.url + "/up"), run_event("r_side", f"https://127.0.0.1:{secure.port}/side"))
    assert "not followed: from https back to http" in outcome(port, "r_down")["summary"]
    assert "not followed: another port" in outcome(port, "r_up")["summary"]
    assert outcome(port, "r_side")["status"] == "SUCCESS"
    secure.close()
    assert [r.target for r in endpoint.requests] == ["/up"]
    assert sorted(r.target for r in secure.requests) == ["/done", "/down", "/side"]


def test_a_redirect_of_ports_api_is_never_followed(make_world, port, endpoint):
    gate = Raw(lambda r: response(307, f"Location: http://127.0.0.1:{gate.port}/again") if r.target != "/again" else response())
    world = make_world()
    agent = world.agent(PORT_API_BASE_URL=gate.url, WEBHOOK_FOLLOW_REDIRECTS="all")
    agent.wait_log("the streamer could not be announced to Port")
    agent.kill()
    gate.close()
    assert gate.requests and "/again" not in [r.target for r in gate.requests]
