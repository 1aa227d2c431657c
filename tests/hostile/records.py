"""A hostile producer: records that an endpoint should never hear of, and records of a real run whose members mean harm.

`forged`: nobody signed these. `trap` is a URL that must not be called on their word; no run of them may be reported. (A workflow
node run is reported failed, as today's agents do.)
`hostile_runs`: Port signed them, whatever they hold (the user of an action writes its properties, and whoever edits the action the rest).
Their run has to end as the table says; None where both is right. `ok` is a URL that answers.
"""
import json

from harness import SECRET, change_event, compact, run_event, sign

SUCCESS, FAILURE = "SUCCESS", "FAILURE"
STAMP = "1768317616"


def event(run_id, url, method=None, properties=None, **members):
    """A run event as an object, unsigned; `method`: members of its invocation method."""
    made = json.loads(run_event(run_id, url, properties=properties or {"a": 1}))
    made["headers"] = {}
    made["payload"]["action"]["invocationMethod"].update(method or {})
    made.update(members)
    return made


def signed(made, text=None, stamp=STAMP):
    """The record of an event; `text`: the JSON that is signed and sent instead of the event's own."""
    text, member = text or compact(made), ',"headers":{}}'
    assert text.endswith(member), text[-50:]
    bare = text[:-len(member)] + "}"
    gitlab = made["payload"]["action"]["invocationMethod"]["type"] == "GITLAB"  # signed without the member
    headers = compact({"X-Port-Timestamp": stamp, "X-Port-Signature": sign(bare if gitlab else text, stamp)})
    return f'{bare[:-1]},"headers":{headers}}}'


def with_headers(made, **headers):
    return compact({**made, "headers": headers})


def forged(trap):
    """name: (topic's kind, key, value, Kafka's headers)."""
    plain = event("r_forged", trap)
    good = sign(compact(plain))
    stolen = json.loads(signed(event("r_forged", trap)))
    ours = lambda value: ("runs", None, value, None)
    theirs = lambda value: ("changes", None, value, None)
    tampered = json.loads(json.dumps(stolen))
    tampered["payload"]["properties"]["a"] = 2
    node = event("wfnr_forged", trap)
    return {
        "no bytes": ours(b""), "a tombstone": ours(None), "no JSON": ours(b"\0" * 1000), "half of JSON": ours(compact(plain)[:-9]),
        "a mark of byte order": ours(b"\xef\xbb\xbf" + compact(plain).encode()), "no UTF-8": ours(b'{"headers":{"X-Port-Signature":"\xff"}}'),
        "a megabyte of brackets": ours(b"[" * 1_000_000), "a million levels": ours(b'{"a":' * 200_000 + b"1" + b"}" * 200_000),
        "a list": ours(b"[]"), "a number": ours(b"1e400"), "null": ours(b"null"), "two events in a row": ours(compact(plain) * 2),
        "a hundred thousand members": ours(json.dumps({f"m{i}": i for i in range(100_000)})),
        "no signature": ours(compact(plain)), "an empty signature": ours(with_headers(plain, **{"X-Port-Timestamp": STAMP, "X-Port-Signature": ""})),
        "the signature of another event": ours(with_headers(event("r_forged2", trap), **stolen["headers"])),
        "a changed property": ours(compact(tampered)),
        "a signature with something behind it": ours(with_headers(plain, **{"X-Port-Timestamp": STAMP, "X-Port-Signature": good + "=="})),
        "a signature of another version": ours(with_headers(plain, **{"X-Port-Timestamp": STAMP, "X-Port-Signature": "v2," + good[3:]})),
        "a signature of a megabyte": ours(with_headers(plain, **{"X-Port-Timestamp": STAMP, "X-Port-Signature": "v1," + "A" * 1_000_000})),
        "a list of signatures": ours(with_headers(plain, **{"X-Port-Timestamp": STAMP, "X-Port-Signature": [good]})),
        "names in small letters": ours(with_headers(plain, **{"x-port-timestamp": STAMP, "x-port-signature": good})),
        "a timestamp that moves the dot": ours(with_headers(plain, **{"X-Port-Timestamp": STAMP + ".0", "X-Port-Signature": good})),
        "no timestamp": ours(with_headers(plain, **{"X-Port-Signature": good})),
        "a timestamp of ten thousand digits": ours(with_headers(plain, **{"X-Port-Timestamp": "1" * 10_000, "X-Port-Signature": good})),
        "a timestamp in hexadecimal": ours(with_headers(plain, **{"X-Port-Timestamp": "0x69665f30", "X-Port-Signature": good})),
        "a negative timestamp": ours(with_headers(plain, **{"X-Port-Timestamp": -1, "X-Port-Signature": good})),
        "the secret's own name as a signature": ours(with_headers(plain, **{"X-Port-Timestamp": STAMP, "X-Port-Signature": SECRET[:8]})),
        "headers that are a list": ours(compact({**plain, "headers": [good]})),
        "headers twice": ours(compact(plain)[:-1] + "," + compact({"headers": stolen["headers"]})[1:]),
        "a run that says it is a change": ours(change_event(trap, context={"runId": "r_forged"})),
        "a change that says it is a run": theirs(signed(event("r_forged", trap))),
        "a workflow node run": ours(compact(node)),
        "a key of a megabyte": ("runs", b"k" * 1_000_000, compact(plain), None),
        "a key that is no text": ("runs", b"\xff\0\xfe\n", compact(plain), None),
        "ten thousand headers of Kafka": ("runs", None, compact(plain), [(f"h{i}", b"v") for i in range(10_000)]),
    }


def hostile_runs(ok):
    """name: (outcome, a function of the run's id that gives the record)."""
    def run(outcome, text=None, stamp=STAMP, url=ok, **options):
        def make(run_id):
            made = event(run_id, url, **options)
            return signed(made, text(made) if text else None, stamp)
        return outcome, make

    def method(outcome, **members):
        return run(outcome, method=members)

    deep = lambda made: compact(made).replace('"a":1', '"a":' + "[" * 400 + "]" * 400)
    return {
        "a URL that is no text": method(FAILURE, url=[ok]),
        "no URL": method(FAILURE, url=""),
        "a URL that is null": method(FAILURE, url=None),
        "a URL of a file": method(FAILURE, url="file:///etc/passwd"),
        "a URL of gopher": method(FAILURE, url="gopher://127.0.0.1:1/_x"),
        "a URL with a line break": method(None, url=ok + "/\r\nX-Evil: 1\r\n\r\n"),
        "a URL with a NUL": method(None, url=ok + "/\0x"),
        "a URL of seventy kilobytes": method(FAILURE, url=ok + "/" + "a" * 70_000),
        "a URL without a host": method(FAILURE, url="http:///x"),
        "a URL with port 0": method(FAILURE, url="http://127.0.0.1:0/"),
        "a URL with port 99999": method(FAILURE, url="http://127.0.0.1:99999/"),
        "a host of ten thousand letters": method(FAILURE, url="http://" + "a" * 10_000 + "/"),
        "a host without end of dots": method(FAILURE, url="http://" + "." * 300),
        "a host of symbols": method(FAILURE, url="http://\u202e\U0001f600.invalid/"),
        "a zone in an address": method(FAILURE, url="http://[::1%25lo%0d%0a]:1/"),
        "a user of eight thousand letters": method(SUCCESS, url=ok.replace("http://", "http://" + "u" * 7900 + ":p@")),
        "a method with a line break": method(FAILURE, method="POST\r\nX: y"),
        "a method of ten thousand letters": method(FAILURE, method="A" * 10_000),
        "the method CONNECT": method(FAILURE, method="CONNECT"),
        "the method TRACE": method(FAILURE, method="TRACE"),
        "a method that is an object": method(FAILURE, method={}),
        "headers that are hostile": method(None, headers={"Host": "evil", "Content-Length": "0", "X\r\nY": "z"}),
        "a type that nobody knows": method(None, type="\0"),
        "four hundred levels of properties": run(SUCCESS, deep),
        "ten thousand properties": run(SUCCESS, properties={f"p{i}": "\u2028" for i in range(10_000)}),
        "a megabyte in a property": run(SUCCESS, properties={"a": "\\\"\n" * 300_000}),
        "numbers beyond all doubles": run(SUCCESS, lambda made: compact(made).replace('"a":1', '"a":1e400,"b":-0,"c":' + "9" * 5000)),
        "a timestamp far ahead": run(SUCCESS, stamp="99999999999"),
        "a timestamp of 1970": run(SUCCESS, stamp="0"),
        "the invocation method twice": run(FAILURE, lambda made: compact(made).replace('"invocationMethod":', '"invocationMethod":{},"invocationMethod":')),
        "gitlab's project with ways up": method(SUCCESS, type="GITLAB", groupName="../..", projectName="../../x?y#z"),
        "gitlab's project that is a number": method(FAILURE, type="GITLAB", groupName=1, projectName=2),
    }


# Ids that none of Port's runs has: the event is delivered, and no call is made about it.
IDS = {"ways up in an id": "r/../../../v1/organization", "a query in an id": "r?x=1#y", "line breaks in an id": "r\r\nHost: evil\r\n\r\n",
       "percent signs in an id": "r%2f..%00", "an id of two thousand letters": "r" * 2000, "an id that is no ASCII": "r_Zoë_\u202e\U0001f680"}
