"""What endpoints' answers are taken for: content codings, charsets, headers, HTTP's version."""
import gzip
import json
import pathlib
import subprocess
import zlib

import pytest

from harness import ROOT, Receiver, change_event, outcome, run_event, speaks_http2
from scripted import Scripted

pytestmark = pytest.mark.host  # codings are libraries' doing, and HTTP/2 is libcurl's

JSON = b"Content-Type: application/json\r\n"
TEXT = b"Content-Type: text/plain; charset=%s\r\n"
VALUE = {"received": True, "text": "Zoë 東京 🚀"}
BYTES = json.dumps(VALUE, ensure_ascii=False).encode()


def raw_deflate(body):
    coder = zlib.compressobj(wbits=-15)
    return coder.compress(body) + coder.flush()


def brotli(body):
    script = "process.stdout.write(require('zlib').brotliCompressSync(require('fs').readFileSync(0)))"
    return subprocess.run(["node", "-e", script], input=body, capture_output=True, check=True).stdout


def zstd(body):
    """A frame of one raw block (RFC 8878), for bodies under 256 bytes."""
    return b"\x28\xb5\x2f\xfd\x20" + bytes([len(body)]) + (len(body) << 3 | 1).to_bytes(3, "little") + body


def coded(names, body, more=b""):
    return JSON + more + b"Content-Encoding: " + names + b"\r\n", body


HALF = len(BYTES) // 2
SKIPPED = b"\x51\x2a\x4d\x18\x04\x00\x00\x00skip"
CODED = {
    "gzip": coded(b"gzip", gzip.compress(BYTES)),
    "gzip_of_two_members": coded(b"gzip", gzip.compress(BYTES[:HALF]) + gzip.compress(BYTES[HALF:])),
    "gzip_of_many_members": coded(b"gzip", b"".join(gzip.compress(bytes([b])) for b in BYTES)),
    "gzip_with_a_tail": coded(b"gzip", gzip.compress(BYTES) + b"\r\n<!-- served by -->"),
    "gzip_with_zeros_behind": coded(b"gzip", gzip.compress(BYTES) + bytes(512)),
    "x_gzip_in_capitals": coded(b" X-GZIP ", gzip.compress(BYTES)),
    "deflate_as_zlib": coded(b"deflate", zlib.compress(BYTES)),
    "deflate_as_zlib_with_a_small_window": coded(b"deflate", (lambda c: c.compress(BYTES) + c.flush())(zlib.compressobj(wbits=9))),
    "deflate_raw": coded(b"Deflate", raw_deflate(BYTES)),
    "deflate_with_a_tail": coded(b"deflate", zlib.compress(BYTES) + b"tail"),
    "br": coded(b"br", brotli(BYTES)),
    "br_with_a_tail": coded(b"br", brotli(BYTES) + b"tail"),
    "zstd": coded(b"zstd", zstd(BYTES)),
    "zstd_of_frames": coded(b"zstd", SKIPPED + zstd(BYTES[:HALF]) + SKIPPED + zstd(BYTES[HALF:]) + b"tail"),
    "gzip_then_br": coded(b"gzip, br", brotli(gzip.compress(BYTES))),
    "gzip_then_br_on_two_lines": coded(b"br", brotli(gzip.compress(BYTES)), b"Content-Encoding: gzip\r\n"),
    "gzip_twice": coded(b"gzip,gzip", gzip.compress(gzip.compress(BYTES))),
    "identity": coded(b"identity", BYTES),
    "identity_and_gzip": coded(b"identity, gzip,", gzip.compress(BYTES)),
    "nothing": coded(b"", BYTES),
    "utf_8": coded(b"utf-8", BYTES),
    "utf_8_on_a_second_line": coded(b"utf-8", BYTES, b"Content-Encoding: gzip\r\n"),
    "aws_chunked": coded(b"aws-chunked", BYTES),
    "none": coded(b"none", BYTES),
}


@pytest.fixture
def serve():
    opened = []

    def start(answers):
        opened.append(Scripted({f"/{name}": answer for name, answer in answers.items()}))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


def response_of(port, run):
    return next((body["response"] for method, path, body in port.of_run(run) if (method, path) == ("PATCH", "/response")), None)


def deliver(world, port, endpoint, names, **environment):
    """A synchronous run to each path; the agent, and what Port was told: name -> (outcome, response)."""
    agent = world.agent(WEBHOOK_RETRY_ON="none", **environment).assigned()
    world.produce(*[run_event(f"r_{name}", f"{endpoint.url}/{name}") for name in names])
    return agent, {name: (outcome(port, f"r_{name}"), response_of(port, f"r_{name}")) for name in names}


def test_every_content_coding_is_undone_and_an_unknown_one_is_none(world, port, serve):
    endpoint = serve(CODED)
    agent, told = deliver(world, port, endpoint, CODED)
    assert told == {name: ({"status": "SUCCESS"}, VALUE) for name in CODED}
    assert endpoint.headers_of("/gzip")["accept-encoding"] == "deflate, gzip, br, zstd"
    assert not [line for line in agent.log.snapshot() if line["msg"].startswith("response body")]


def test_a_body_that_is_no_whole_coding_leaves_the_status_to_count(world, port, serve):
    noise = bytes(range(256)) * 8
    answers = {
        "empty": coded(b"gzip", b""), "no_content": (b"HTTP/1.1 204 None\r\nContent-Encoding: gzip\r\n", None),
        "plain": coded(b"gzip", BYTES), "plain_br": coded(b"br", b"\xff\xff" + BYTES), "old_zstd": coded(b"zstd", b"\x25\xb5\x2f\xfd" + BYTES),
        "wrong_sum": coded(b"gzip", gzip.compress(BYTES)[:-8] + bytes(8)), "six": coded(b"gzip, gzip, gzip, gzip, gzip, gzip", BYTES),
        "cut": (b"Content-Type: text/plain\r\nContent-Encoding: gzip\r\n", gzip.compress(b"beginning" + noise, 0)[:19]),
        "failing": (b"HTTP/1.1 500 No\r\nContent-Encoding: gzip\r\n", b"no gzip"),
    }
    agent, told = deliver(world, port, serve(answers), answers)
    failing, nothing = told.pop("failing"), told.pop("cut")
    assert told == {name: ({"status": "SUCCESS"}, None) for name in told}
    assert failing[0]["status"] == "FAILURE" and "500" in failing[0]["summary"] and failing[1] is None
    assert nothing[0] == {"status": "SUCCESS"} and nothing[1] is not None and "beginning".startswith(nothing[1])
    assert agent.wait_log("response body cut: its Content-Encoding ended before its end")["url.full"].endswith("/cut")
    left_out = lambda lines: sorted(line["url.full"].rsplit("/", 1)[1] for line in lines if line["msg"].startswith("response body left out"))
    agent.log.wait(lambda lines: len(left_out(lines)) >= 6)
    assert left_out(agent.log.snapshot()) == ["failing", "old_zstd", "plain", "plain_br", "six", "wrong_sum"]


def test_a_second_member_counts_for_every_kind_of_event(world, port, serve):
    endpoint = serve({name: CODED["gzip_of_two_members"] for name in ("asynchronous", "node", "change")})
    agent = world.agent().assigned()
    world.produce(run_event("r_asynchronous", endpoint.url + "/asynchronous", synchronized=False), run_event("wfnr_node", endpoint.url + "/node"))
    world.produce(change_event(endpoint.url + "/change"), topic=world.changes)
    agent.log.wait(lambda lines: sum(line["msg"] == "webhook delivered" for line in lines) == 3)
    port.wait(lambda: port.of_node_run("wfnr_node")[-1:] == [("PATCH", "", {"status": "COMPLETED", "result": "SUCCESS",
                                                               "output": {"response": {"status": 200, "data": VALUE}}})])
    assert agent.terminate() == 0
    assert not [body for method, path, body in port.of_run("r_asynchronous") if (method, path) == ("PATCH", "")]


def test_a_mapping_may_ask_for_codings_of_its_own(world, port, serve, tmp_path):
    endpoint = serve({"own": (JSON, BYTES)})
    (tmp_path / "mapping.json").write_text(json.dumps([{"headers": {"accept-encoding": "\"identity\""}}]))
    deliver(world, port, endpoint, ["own"], CONTROL_THE_PAYLOAD_CONFIG_PATH=str(tmp_path / "mapping.json"))
    assert endpoint.headers_of("/own")["accept-encoding"] == "identity"


@pytest.mark.parametrize("coding", ["br", "zstd"])
def test_bombs_of_every_coding_are_cut(world, port, serve, coding):
    block = (1 << 17 << 3 | 1 << 1).to_bytes(3, "little") + b"x"  # 128 KiB of one byte
    bombs = {"br": brotli(b"x" * (64 << 20)), "zstd": b"\x28\xb5\x2f\xfd\x00\x58" + block * 512}
    endpoint = serve({f"{coding}_{i}": coded(coding.encode(), bombs[coding]) for i in range(20)})
    agent, told = deliver(world, port, endpoint, [f"{coding}_{i}" for i in range(20)])
    assert all(result == {"status": "SUCCESS"} for result, _ in told.values())
    assert max(len(response or "") for _, response in told.values()) == 1 << 20
    assert agent.wait_log("response body cut")


# Charsets

CHARSETS = {
    "utf-8": "Zoë 東京 🚀", "utf-16": "Zoë 東京 🚀", "utf-16-le": "Zoë 東京 🚀", "utf-16-be": "Zoë 東京 🚀", "utf-32": "Zoë 🚀", "utf-32-le": "Zoë 🚀", "utf-32-be": "Zoë 🚀",
    "iso-8859-1": "grüße", "iso-8859-2": "Příliš žluťoučký kůň", "iso-8859-9": "İstanbul ğşı", "iso-8859-15": "10 € œuvre", "windows-1250": "„kůň“ €",
    "windows-1251": "Привет, мир – №", "windows-1252": "“smart” – 10 €", "shift_jis": "東京 カタカナ ｱｲｳ 表示", "euc-jp": "東京 カタカナ ｱｲｳ", "gbk": "中文 简体",
    "big5": "中文 繁體 功許蓋", "euc-kr": "한국어 대한민국",
}
NAMES = {"utf-16-le": "utf-16le", "utf-16-be": "UTF-16BE", "utf-32-le": "utf-32le", "utf-32-be": "UTF-32BE"}  # as HTTP has them


def test_text_and_json_are_read_by_their_declared_charset(world, port, serve):
    answers, expected = {}, {}
    for charset, text in CHARSETS.items():
        value = {"text": text, "escaped": "\\\""}
        name = NAMES.get(charset, charset).encode()
        answers[f"text_{charset}"], expected[f"text_{charset}"] = (TEXT % name, text.encode(charset)), text
        answers[f"json_{charset}"] = (b"Content-Type: application/json; Charset = \"%s\"\r\n" % name.upper(), json.dumps(value, ensure_ascii=False).encode(charset))
        expected[f"json_{charset}"] = value
    told = deliver(world, port, serve(answers), answers)[1]
    assert {name: response for name, (_, response) in told.items()} == expected


def test_marks_aliases_and_what_declares_nothing(world, port, serve):
    latin, mark = "grüße".encode("latin-1"), b"\xef\xbb\xbf"
    cases = {
        "mark": (JSON, mark + BYTES, VALUE), "mark_alone": (JSON, mark, None), "mark_and_charset": (b"Content-Type: application/json; charset=utf-8\r\n", mark + BYTES, VALUE),
        "mark_without_a_type": (b"", mark + BYTES, VALUE), "mark_of_utf_16": (JSON, json.dumps(VALUE).encode("utf-16"), VALUE),
        "mark_of_utf_16_be": (JSON, b"\xfe\xff" + BYTES.decode().encode("utf-16-be"), VALUE), "mark_of_utf_32": (JSON, BYTES.decode().encode("utf-32"), VALUE),
        "zeros_of_utf_16": (b"", BYTES.decode().encode("utf-16-le"), VALUE), "zeros_of_utf_32": (b"", BYTES.decode().encode("utf-32-be"), VALUE),
        "mark_in_text": (TEXT % b"utf-8", mark + "grüße".encode(), "grüße"),
        "undeclared_utf_8": (b"Content-Type: text/plain\r\n", "grüße".encode(), "grüße"), "undeclared_latin_1": (b"Content-Type: text/plain\r\n", latin, "grüße"),
        "unknown_latin_1": (TEXT % b"klingon", latin, "grüße"), "unknown_utf_8": (TEXT % b"klingon", "grüße".encode(), "grüße"),
        "latin1": (TEXT % b"Latin1", latin, "grüße"), "quoted": (TEXT % b'"ISO-8859-1"', latin, "grüße"), "sjis": (TEXT % b"x-sjis", "東京".encode("shift_jis"), "東京"),
        "cp1252": (TEXT % b"cp1252", "€".encode("cp1252"), "€"), "gb2312": (TEXT % b"GB2312", "中文".encode("gb2312"), "中文"),
        "ks_c": (TEXT % b"ks_c_5601-1987", "한국어".encode("euc-kr"), "한국어"), "invalid": (TEXT % b"utf-8", b"a\xff\xe6\x9db", "a\ufffd\ufffdb"),
        "invalid_sjis": (TEXT % b"shift_jis", b"a\x81", "a\ufffd"), "latin_json": (JSON, b'{"a":"gr\xfc\xdfe"}', {"a": "grüße"}),
    }
    told = deliver(world, port, serve({name: (headers, body) for name, (headers, body, _) in cases.items()}), cases)[1]
    assert {name: response for name, (_, response) in told.items()} == {name: value for name, (_, _, value) in cases.items()}


def test_a_header_on_several_lines_is_one_and_those_behind_it_stay(world, port, serve, tmp_path):
    """RFC 9112, section 5.2."""
    values = {"two": (b"X-A: one\r\n two\r\n", "one two"), "tab": (b"X-A: one \t\r\n\t  two \r\n", "one two"), "three": (b"X-A: one\r\n two\r\n  three\r\n", "one two three"),
              "empty": (b"X-A:\r\n two\r\n", "two"), "blank": (b"X-A: one\r\n \r\n two\r\n", "one two"), "colon": (b"X-A: one\r\n X-C: two\r\n", "one X-C: two"),
              "latin": (b"X-A: Zo\xc3\xab\r\n gr\xfc\xdfe\r\n", "Zoë grüße"), "again": (b"X-A: one\r\n two\r\nX-A: three\r\n four\r\n", "one two, three four")}
    (tmp_path / "mapping.json").write_text(json.dumps([{"report": {"summary": '[.response.headers["X-A"], .response.headers.Location, .response.headers["X-C"]] | join("|")'}}]))
    endpoint = serve({name: (line + b"Location: /l\r\nX-Last: 1\r\n", b"x") for name, (line, _) in values.items()})
    _, told = deliver(world, port, endpoint, values, CONTROL_THE_PAYLOAD_CONFIG_PATH=str(tmp_path / "mapping.json"))
    assert {name: outcome["summary"] for name, (outcome, _) in told.items()} == {name: f"{value}|/l|" for name, (_, value) in values.items()}


def test_a_mapping_sees_text_json_and_headers_as_text(world, port, serve, tmp_path):
    answers = {"sjis": (b"Content-Type: application/json; charset=Shift_JIS\r\nX-Utf8: Zo\xc3\xab\r\nX-Latin: Zo\xeb\r\n", '{"名":"東京"}'.encode("shift_jis")),
               "mark": (b"X-Utf8: a\r\nX-Latin: b\r\n", b'\xef\xbb\xbf{"\xe5\x90\x8d":"\xe6\x9d\xb1\xe4\xba\xac"}')}
    report = {"summary": "[.response.text, .response.json[\"名\"], .response.headers[\"X-Utf8\"], .response.headers[\"X-Latin\"]] | join(\"|\")"}
    (tmp_path / "mapping.json").write_text(json.dumps([{"report": report}]))
    told = deliver(world, port, serve(answers), answers, CONTROL_THE_PAYLOAD_CONFIG_PATH=str(tmp_path / "mapping.json"))[1]
    assert told["sjis"][0]["summary"] == '{"名":"東京"}|東京|Zoë|Zoë'
    assert told["mark"][0]["summary"] == '{"名":"東京"}|東京|a|b'


def test_a_failures_summary_shows_the_text(world, port, serve):
    answers = {"latin": (b"HTTP/1.1 400 No\r\n" + TEXT % b"iso-8859-1", "größer".encode("latin-1")),
               "long": (b"HTTP/1.1 400 No\r\nContent-Type: text/plain\r\n", ("a" + "東" * 10000).encode())}
    endpoint = serve(answers)
    told = deliver(world, port, endpoint, answers)[1]
    assert told["latin"][0]["summary"].endswith("Answer: größer")
    assert "東東" in told["long"][0]["summary"] and "\ufffd" not in told["long"][0]["summary"]
    world.produce(run_event("r_asynchronous", endpoint.url + "/long", synchronized=False))
    summary = outcome(port, "r_asynchronous")["summary"]
    assert "東東" in summary and "æ" not in summary


# HTTP's version


@pytest.fixture
def h2_receiver(authority):
    one = Receiver("node", str(ROOT / "tests/receivers/receiver_h2.js"), tls=authority.issue("h2"))
    yield one
    one.close()


LINK = [{"report": {"link": ".response.headers.Location", "summary": '.response.headers | [.["X-Run-Id"], .ETag, .["WWW-Authenticate"], .["Content-MD5"], .["Set-Cookie"]] | join("|")'}}]


def link_of(world, port, authority, h2_receiver, tmp_path, **environment):
    (tmp_path / "mapping.json").write_text(json.dumps(LINK))
    agent = world.agent(SSL_CERT_FILE=str(authority.file), CONTROL_THE_PAYLOAD_CONFIG_PATH=str(tmp_path / "mapping.json"), **environment).assigned()
    world.produce(run_event("r_1", h2_receiver.url + "/named"))
    return agent, outcome(port, "r_1"), h2_receiver.wait_runs(["r_1"])[0]["version"]


NAMED = {"status": "SUCCESS", "link": "https://svc.example/jobs/7", "summary": 'abc|"v1"|Basic|Q2hlY2s=|a=1, b=2'}


def test_http_1_1_is_the_default_though_the_endpoint_offers_http_2(world, port, authority, h2_receiver, tmp_path):
    agent, told, version = link_of(world, port, authority, h2_receiver, tmp_path)
    assert (told, version) == (NAMED, "1.1")


def test_header_names_have_their_usual_capitals_over_http_2(world, port, authority, h2_receiver, tmp_path):
    if not speaks_http2():
        pytest.skip("HTTP/2 needs libcurl 8.13 or later")
    agent, told, version = link_of(world, port, authority, h2_receiver, tmp_path, WEBHOOK_HTTP_VERSION="2")
    assert (told, version) == (NAMED, "2.0")


@pytest.mark.parametrize("version", ["1.1", "2"])
def test_a_mappings_host_is_the_authority_over_http_2(world, port, authority, h2_receiver, tmp_path, version):
    (tmp_path / "mapping.json").write_text(json.dumps([{"headers": {"Host": '"h.example"', "Connection": '"close"', "Content-Length": "1"}}]))
    world.agent(SSL_CERT_FILE=str(authority.file), WEBHOOK_HTTP_VERSION=version, CONTROL_THE_PAYLOAD_CONFIG_PATH=str(tmp_path / "mapping.json")).assigned()
    world.produce(run_event("r_1", h2_receiver.url + "/ok"))
    assert outcome(port, "r_1") == {"status": "SUCCESS"}
    [seen] = h2_receiver.wait_runs(["r_1"])
    assert seen["valid"] and (seen["authority"] if seen["version"] == "2.0" else seen["host"]) == "h.example", seen


def test_http_2_is_a_warning_where_libcurl_is_too_old(world, port, authority, h2_receiver, tmp_path):
    if speaks_http2():
        pytest.skip("this libcurl can do HTTP/2")
    agent, told, version = link_of(world, port, authority, h2_receiver, tmp_path, WEBHOOK_HTTP_VERSION="2")
    assert (told, version) == (NAMED, "1.1")
    assert [line for line in agent.log.snapshot() if "needs libcurl 8.13 or later" in json.dumps(line) and line["level"] == "WARNING"]


# Many at once, long ones, and those that are sent again


def test_http_2_carries_many_webhooks_on_few_connections(world, port, authority, h2_receiver):
    if not speaks_http2():
        pytest.skip("HTTP/2 needs libcurl 8.13 or later")
    world.agent(SSL_CERT_FILE=str(authority.file), WEBHOOK_HTTP_VERSION="2").assigned()
    runs = [f"r_{i}" for i in range(300)]
    world.produce(*[run_event(run, h2_receiver.url + "/delay/50", synchronized=False) for run in runs])
    h2_receiver.wait_runs(runs)
    seen = h2_receiver.seen.snapshot()
    assert sorted(s["run"] for s in seen) == sorted(runs)
    assert all(s["valid"] and s["version"] == "2.0" for s in seen)
    connections = len({s["session"] for s in seen})
    assert connections <= 16, f"{connections} connections for {len(runs)} webhooks"


@pytest.mark.parametrize("version", ["1.1", "2"])
@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_compressed_responses_are_understood(world, port, authority, h2_receiver, encoding, version):
    world.agent(SSL_CERT_FILE=str(authority.file), WEBHOOK_HTTP_VERSION=version).assigned()
    world.produce(run_event("r_small", h2_receiver.url + f"/{encoding}"))
    assert outcome(port, "r_small") == {"status": "SUCCESS"}
    assert response_of(port, "r_small") == {"received": True, "text": "Zoë 東京 🚀"}
    assert encoding in h2_receiver.wait_runs(["r_small"])[0]["accepts"]


@pytest.mark.parametrize("version", ["1.1", "2"])
def test_a_decompression_bomb_is_cut(world, port, authority, h2_receiver, version):
    agent = world.agent(SSL_CERT_FILE=str(authority.file), WEBHOOK_HTTP_VERSION=version).assigned()
    world.produce(*[run_event(f"r_{i}", h2_receiver.url + "/bomb") for i in range(20)])
    for i in range(20):
        assert outcome(port, f"r_{i}") == {"status": "SUCCESS"}
        assert len(response_of(port, f"r_{i}")) == 1 << 20
    line = agent.wait_log("response body cut")
    assert line["kept_bytes"] == 1 << 20 and "WEBHOOK_MAX_RESPONSE_BYTES" in line["msg"]


def test_what_libcurl_sends_again_is_the_same_attempt(world, port, receiver):
    agent = world.agent().assigned()
    world.produce(run_event("r_first", receiver.url + "/once-a-connection"))
    assert outcome(port, "r_first") == {"status": "SUCCESS"}
    world.produce(run_event("r_second", receiver.url + "/once-a-connection"))
    assert outcome(port, "r_second") == {"status": "SUCCESS"}
    line = agent.wait_log("webhook delivered", port__run_id="r_second")
    assert line["resent"] is True and "http.request.resend_count" not in line
    again = [s for s in receiver.seen.snapshot() if s["run"] == "r_second"]
    assert len(again) == 2 and again[0]["idempotency"] == again[1]["idempotency"] == f"{world.runs}-0-1"
    assert "resent" not in agent.wait_log("webhook delivered", port__run_id="r_first")


def peak_mib(agent):
    status = pathlib.Path(f"/proc/{agent.process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def test_long_answers_come_whole_in_bounded_memory_though_port_is_away(world, port, receiver):
    """Seventy megabytes of answers, all on their way at once, and nobody to report them to at first."""
    agent = world.agent(RUN_LOGS="false").assigned()
    port.fail_status = 503
    runs = [f"r_{i}" for i in range(80)]
    world.produce(*[run_event(run, f"http://127.0.0.{i % 12 + 1}:{receiver.port}/big/900000") for i, run in enumerate(runs)])
    receiver.wait_runs(runs)
    agent.log.wait(lambda lines: sum(line["msg"].startswith("a result waits for Port") for line in lines) >= 20)
    port.fail_status = None
    for run in runs:
        assert outcome(port, run) == {"status": "SUCCESS"}
        assert len(response_of(port, run)["filler"]) == 900000
    assert not [line for line in agent.log.snapshot() if line["msg"].startswith("response body")]
    print(f"peak {peak_mib(agent):.1f} MiB")
    assert peak_mib(agent) < 72
