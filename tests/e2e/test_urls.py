"""URLs as people write them, and the request lines that leave the agent; where redirects lead, and what is sent there."""
import base64
import hashlib
import hmac
import json
import socket

import pytest

from certificates import server_context
from harness import SECRET, compact, sign
from proxy import Proxy
from raw import Raw, response


@pytest.fixture
def endpoint():
    one = Raw()
    yield one
    one.close()


def event(run_id, url, method="POST", synchronized=True, **properties):
    payload = {"context": {"runId": run_id}, "payload": {"action": {"invocationMethod": {
        "type": "WEBHOOK", "agent": True, "synchronized": synchronized, "url": url, "method": method}}, "properties": properties}}
    return compact({**payload, "headers": {"X-Port-Timestamp": "1768317616", "X-Port-Signature": sign(compact({**payload, "headers": {}}))}})


def outcome(port, run_id):
    port.wait(lambda: any(p == "" for _, p, _ in port.of_run(run_id)))
    return next(b for _, p, b in port.of_run(run_id) if p == "")


def is_signed(request):
    message = request.headers["x-port-timestamp"].encode() + b"." + request.body
    return request.headers["x-port-signature"] == "v1," + base64.b64encode(hmac.new(SECRET.encode(), message, hashlib.sha256).digest()).decode()


# what stands behind the host and port, and what is asked for
WRITTEN = [
    ("", "/"), ("/", "/"), ("?x=1", "/?x=1"), ("#part", "/"), ("/p#part?no", "/p"), ("/p?", "/p?"), ("/p?#part", "/p?"),
    ("/?e=^", "/?e=%5E"), ("/?name=Zoë", "/?name=Zo%C3%AB"), ("/東京/🚀?q=é", "/%E6%9D%B1%E4%BA%AC/%F0%9F%9A%80?q=%C3%A9"),
    ("/a b?c d", "/a%20b?c%20d"), ('/"<>`{|}\\^?"<>`{|}\\^', "/%22%3C%3E%60%7B%7C%7D%5C%5E?%22%3C%3E%60%7B%7C%7D%5C%5E"),
    ("/[1]?filter[a]=b[]", "/[1]?filter[a]=b[]"), ("/-._~!$&'()*+,;=:@?-._~!$&'()*+,;=:@/?", "/-._~!$&'()*+,;=:@?-._~!$&'()*+,;=:@/?"),
    ("/%20%2F%c3%a9?%26", "/%20%2F%c3%a9?%26"), ("/100%?50%&%zz&%4", "/100%25?50%25&%25zz&%254"), ("/%41%7E", "/%41%7E"),
    ("/a\r\nX-Injected: 1\t\u0001\u007f", "/a%0D%0AX-Injected:%201%09%01%7F"), ("/a\u0085\u200bb", "/a%C2%85%E2%80%8Bb"),
    ("/a/../b/./c", "/b/c"), ("/../x/..", "/"), ("/a/%2e%2e/b", "/a/%2e%2e/b"), ("//p//q/", "//p//q/"), ("/p?a=/../b", "/p?a=/../b"),
    ("\\p", "/%5Cp"), ("/x@y:1?u@h", "/x@y:1?u@h"),
]


def test_what_http_has_no_place_for_is_percent_encoded_and_the_rest_stays(world, port, endpoint):
    world.agent().assigned()
    world.produce(*[event(f"r_{i}", endpoint.url + written) for i, (written, _) in enumerate(WRITTEN)])
    lines = [r.line for r in endpoint.wait(len(WRITTEN))]
    assert sorted(lines) == sorted(f"POST {asked} HTTP/1.1" for _, asked in WRITTEN)
    for i in range(len(WRITTEN)):
        assert outcome(port, f"r_{i}")["status"] == "SUCCESS"
    assert all(is_signed(r) for r in endpoint.requests)


SPACES = ["", " ", "\t\r\n", "\u000b\u000c", "\u001c\u001f", "\u0085", "\u00a0", "\u2003\u202f", "\u2028\u2029", "\u3000"]


def test_white_space_around_a_url_is_cut_off(world, port, endpoint):
    world.agent().assigned()
    world.produce(*[event(f"r_{i}", f"{space}{endpoint.url}/{i}{space}") for i, space in enumerate(SPACES)], event("r_bare", f" {endpoint.url}\u00a0"))
    assert sorted(r.target for r in endpoint.wait(len(SPACES) + 1)) == sorted([f"/{i}" for i in range(len(SPACES))] + ["/"])


def test_the_last_at_sign_divides_and_no_user_reaches_a_log(world, port, endpoint):
    agent = world.agent(LOG_LEVEL="DEBUG").assigned()
    host = f"127.0.0.1:{endpoint.port}"
    users = [("me@corp.example:hunter2pw", "me@corp.example:hunter2pw"), ("a@b@c:d@hunter2", "a@b@c:d@hunter2"), ("u%40x:hunter2%3Apw", "u@x:hunter2:pw"),
             ("u:hunter2:pw", "u:hunter2:pw"), ("u:hunter2 100%^", "u:hunter2 100%^"), ("hunter2token", "hunter2token:"), ("", None), (":", None)]
    world.produce(*[event(f"r_{i}", f"http://{written}@{host}/{i}?t=hunter2") for i, (written, _) in enumerate(users)])
    seen = {r.target: r.headers.get("authorization") for r in endpoint.wait(len(users))}
    for i, (_, user) in enumerate(users):
        assert seen[f"/{i}?t=hunter2"] == (user and "Basic " + base64.b64encode(user.encode()).decode()), users[i]
        assert outcome(port, f"r_{i}")["status"] == "SUCCESS"
    assert agent.terminate() == 0
    logged = [item for item in agent.log.snapshot() if item["msg"] != "request"]  # whose body is the event, as DEBUG promises
    assert "hunter2" not in json.dumps(logged) and "hunter2" not in json.dumps([i["url.full"] for i in agent.log.snapshot() if "url.full" in i])


def test_a_url_may_have_64_kib_and_not_more(world, port, endpoint):
    world.agent().assigned()
    lengths = [8200, 16000, 65536]
    padded = lambda n: endpoint.url + "/" + "a" * (n - len(endpoint.url) - 1)
    world.produce(*[event(f"r_{n}", padded(n)) for n in lengths], event("r_query", endpoint.url + "/?q=" + "é" * 30000), event("r_over", padded(65537)))
    for n in lengths:
        assert outcome(port, f"r_{n}")["status"] == "SUCCESS"
    assert outcome(port, "r_query")["status"] == "SUCCESS"
    assert outcome(port, "r_over")["status"] == "FAILURE" and "longer than 65536 bytes" in outcome(port, "r_over")["summary"]
    assert sorted(len(r.target) for r in endpoint.requests) == sorted([n - len(endpoint.url) for n in lengths] + [len("/?q=") + 6 * 30000])


def test_a_long_url_that_cannot_be_sent_fails_for_its_own_reason(world, port):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        here = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        world.agent(WEBHOOK_RETRY_ON="none").assigned()
        world.produce(event("r_long", here + "/" + "^" * 60000))
        summary = outcome(port, "r_long")["summary"]
    assert f"{here}: connection refused" in summary and len(summary) < 1000


def test_scheme_and_host_have_any_case_and_international_names_work(world, port, endpoint):
    world.agent().assigned()
    world.produce(event("r_case", f"HTTP://LOCALHOST:{endpoint.port}/case"), event("r_idn", f"http://Zoë.localhost:{endpoint.port}/idn"),
                  event("r_other_idn", f"http://xn--zo-ija.localhost:{endpoint.port}/ascii"), event("r_empty_port", f"http://127.0.0.1:{endpoint.port}/x"))
    hosts = {r.target: r.headers["host"] for r in endpoint.wait(4)}
    assert hosts["/case"] == f"localhost:{endpoint.port}" and hosts["/idn"] == hosts["/ascii"] == f"xn--zo-ija.localhost:{endpoint.port}"


@pytest.mark.parametrize("written, why", [
    ("http:/127.0.0.1:{port}/", "not http:// or https://"), ("http:\\\\127.0.0.1:{port}/", "not http:// or https://"), ("127.0.0.1:{port}/", "not http:// or https://"),
    ("ftp://127.0.0.1:{port}/", "not http:// or https://"), ("http:///127.0.0.1:{port}/", "no host name"), ("  ", "there is no URL"), ("http://127.0.0.1:{port}/a\u0000b", "NUL"), ("http://a b:{port}/", "host name"),
    ("http://corp\\me:hunter2@127.0.0.1:{port}/", "backslash"), ("http://zo%00.localhost:{port}/", "host name"), ("http://a%2fb.localhost:{port}/", "host name"), ("http://127.0.0.1:{port}x/", "port"),
    ("http://127.0.0.1\uff0f.example:{port}/", "host name"), ("http://" + "ë" * 70 + ".example:{port}/", "host name")])
def test_what_is_no_url_fails_the_run_with_the_reason(make_world, port, endpoint, written, why):
    world = make_world()
    world.agent().assigned()
    world.produce(event("r_bad", written.format(port=endpoint.port)), event("r_good", endpoint.url + "/good"))
    assert outcome(port, "r_good")["status"] == "SUCCESS"
    failed = outcome(port, "r_bad")
    assert failed["status"] == "FAILURE" and why in failed["summary"] and "hunter2" not in failed["summary"]
    assert [r.target for r in endpoint.requests] == ["/good"]


def test_a_mapped_url_and_its_query_are_sent_alike(world, port, endpoint, tmp_path):
    path = tmp_path / "mapping.json"
    path.write_text(json.dumps([{"url": '" " + .payload.action.invocationMethod.url + "/Zoë b?x=^#part\\n"', "query": {"a b": '"é&"'}, "report": {"summary": ".request.url"}}]))
    world.agent(CONTROL_THE_PAYLOAD_CONFIG_PATH=str(path)).assigned()
    world.produce(event("r_mapped", endpoint.url))
    assert endpoint.wait(1)[0].line == "POST /Zo%C3%AB%20b?x=%5E&a%20b=%C3%A9%26 HTTP/1.1"
    assert outcome(port, "r_mapped")["status"] == "SUCCESS"


def test_a_proxy_is_asked_for_the_same(world, port, endpoint):
    proxy = Proxy()
    world.agent(HTTP_PROXY=proxy.url(), NO_PROXY=f"127.0.0.1:{port.server.server_port}").assigned()
    world.produce(*[event(f"r_{i}", f" http://u:p@127.0.0.1:{endpoint.port}{w}") for i, (w, _) in enumerate(WRITTEN)])
    for i in range(len(WRITTEN)):
        outcome(port, f"r_{i}")
    proxy.close()
    assert sorted(proxy.targets("POST")) == sorted(endpoint.url + asked for _, asked in WRITTEN)


# redirects

def redirecting(statuses, location):
    """Answers /STATUS with that redirect, and everything else with 200."""
    def answer(request):
        status = request.target.strip("/").split("?")[0]
        return response(int(status), *([location] if isinstance(location, (str, bytes)) else location(request))) if status in statuses else response()
    return answer


def test_301_302_and_303_are_followed_with_get_and_without_a_body(world, port, endpoint, tmp_path):
    endpoint.answer = redirecting({"301", "302", "303"}, "Location: /done?x")
    path = tmp_path / "mapping.json"
    path.write_text(json.dumps([{"headers": {"X-Own": ".context.runId", "content-type": '"text/x-own"'}}]))
    agent = world.agent(CONTROL_THE_PAYLOAD_CONFIG_PATH=str(path)).assigned()
    methods = [(s, m) for s in ("301", "302", "303") for m in ("POST", "PUT", "PATCH", "DELETE", "GET")]
    world.produce(*[event(f"r_{s}_{m}", f"{endpoint.url}/{s}", m) for s, m in methods])
    for s, m in methods:
        assert outcome(port, f"r_{s}_{m}")["status"] == "SUCCESS"
        first, then = [r for r in endpoint.requests if r.headers["x-own"] == f"r_{s}_{m}"]
        assert (first.method, first.target, is_signed(first)) == (m, f"/{s}", True) and first.headers["content-type"] == "text/x-own" and first.body
        assert then.line == "GET /done?x HTTP/1.1" and then.body == b"" and is_signed(then)
        assert not {"content-type", "content-length", "transfer-encoding"} & set(then.headers)
        for name in ("x-port-attempt", "idempotency-key", "webhook-id", "user-agent", "accept-encoding"):
            assert then.headers[name] == first.headers[name]
    assert agent.terminate() == 0
    assert "v1," not in json.dumps(agent.log.snapshot())


def test_307_and_308_are_followed_as_they_were(world, port, endpoint):
    endpoint.answer = redirecting({"307", "308"}, "Location: /done")
    world.agent().assigned()
    world.produce(*[event(f"r_{s}", f"{endpoint.url}/{s}", "PATCH") for s in ("307", "308")])
    for s in ("307", "308"):
        assert outcome(port, f"r_{s}")["status"] == "SUCCESS"
        first, then = [r for r in endpoint.requests if r.headers["webhook-id"] == next(q.headers["webhook-id"] for q in endpoint.requests if q.target == f"/{s}")]
        assert then.line == "PATCH /done HTTP/1.1" and then.body == first.body and is_signed(then)
        assert {**then.headers, "host": ""} == {**first.headers, "host": ""}


def test_what_is_no_redirect_is_the_answer(world, port, endpoint):
    answers = ["300", "304", "305", "306", "309", "399"]
    endpoint.answer = lambda r: response(int(r.target[1:4]), *(["Location: /elsewhere"] if "L" in r.target else ["Location:"] if "E" in r.target else []),
                                         body=b"" if "304" in r.target else b'{"kept":true}')
    world.agent().assigned()
    targets = [f"{s}L" for s in answers] + [s + kind for s in ("301", "302", "303", "307", "308") for kind in ("", "E")]
    world.produce(*[event(f"r_{t}_{m}", f"{endpoint.url}/{t}", m) for t in targets for m in ("POST", "GET")])
    for t in targets:
        for m in ("POST", "GET"):
            assert outcome(port, f"r_{t}_{m}")["status"] == "SUCCESS", t
            responses = [b for _, p, b in port.of_run(f"r_{t}_{m}") if p == "/response"]
            assert responses == ([] if "304" in t else [{"response": {"kept": True}}])
    assert len(endpoint.requests) == 2 * len(targets)


LOCATIONS = [
    ("Location: next", "/a/next"), ("Location: ../next", "/next"), ("Location: ?q=1", "/a/307?q=1"), ("Location: ?", "/a/307?"), ("Location: /b?#part", "/b?"),
    ("Location: /with blank?a b", "/with%20blank?a%20b"), ("Location: /Zoë", "/Zo%C3%AB"), (b"Location: /Zo\xeb?\xe9", "/Zo%EB?%E9"), ("Location: /%zz\\^[1]", "/%25zz%5C%5E[1]"),
    ("Location:   /padded \t", "/padded"), ("location: //{host}/b", "/b"), ("LOCATION: HTTP://{host}/b", "/b"), ("Location: http://{host}", "/"), ("Location: http://{host}?q", "/?q"),
    ("Location: http://hunter2@{host}/user", "/user"), ("Location: /first\r\nLocation: /second", "/first"), ("Location: /a/../b", "/b")]


def test_a_location_is_understood_however_it_is_written(world, port, endpoint):
    host = f"127.0.0.1:{endpoint.port}"
    def answer(request):
        if not request.target.startswith("/a/307?"):
            return response()
        line = LOCATIONS[int(request.target.partition("?n=")[2])][0] if "?n=" in request.target else None
        return response() if line is None else response(307, line if isinstance(line, bytes) else line.format(host=host))
    endpoint.answer = answer
    world.agent().assigned()
    world.produce(*[event(f"r_{i}", f"{endpoint.url}/a/307?n={i}") for i in range(len(LOCATIONS))])
    for i in range(len(LOCATIONS)):
        assert outcome(port, f"r_{i}")["status"] == "SUCCESS", LOCATIONS[i]
    followed = [r.target for r in endpoint.requests if "?n=" not in r.target]
    assert sorted(followed) == sorted(target for _, target in LOCATIONS)


def test_a_redirect_to_another_origin_is_not_followed_and_says_where_to_without_secrets(world, port, endpoint):
    other = Raw()
    shown = {f"http://127.0.0.1:{other.port}/x/y?token=hunter2&n=1": f"http://127.0.0.1:{other.port}/x/y?token=***&n=*** not followed: another port",
             f"http://user:hunter2@127.0.0.1:{other.port}/z": f"http://127.0.0.1:{other.port}/z not followed: another port",
             f"//localhost:{endpoint.port}/x": f"http://localhost:{endpoint.port}/x not followed: another host",
             f"http://127.0.0.1.:{other.port}/": f":{other.port}/ not followed: another port",
             f"https://127.0.0.1:{other.port}/x": f"https://127.0.0.1:{other.port}/x not followed: another port",
             "https://other.example/a%20b/Zoë": "https://other.example/a%20b/Zo%C3%AB not followed: another host",
             "ftp://hunter2@127.0.0.1/x": "ftp://***@127.0.0.1/x not followed: neither http nor https",
             "http://[::1/hunter2?hunter2": "not followed: its target is not a URL"}
    locations = list(shown)
    endpoint.answer = lambda r: response(int(r.target[1:4]), "Location: " + locations[int(r.target[5:])])
    agent = world.agent().assigned()
    cases = [(s, i) for s in (301, 302, 303, 307, 308) for i in range(len(locations))]
    world.produce(*[event(f"r_{s}_{i}", f"{endpoint.url}/{s}?{i}") for s, i in cases])
    for s, i in cases:
        failed = outcome(port, f"r_{s}_{i}")
        assert failed["status"] == "FAILURE" and f"redirect {s} to " in failed["summary"] and shown[locations[i]] in failed["summary"], failed
    assert agent.terminate() == 0
    other.close()
    assert other.requests == [] and len(endpoint.requests) == len(cases)
    told = json.dumps(agent.log.snapshot()) + json.dumps([port.of_run(f"r_{s}_{i}") for s, i in cases])
    assert "hunter2" not in told.replace("/hunter2?", "")


def test_loops_and_long_chains_end(world, port, endpoint):
    endpoint.answer = lambda r: response(int(r.target.split("/")[1]), f"Location: {r.target.rsplit('/', 1)[0]}/{int(r.target.rsplit('/', 1)[1]) + 1}") if "chain" in r.target \
        else response(int(r.target[1:4]), f"Location: {r.target}")
    world.agent().assigned()
    world.produce(*[event(f"r_{s}", f"{endpoint.url}/{s}") for s in (301, 302, 303, 307, 308)], *[event(f"r_chain_{s}", f"{endpoint.url}/{s}/chain/1") for s in (303, 308)])
    for run in [f"r_{s}" for s in (301, 302, 303, 307, 308)] + ["r_chain_303", "r_chain_308"]:
        failed = outcome(port, run)
        assert failed["status"] == "FAILURE" and "more than 5 redirects" in failed["summary"]
    assert len(endpoint.requests) == 7 * 6


def test_what_a_redirect_says_was_processed_is_not_sent_again(world, port, endpoint):
    endpoint.answer = lambda r: response(303, "Location: /busy") if r.target == "/303" else response(303, "Location: https://127.0.0.1/nobody") if r.target == "/refused" \
        else response(503, "Retry-After: 0")
    world.agent().assigned()
    world.produce(event("r_busy", endpoint.url + "/303"), event("r_refused", endpoint.url + "/refused"))
    assert "503" in outcome(port, "r_busy")["summary"] and "127.0.0.1:443" in outcome(port, "r_refused")["summary"]
    assert sorted(r.line for r in endpoint.requests) == ["GET /busy HTTP/1.1", "POST /303 HTTP/1.1", "POST /refused HTTP/1.1"]


def test_a_redirect_from_http_to_https_may_keep_the_port_or_go_to_443_and_never_back(world, port, authority):
    both = Raw(tls=server_context(*authority.issue("both")))
    host = f"127.0.0.1:{both.port}"
    there = {"/up": f"https://{host}/done", "/443": "https://127.0.0.1/done", "/down": f"http://{host}/done"}
    both.answer = lambda r: response(307, f"Location: {there[r.target]}") if r.target in there else response()
    world.agent(SSL_CERT_FILE=str(authority.file), WEBHOOK_RETRY_ON="none").assigned()
    world.produce(event("r_up", f"http://{host}/up"), event("r_443", f"http://{host}/443"), event("r_down", f"https://{host}/down"))
    assert outcome(port, "r_up")["status"] == "SUCCESS"
    assert "127.0.0.1:443" in outcome(port, "r_443")["summary"] and "not followed" not in outcome(port, "r_443")["summary"]
    assert f"http://{host}/done not followed: from https back to http" in outcome(port, "r_down")["summary"]
    both.close()
    assert sorted(r.target for r in both.requests) == sorted(["/up", "/done", "/443", "/down"])
