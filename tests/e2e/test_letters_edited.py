"""Letters that somebody has changed, moved, cut or made up: refused before anything of them is sent, by name."""
import base64
import json
import os
import re
import subprocess
import time

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from harness import BINARY, change_event, compact, run_event, sign
from recorder import Recorder
from test_dead_letters import QUICK, letters, listed, node_results_of, results_of
from test_polling import polled_node_run, polled_run

POLLING = {"STREAMER_NAME": "POLLING", "POLLING_INTERVAL_SECONDS": "0.1"}


@pytest.fixture
def endpoint():
    """It fails until `answer` is set anew."""
    recorder = Recorder()
    recorder.answer = fails
    yield recorder
    recorder.close()


def fails(request):
    return 500, {}


def works(request):
    return 200, {"done": True}


def wait(predicate):
    """For what nobody tells of: letters on disk, or in a topic."""
    deadline = time.monotonic() + 30
    while not predicate():
        assert time.monotonic() < deadline
        time.sleep(0.05)


class Directory:
    """A directory of letters, and what a replay of it comes to."""

    def __init__(self, world, port, endpoint, path):
        self.world, self.port, self.endpoint, self.path = world, port, endpoint, path
        self.environment = {"DEAD_LETTER_DIR": str(path)}

    def files(self):
        return sorted(self.path.glob("dead-letters-*.jsonl"))

    def lines(self):
        return [json.loads(line) for file in self.files() for line in file.read_text().splitlines()]

    def write(self, *lines, name=None):
        """Lines as they are, or letters, as the only ones of the directory."""
        file = self.path / name if name else self.files()[0]
        file.write_text("".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines))
        return file

    def replay(self, *arguments, code, **settings):
        """Its output, its errors, and the requests and calls for runs that it made."""
        requests, calls = len(self.endpoint.requests), len(self.port.calls)
        done = subprocess.run([BINARY, "dead-letters", "replay", *(arguments or ["--all"])], env={**self.world.environment, **self.environment, **settings},
                              capture_output=True, text=True, timeout=60, cwd="/tmp")
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr[-3000:])
        told = [call for call in self.port.calls[calls:] if "/runs" in call[1]]
        return done.stdout, done.stderr, self.endpoint.requests[requests:], told

    def refused(self, why, line=1, file=None, **settings):
        out, err, requests, told = self.replay(code=1, **settings)
        assert requests == [] and told == [], (requests, told)
        assert "0 delivered, 0 failed" in out
        name = f"{(file or self.files()[0]).name}:{line}"
        assert [each for each in err.splitlines() if name in each and re.search(why, each)], (why, err, out)


@pytest.fixture
def polled(world, port, endpoint, tmp_path):
    """The letters of a polled run and of a polled node run, as the agent wrote them."""
    directory = Directory(world, port, endpoint, tmp_path / "letters")
    port.offer(polled_run("r_1", endpoint.url + "/run"), polled_node_run("wfnr_1", endpoint.url + "/node"))
    agent = world.agent(**POLLING, **directory.environment)
    port.wait(lambda: results_of(port, "r_1") and node_results_of(port, "wfnr_1"))
    assert agent.terminate() == 0
    endpoint.answer = works
    return directory


@pytest.fixture
def consumed(world, port, endpoint, tmp_path):
    """The letters of a run and of a change-log event that came from Kafka."""
    directory = Directory(world, port, endpoint, tmp_path / "letters")
    before = len(directory.lines()) if directory.path.exists() else 0
    endpoint.answer = fails
    agent = world.agent(**directory.environment, **QUICK).assigned()
    world.produce(("a key", run_event("r_1", endpoint.url + "/run")))
    world.produce(change_event(endpoint.url + "/change"), topic=world.changes)
    wait(lambda: results_of(port, "r_1") and directory.path.exists() and len(directory.lines()) == before + 2)
    assert agent.terminate() == 0
    endpoint.answer = works
    return directory


def letter_of(directory, run_id):
    return next(letter for letter in directory.lines() if letter["run_id"] == run_id)


def forged(run_id, url, **members):
    event = compact({"action": "create_vm", "context": {"runId": run_id}, "headers": {},
                     "payload": {"action": {"invocationMethod": {"type": "WEBHOOK", "agent": True, "synchronized": True, "method": "POST", "url": url}}}})
    return {"id": "0123456789abcdef", "time": "2026-01-13T15:20:16.641Z", "reason": "x", "attempts": 1, "status": 500, "topic": "", "partition": -1, "offset": -1,
            "record_id": run_id, "url": url, "run_id": run_id, "key": None, "value_encoding": "text", "value": event, **members}


def test_letters_as_the_agent_wrote_them_are_replayed_and_none_is_marked(polled, consumed, world):
    marked = listed(world, consumed.environment)
    assert len(marked) == 4 and all(letter["refused"] is None for letter in marked)
    out, _, requests, _ = consumed.replay(code=0)
    assert "4 delivered, 0 failed, 0 left" in out and len(requests) == 4


def test_an_unsigned_run_is_not_delivered_because_its_letter_says_that_it_was_polled(polled):
    for run_id in ("r_9", "wfnr_9"):
        polled.write(forged(run_id, polled.endpoint.url + "/forged"))
        polled.refused("no MAC")


def without(letter, *names):
    return {name: value for name, value in letter.items() if name not in names}


def test_a_letter_whose_topic_is_missing_or_of_another_type_is_no_letter(polled):
    made_up = forged("r_9", polled.endpoint.url)
    for topic in ({"topic": None}, {"topic": 0}, {"topic": False}, {"topic": []}, {"topic": {}}, None):
        polled.write(without(made_up, "topic") if topic is None else {**made_up, **topic})
        polled.refused("topic")


def test_a_letter_of_a_topic_that_is_not_configured_is_no_letter(polled, consumed):
    for letter in (forged("r_9", polled.endpoint.url, topic="elsewhere", partition=0, offset=0), {**letter_of(consumed, "r_1"), "topic": "elsewhere"},
                   {**letter_of(polled, "r_1"), "topic": polled.world.runs + " "}, {**letter_of(polled, "r_1"), "topic": polled.world.runs + "\0"}):
        polled.write(letter)
        polled.refused("no letter: its topic is neither|MAC does not match")
        letters(polled.world, polled.environment, "list")


EDITS = {"reason": "nothing", "time": "2026-01-13T15:20:16.642Z", "attempts": 7, "status": 200, "partition": 3, "offset": 12, "record_id": "another", "url": "http://elsewhere/",
         "key": "another key", "id": "0123456789abcdef", "mac": "dl1," + base64.b64encode(bytes(32)).decode()}


def refuses_each(directory, letter, edits):
    for member, value in edits.items():
        edited = {**letter, member: value, **({"key_encoding": "text"} if member == "key" else {})}
        assert edited != letter
        directory.write(edited)
        directory.refused("inconsistent" if member == "run_id" else "MAC does not match")
        assert [found["refused"] is None for found in listed(directory.world, directory.environment)] == [False]
    directory.write(letter)  # as it was, it is believed
    assert "1 delivered" in directory.replay(code=0)[0]


def test_an_edited_letter_of_a_polled_run_is_refused(polled):
    letter = letter_of(polled, "r_1")
    polled.write(without(letter, "mac"))
    polled.refused("no MAC")
    refuses_each(polled, letter, {**EDITS, "run_id": "r_2", "topic": polled.world.runs, "value": letter["value"].replace("create_vm", "delete_vm")})


def test_an_edited_letter_of_a_change_log_event_is_refused(consumed):
    letter = letter_of(consumed, None)
    consumed.write(without(letter, "mac"))
    consumed.refused("no MAC")
    refuses_each(consumed, letter, {**EDITS, "run_id": "r_2", "topic": consumed.world.runs, "value": letter["value"].replace("UPDATE", "DELETE")})


def test_an_edited_letter_of_a_signed_run_is_refused(consumed):
    letter = letter_of(consumed, "r_1")
    refuses_each(consumed, letter, {**EDITS, "run_id": "r_2", "topic": "", "value": letter["value"].replace("eu-west-1", "us-east-1")})


def test_a_signed_run_does_not_lose_its_check_with_its_topic(consumed):
    letter = without(letter_of(consumed, "r_1"), "mac")
    forged_value = letter["value"].replace("eu-west-1", "us-east-1")
    for topic in (consumed.world.changes, ""):
        consumed.write({**letter, "topic": topic, "value": forged_value})
        consumed.refused("no MAC")
    consumed.write({**letter, "value": forged_value})
    consumed.refused("signature wrong")
    consumed.write({**letter, "value": forged_value.replace("X-Port-Signature", "X-Port-Signed")})
    consumed.refused("signature missing")


def test_a_refused_node_run_is_not_reported_failed(consumed):
    event = run_event("wfnr_1", consumed.endpoint.url + "/node", tampered=True)
    letter = without(letter_of(consumed, "r_1"), "mac")
    consumed.write({**letter, "run_id": "wfnr_1", "value": event})
    consumed.refused("signature wrong")


def test_a_letter_of_an_earlier_version_needs_a_mac_only_where_its_event_has_no_signature(polled, consumed):
    old = [without(letter, "mac") for letter in consumed.lines()]
    assert len(old) == 4
    file = consumed.write(*old)
    out, err, requests, _ = consumed.replay(code=1)
    assert "1 delivered, 0 failed, 3 left" in out and [request["target"] for request in requests] == ["/run"]
    assert sum("it has no MAC" in line and "earlier versions" in line and file.name in line for line in err.splitlines()) == 3


def test_letters_under_another_secret_are_refused(polled, consumed):
    out, err, requests, told = consumed.replay(code=1, PORT_CLIENT_SECRET="the-secret-after-a-rotation-0123456789")
    assert "0 delivered, 0 failed, 4 left" in out and requests == [] and told == []
    assert err.count("written under another PORT_CLIENT_SECRET") == 4


def test_a_mac_is_no_other_letters_and_no_signature_is_a_mac(polled):
    first, second = polled.lines()
    polled.write({**first, "mac": second["mac"]})
    polled.refused("MAC does not match")
    signature = sign(first["value"])
    for mac in (signature, "dl1," + signature[3:], "", "dl1,", first["mac"] + "=", first["mac"].replace("dl1", "v1")):
        polled.write({**first, "mac": mac})
        polled.refused("MAC does not match")


def test_a_mac_does_not_pass_as_the_signature_of_an_event(consumed):
    event = json.loads(run_event("r_1", consumed.endpoint.url))
    event["headers"]["X-Port-Signature"] = letter_of(consumed, "r_1")["mac"].replace("dl1,", "v1,")
    consumed.write({**without(letter_of(consumed, "r_1"), "mac"), "value": compact(event)})
    consumed.refused("signature wrong")


def test_a_change_log_event_in_the_shape_of_a_run_is_not_replayed_as_one(consumed):
    """What a webhook's receiver was sent and can give back: signed by the agent, but no run."""
    change, letter = json.loads(change_event(consumed.endpoint.url)), without(letter_of(consumed, "r_1"), "mac")
    shaped = {**change, **{name: json.loads(run_event("r_1", consumed.endpoint.url))[name] for name in ("context", "payload")}, "headers": {}}
    shaped["headers"] = {"X-Port-Timestamp": "1768317616", "X-Port-Signature": sign(compact(shaped))}
    consumed.write({**letter, "value": compact(shaped)})
    consumed.refused("changelogDestination")


def test_a_letter_that_is_moved_or_copied_is_the_same_letter(polled):
    first, second = polled.lines()
    other, today = "dead-letters-2026-01-01.jsonl", polled.files()[0].name
    polled.write(second)
    polled.write(first, first, name=other)
    out, _, requests, _ = polled.replay(code=0)
    assert "2 delivered, 0 failed, 0 left" in out and len(requests) == 2
    polled.write(first, second, first, name=today)  # what was replayed is remembered, whatever file it is in now
    (polled.path / other).unlink()
    out, _, requests, _ = polled.replay(code=0)
    assert out == "no dead letters to replay\n" and requests == []
    out, _, requests, _ = polled.replay("--all", "--again", code=0)
    assert "2 delivered" in out and len(requests) == 2, (out, _)


def test_what_fails_again_is_a_letter_that_is_believed_again(polled, consumed):
    consumed.endpoint.answer = fails
    assert "0 delivered, 4 failed, 0 left" in consumed.replay(code=1, **QUICK)[0]
    consumed.endpoint.answer = works
    out, err, requests, _ = consumed.replay(code=0)
    assert "4 delivered, 0 failed, 0 left" in out and len(requests) == 4, (out, err)


def test_a_member_that_is_there_twice_makes_no_letter(polled):
    line = json.dumps(letter_of(polled, "r_1"))
    for name, other in (("topic", '""'), ("value", '"{}"'), ("mac", '"x"'), ("run_id", '"r_2"'), ("key", "null")):
        polled.write(line[:-1] + f', "{name}": {other}}}\n')
        polled.refused(f'"{name}" is')
        polled.write(f'{{"{name}": {other}, ' + line[1:] + "\n")
        polled.refused(f'"{name}" is')


def test_a_polled_letter_whose_run_is_not_its_events_is_inconsistent(polled):
    for letter in polled.lines():
        polled.write({**letter, "run_id": "r_other", "record_id": "r_other"})
        polled.refused("inconsistent: the letter is of run 'r_other', its event of run '" + letter["run_id"])
        polled.write({**letter, "value": letter["value"].replace(letter["run_id"], "r_other")})
        polled.refused("inconsistent")


def test_lines_that_are_no_letters_are_named_and_the_others_replayed(polled):
    letter, other = polled.lines()
    line = json.dumps(letter)
    encoded = base64.b64encode(letter["value"].encode()).decode()
    broken = ["no json\n", "{}\n", "[]\n", "\n", line[:100] + "\n", line + " trailing\n", line + line + "\n", json.dumps({**letter, "id": "x" * 16}) + "\n",
              json.dumps({**letter, "value_encoding": "base64", "value": encoded[:-1]}) + "\n", json.dumps({**letter, "value_encoding": "base64", "value": "!" + encoded[1:]}) + "\n",
              json.dumps({**letter, "value_encoding": "base64", "value": encoded[:4] + "\n" + encoded[4:]}) + "\n", json.dumps({**letter, "value_encoding": "hex"}) + "\n",
              json.dumps({**letter, "key_encoding": "base64", "key": "ab=="}) + "\n", json.dumps({**letter, "time": "yesterday"}) + "\n",
              json.dumps({**letter, "offset": "5"}) + "\n", json.dumps({**letter, "value": 5}) + "\n"]
    file = polled.write(*broken[:8], letter, *broken[8:])
    out, err, requests, _ = polled.replay(code=1)
    assert f"1 delivered, 0 failed, 0 left, {len(broken)} unreadable" in out and len(requests) == 1
    for number in [*range(1, 9), *range(10, len(broken) + 2)]:
        assert len(re.findall(re.escape(file.name) + rf":{number}: ", err)) == 1, (number, err)
    assert f"{file.name}:9:" not in err
    out, err, requests, _ = polled.replay(code=1)  # still there, and still said
    assert f"0 delivered, 0 failed, 0 left, {len(broken)} unreadable" in out and requests == []
    assert letters(polled.world, polled.environment, "list").count("wfnr_1") == 0
    polled.write(other, name=file.name)
    assert "1 delivered" in polled.replay(code=0)[0]


def test_a_whole_last_line_without_its_line_break_counts(polled, world, port):
    first, second = polled.lines()
    file = polled.write(first, json.dumps(second))
    out, err, requests, _ = polled.replay(code=0)
    assert "2 delivered, 0 failed, 0 left" in out and len(requests) == 2 and "no letter" not in err
    assert polled.replay(code=0)[0] == "no dead letters to replay\n"  # it was remembered
    polled.endpoint.answer = fails
    agent = world.agent(**POLLING, **polled.environment)  # whose next letter of the day begins a line of its own
    port.offer(polled_run("r_3", polled.endpoint.url + "/run"))
    port.wait(lambda: results_of(port, "r_3"))
    assert agent.terminate() == 0
    assert {letter["run_id"] for letter in polled.lines()} == {"r_1", "wfnr_1", "r_3"} and len(polled.lines()) == 3
    polled.endpoint.answer = works
    out, err, requests, _ = polled.replay(code=0)
    assert "1 delivered" in out and len(requests) == 1, (file, out, err)


def test_a_last_line_that_was_cut_off_is_named(polled):
    first, second = polled.lines()
    file = polled.write(first, json.dumps(second)[:-10])
    out, err, requests, _ = polled.replay(code=1)
    assert "1 delivered" in out and len(requests) == 1
    assert f"{file.name}:2: the file ends in the middle of it" in err


def test_a_pipe_in_the_place_of_letters_stalls_nothing(polled):
    os.mkfifo(polled.path / "dead-letters-2026-01-01.jsonl")
    (polled.path / "dead-letters-2026-01-02.jsonl").symlink_to("/dev/zero")
    out, err, requests, _ = polled.replay(code=1)  # 1: what cannot be read may be any letter
    assert "dead-letters-2026-01-01.jsonl: it is not a file" in err and "dead-letters-2026-01-02.jsonl: it is a symbolic link" in err
    assert "2 delivered" in out and len(requests) == 2


def test_the_list_says_what_a_replay_would_refuse(polled, world):
    first, second = polled.lines()
    file = polled.write(first, {**second, "reason": "edited"})
    shown = letters(world, polled.environment, "list").splitlines()
    assert "refused" not in shown[1] and "refuses it: its MAC does not match" in shown[2] and f"{file.name}:2" in shown[2]
    assert f"{file.name}:2" in letters(world, polled.environment, "show", "2") and "MAC does not match" in letters(world, polled.environment, "show", "2")
    assert json.loads(letters(world, polled.environment, "show", "--output", "json", "1"))["refused"] is None
    done = subprocess.run([BINARY, "dead-letters", "list", "--dir", str(polled.path)], env={}, capture_output=True, text=True, timeout=120, cwd="/tmp")
    assert done.returncode == 0 and "edited" in done.stdout and "PORT_CLIENT_SECRET" in done.stderr and "refuses" not in done.stdout


# The same of a topic, where another producer may write too


class Topic:
    def __init__(self, world, name):
        self.world, self.name, self.environment = world, name, {"DEAD_LETTER_TOPIC": name}

    def messages(self):
        consumer = Consumer({"bootstrap.servers": self.world.kafka.bootstrap, "group.id": "reader", "enable.partition.eof": "true"})
        consumer.assign([TopicPartition(self.name, partition, 0) for partition in range(2)])
        found, ended = [], 0
        while ended < 2:
            message = consumer.poll(20)
            assert message is not None
            ended += message.error() is not None
            found += [message] if not message.error() else []
        consumer.close()
        return found

    def write(self, key, value, headers, partition=0):
        """Its offset."""
        told = []
        producer = Producer({"bootstrap.servers": self.world.kafka.bootstrap})
        producer.produce(self.name, key=key, value=value, headers=headers, partition=partition, on_delivery=lambda error, message: told.append(message.offset()))
        assert producer.flush(20) == 0
        return told[0]


@pytest.fixture
def topic(world, port, endpoint, kafka):
    name = f"{world.org}.dead"
    kafka.create(name, partitions=2)
    one = Topic(world, name)
    agent = world.agent(**one.environment, **QUICK).assigned()
    world.produce(("a key", run_event("r_1", endpoint.url + "/run")))
    world.produce(change_event(endpoint.url + "/change"), topic=world.changes)
    wait(lambda: results_of(port, "r_1") and len(one.messages()) == 2)
    assert agent.terminate() == 0
    endpoint.answer = works
    return one


def test_a_topics_letters_are_refused_by_topic_partition_and_offset(topic, world, port, endpoint):
    directory = Directory(world, port, endpoint, None)
    directory.environment = topic.environment
    out, _, requests, _ = directory.replay(code=0)
    assert "2 delivered, 0 failed, 0 left" in out and len(requests) == 2
    run, change = sorted((message for message in topic.messages() if message.value()), key=lambda message: message.key() is None)
    headers, of_change = dict(run.headers()), dict(change.headers())
    polled = {**headers, "dead-letter.topic": b"", "dead-letter.partition": b"-1", "dead-letter.offset": b"-1"}
    other = change.value().replace(b"UPDATE", b"DELETE")
    no_mac = {name: value for name, value in headers.items() if name != "dead-letter.mac"}
    forgeries = {
        "MAC does not match": [(run.key(), run.value(), polled), (None, other, of_change), (b"another key", change.value(), of_change), (None, change.value(), {**of_change, "dead-letter.offset": b"77"})],
        "no MAC": [(None, other, {name: value for name, value in of_change.items() if name != "dead-letter.mac"}),
                   (None, forged("r_9", endpoint.url)["value"].encode(), {name: value for name, value in polled.items() if name not in ("dead-letter.mac", "dead-letter.run_id")})],
        "signature wrong": [(run.key(), run.value().replace(b"eu-west-1", b"us-east-1"), no_mac)],
        "inconsistent": [(run.key(), run.value(), {**headers, "dead-letter.run_id": b"r_2"}), (run.key(), run.value(), {**no_mac, "dead-letter.record_id": b"again"})],
        "neither KAFKA_RUNS_TOPIC": [(run.key(), run.value(), {**headers, "dead-letter.topic": b"elsewhere"})],
        "twice": [(None, change.value(), [*change.headers(), ("dead-letter.topic", b"")])],
        "lacks": [(None, b"what somebody else has written", []), (None, change.value(), [(n, v) for n, v in change.headers() if n != "dead-letter.topic"]),
                  (None, change.value(), [(n, None if n == "dead-letter.topic" else v) for n, v in change.headers()])],
        "NUL": [(None, change.value(), {**of_change, "dead-letter.topic": of_change["dead-letter.topic"] + b"\0x"})],
        "number": [(run.key(), run.value(), {**headers, "dead-letter.offset": b"0x5"}), (run.key(), run.value(), {**headers, "dead-letter.partition": b"0 "})],
    }
    expected = [(topic.write(*forgery[:2], list(forgery[2].items()) if isinstance(forgery[2], dict) else forgery[2]), why)
                for why, some in forgeries.items() for forgery in some]
    out, err, requests, told = directory.replay(code=1)
    assert requests == [] and told == [] and "0 delivered, 0 failed" in out, (out, err)
    for offset, why in expected:
        assert [line for line in err.splitlines() if f"{topic.name}[0]@{offset}" in line and why in line], (offset, why, err)
    assert len([letter for letter in listed(world, topic.environment) if letter["refused"]]) == 10



def test_a_copy_of_a_replayed_letter_is_the_same_letter_in_any_partition(topic, world, port, endpoint):
    directory = Directory(world, port, endpoint, None)
    directory.environment = topic.environment
    originals = topic.messages()
    topic.write(originals[0].key(), originals[0].value(), originals[0].headers(), partition=1 - originals[0].partition())
    out, _, requests, _ = directory.replay(code=0)
    assert "2 delivered, 0 failed, 0 left" in out and len(requests) == 2
    for message in originals:
        for partition in range(2):
            topic.write(message.key(), message.value(), message.headers(), partition=partition)
    out, _, requests, _ = directory.replay(code=0)
    assert out == "no dead letters to replay\n" and requests == []
    assert [letter["replayed"] for letter in listed(world, topic.environment, "--replayed")] == [True] * 7


def test_a_letter_of_a_topic_by_an_earlier_version_is_remembered_too(topic, world, port, endpoint):
    directory = Directory(world, port, endpoint, None)
    directory.environment = topic.environment
    run = next(message for message in topic.messages() if message.key())
    directory.replay(code=0)
    earlier = [(name, value) for name, value in run.headers() if name not in ("dead-letter.mac", "dead-letter.id", "dead-letter.record_id")]
    topic.write(run.key(), run.value(), earlier)
    out, _, requests, _ = directory.replay(code=0)
    assert "1 delivered, 0 failed, 0 left" in out and len(requests) == 1
    assert directory.replay(code=0)[0] == "no dead letters to replay\n"
