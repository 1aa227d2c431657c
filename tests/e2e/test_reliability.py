"""Nothing is lost, order is kept, repeats are bounded: under kill -9, restarts, rebalances and outages. Each test asserts by run id."""
import base64
import signal
import time

import pytest
from accounting import arrivals, assert_order, assert_repeats_within, committed, deliveries, records, wait_all, wait_count
from broker import SCRAM_PASSWORD, SCRAM_USER
from harness import Agent, run_event

pytestmark = pytest.mark.kafka_long

IN_FLIGHT = 256


def test_twenty_thousand_records_and_ten_kills(make_world, port, receivers):
    world = make_world(partitions=4)
    count, kills = 20000, []
    world.produce(*records(receivers, count))
    agent = world.agent(RUN_LOGS="off", LOG_LEVEL="WARNING")
    for kill in range(10):
        wait_count(receivers, (kill + 1) * count // 12)
        kills.append(time.monotonic())
        agent.kill()
        agent = world.agent(RUN_LOGS="off", LOG_LEVEL="WARNING")
    wait_all(receivers, count, 120)
    assert_repeats_within(receivers, kills, IN_FLIGHT)
    came = arrivals(receivers)
    assert all(item["valid"] for item in came)
    assert len({item["path"].split("/")[2] for item in came}) == 6, "latencies of 0 to 200 ms"
    assert_order(receivers)
    assert agent.terminate() == 0


@pytest.mark.host
def test_sigterm_under_load_repeats_nothing(make_world, port, receivers):
    world = make_world(partitions=2)
    count = 3000
    world.produce(*records(receivers, count))
    first = world.agent().assigned()
    receivers[0].seen.wait(lambda items: len(items) > 100)
    assert first.terminate() == 0
    assert sum(deliveries(receivers).values()) < count, "it should have been stopped in the middle"
    world.agent()
    wait_all(receivers, count, 60)
    assert max(deliveries(receivers).values()) == 1
    assert_order(receivers)


def test_who_never_answers_holds_nobody_up_and_gets_everything_in_order_later(make_world, port, receivers):
    """600 records for an endpoint that accepts and is frozen, where memory has space for some twenty of them."""
    world, (frozen, good) = make_world(partitions=2), receivers[:2]
    settings = {"RUN_LOGS": "off", "QUEUE_MAX_BYTES": "1MiB", "WEBHOOK_INVOKER_TIMEOUT": "60"}
    stuck = [(f"k{n % 20}", run_event(f"r_stuck_{n}", frozen.url + "/ok", context={"key": f"k{n % 20}", "seq": n // 20})) for n in range(600)]
    wanted = [(None, run_event(f"r_good_{n}", good.url + "/ok")) for n in range(100)]
    frozen.process.send_signal(signal.SIGSTOP)
    try:
        agent = world.agent(**settings).assigned()
        world.produce(*[record for n in range(100) for record in (*stuck[6 * n:6 * n + 6], wanted[n])])
        good.wait_runs([f"r_good_{n}" for n in range(100)])
        agent.process.send_signal(signal.SIGUSR1)
        assert agent.wait_log("summary")["kept"] > 400
        agent.kill()
        agent = world.agent(**settings)
        world.produce((None, run_event("r_good_last", good.url + "/ok")))
        good.wait_runs(["r_good_last"])
    finally:
        frozen.process.send_signal(signal.SIGCONT)
    frozen.wait_runs([f"r_stuck_{n}" for n in range(600)])
    assert_order(receivers)
    assert agent.terminate() == 0


@pytest.mark.host
def test_a_stuck_record_is_remembered_and_the_rest_is_not_repeated(world, port, receiver):
    agent = world.agent(RUN_LOGS="off").assigned()
    world.produce(run_event("r_stuck", receiver.url + "/never"), *[run_event(f"r_{n}", receiver.url + "/ok") for n in range(300)])
    receiver.wait_runs([f"r_{n}" for n in range(300)])
    port.wait(lambda: sum(len(port.of_run(f"r_{n}")) == 2 for n in range(300)) == 300)
    # lib/source/kafka/offsets.h: runs encoding, committed offset 0, 301 offsets taken (LEB128, one byte wider than it need be, which
    # makes nine bytes), none but the first not done; facts.h: white space behind it
    whole_note = base64.b64encode(b"PAO1" + bytes([0, 0, 0xAD, 0x82, 0x00])).decode()
    deadline = time.monotonic() + 10
    while committed(world).metadata.rstrip(" \t\n\r") != whole_note:
        assert time.monotonic() < deadline, committed(world)
    position = committed(world)
    assert position.offset == 0 and len(position.metadata) <= 4096
    assert len(position.metadata) > len(whole_note) and len(position.metadata) % 4 == 0
    agent.kill()
    world.agent(RUN_LOGS="off")
    receiver.seen.wait(lambda items: sum(i["run"] == "r_stuck" for i in items) == 2)
    world.produce(run_event("r_end", receiver.url + "/ok"))
    receiver.wait_runs(["r_end"])
    assert all(n == 1 for run, n in deliveries([receiver]).items() if run != "r_stuck")


def results_of(port, run_id):
    return [body for method, path, body in port.of_run(run_id) if method == "PATCH" and path == ""]


def test_an_endpoint_that_never_answers_delays_nobody(world, port, receivers):
    """The silent ones come first and hang all the while; the others have their half of the window at once, and are all answered."""
    silent, lively = receivers[0], receivers[1]
    world.agent(RUN_LOGS="off", WEBHOOK_INVOKER_TIMEOUT="300", WEBHOOK_TOTAL_TIMEOUT="300").assigned()
    share, warm = IN_FLIGHT // 2, [f"r_warm_{n}" for n in range(500)]
    together = [f"r_together_{n}" for n in range(4 * share)]
    world.produce(*[run_event(f"r_silent_{n}", silent.url + "/never", synchronized=False) for n in range(400)],
                  *[run_event(run, lively.url + "/ok", synchronized=False) for run in warm],
                  *[run_event(run, f"{lively.url}/gather/{share}", synchronized=True) for run in together])
    port.wait(lambda: all(results_of(port, run) for run in together), 60)  # an answer that waits for so many at once is not given to fewer
    lively.wait_runs(warm + together)  # those that were kept by reference until it had answered come behind others
    assert sorted(lively.runs()) == sorted(warm + together)
    held = silent.seen.wait(lambda items: items)
    assert len(held) <= IN_FLIGHT // 16 and {i["attempt"] for i in held} == {"1"}
    assert not any(port.of_run(f"r_silent_{n}") for n in range(400)), "a silent one had its end: nothing waited beside it"


def test_an_endpoint_that_never_answers_fails_its_own_runs_alone(world, port, receivers):
    silent, lively = receivers[0], receivers[1]
    agent = world.agent(RUN_LOGS="off", WEBHOOK_INVOKER_TIMEOUT="1", WEBHOOK_BREAKER_FAILURES="0").assigned()
    mute, others = [f"r_silent_{n}" for n in range(20)], [f"r_{n}" for n in range(400)]
    world.produce(*[run_event(run, silent.url + "/never", synchronized=n % 2 == 0) for n, run in enumerate(mute)],
                  *[run_event(run, lively.url + "/ok") for run in others])
    port.wait(lambda: all(results_of(port, run) for run in mute + others), 60)
    for run in mute:
        [result] = results_of(port, run)
        assert result["status"] == "FAILURE" and "no answer in time" in result["summary"], result
    assert all(results_of(port, run) == [{"status": "SUCCESS"}] for run in others)
    assert set(deliveries([silent]).values()) == set(deliveries([lively]).values()) == {1}
    assert agent.terminate() == 0
    assert committed(world).offset == len(mute + others), "offsets do not wait for an endpoint that never answers"


def test_two_agents_one_killed(make_world, port, receivers):
    world, window = make_world(partitions=4), 64
    agents = [world.agent(RUN_LOGS="off", WEBHOOK_MAX_IN_FLIGHT=str(window)) for _ in range(2)]
    for agent in agents:
        agent.assigned()
    count = 5000
    world.produce(*records(receivers, count))
    wait_count(receivers, 3000)
    killed_at = time.monotonic()
    agents[0].kill()
    assert any(item["msg"] == "webhook delivered" for item in agents[0].log.snapshot())
    assert len(deliveries(receivers)) < count, "it should have been killed in the middle"
    wait_all(receivers, count, 90)
    assert_order(receivers)
    # Slack for a busy machine: without any commits, half of what came before, 1,500, would come again.
    assert_repeats_within(receivers, [killed_at], window, slack=0.75)
    assert all(item["valid"] for item in arrivals(receivers))
    assert agents[1].terminate() == 0
    assert sum(committed(world, partition).offset for partition in range(4)) == count


def test_cooperative_sticky_members_come_and_go(make_world, port, receivers):
    world = make_world(partitions=4)
    strategy = {"KAFKA_CONSUMER_ASSIGNMENT_STRATEGY": "cooperative-sticky"}
    first = world.agent(**strategy).assigned()
    count = 2000
    world.produce(*records(receivers, count))
    second = world.agent(**strategy).assigned()
    receivers[0].seen.wait(lambda items: len(items) > 100)
    assert first.terminate() == 0
    wait_all(receivers, count, 60)
    assert max(deliveries(receivers).values()) == 1
    assert second.terminate() == 0


def test_broker_killed_and_restarted_under_load(make_world, kafka, port, receivers):
    world = make_world(partitions=2)
    world.agent(LOG_LEVEL="WARNING")
    count = 2000
    world.produce(*records(receivers, count))
    receivers[0].seen.wait(lambda items: len(items) > 100)
    kafka.kill()
    kafka.start()
    world.produce(run_event("r_after", receivers[0].url + "/ok"))
    wait_all(receivers, count, 90)
    receivers[0].wait_runs(["r_after"], 60)


def test_results_wait_for_port_and_survive_token_expiry(world, port, receiver):
    port.expires_in = 2
    agent = world.agent().assigned()
    port.fail_status = 503
    world.produce(*[run_event(f"r_{n}", receiver.url + "/ok") for n in range(50)])
    receiver.wait_runs([f"r_{n}" for n in range(50)])
    port.wait(lambda: any(p == "/response" for n in range(50) for _, p, _ in port.of_run(f"r_{n}")))
    assert committed(world).offset <= 0, "a result that Port has not accepted must hold its record"
    port.revoke_tokens()
    port.fail_status = None
    port.wait(lambda: all(any(p == "" for _, p, _ in port.of_run(f"r_{n}")) for n in range(50)), 60)
    assert agent.terminate() == 0
    assert committed(world).offset == 50
    assert port.token_serial >= 2


@pytest.mark.kafka
@pytest.mark.host
def test_scram_credentials_from_port_are_refreshed(world, kafka, port, receiver):
    port.credentials = {"brokers": [kafka.tls_bootstrap], "username": SCRAM_USER, "password": "an old password"}
    environment = {"USING_LOCAL_PORT_INSTANCE": "false", "SSL_CERT_FILE": str(kafka.ca)}
    del world.environment["KAFKA_CONSUMER_BOOTSTRAP_SERVERS"]
    agent = world.agent(LOG_LEVEL="DEBUG", **environment)
    agent.wait_log("Kafka error")
    port.credentials = {**port.credentials, "password": SCRAM_PASSWORD}
    agent.wait_log("fresh Kafka credentials", timeout=120)
    agent.wait_log("partitions assigned", timeout=120)
    world.produce(run_event("r_ok", receiver.url + "/ok"))
    receiver.wait_runs(["r_ok"])
    assert agent.terminate() == 0
    text = str(agent.log.snapshot()) + str(agent.errors.snapshot())
    assert SCRAM_PASSWORD not in text and "an old password" not in text


def test_fresh_credentials_that_cannot_be_read_are_told_and_asked_for_again(world, kafka, port, receiver):
    right = {"brokers": [kafka.tls_bootstrap], "username": SCRAM_USER, "password": SCRAM_PASSWORD}
    port.credentials = {**right, "password": "an old password"}
    del world.environment["KAFKA_CONSUMER_BOOTSTRAP_SERVERS"]
    agent = world.agent(USING_LOCAL_PORT_INSTANCE="false", SSL_CERT_FILE=str(kafka.ca))
    agent.wait_log("connecting to the Kafka brokers")
    port.credentials = {"brokers": right["brokers"]}
    line = agent.wait_log("fresh Kafka credentials could not be fetched from Port", timeout=120)
    assert line["error.message"] == "Port's answer to /v1/kafka-credentials has no credentials.username"
    port.credentials = right
    agent.wait_log("fresh Kafka credentials fetched from Port", timeout=120)
    agent.assigned()
    assert agent.terminate() == 0


def test_refused_client_stops_with_a_word_and_an_outage_does_not(world, port):
    port.token_status = 401
    environment = {"USING_LOCAL_PORT_INSTANCE": "false"}
    del world.environment["KAFKA_CONSUMER_BOOTSTRAP_SERVERS"]
    refused = world.agent(**environment)
    assert refused.wait(20) == 1
    assert "PORT_CLIENT_SECRET" in refused.wait_log("Port refused our credentials")["msg"]
    port.token_status = 503
    patient = world.agent(**environment)
    patient.wait_log("Kafka credentials could not be fetched")
    assert patient.process.poll() is None
    assert patient.terminate() == 0


@pytest.mark.kafka
@pytest.mark.host
def test_latest_commits_its_start(world, port, receiver):
    world.produce(run_event("r_before", receiver.url + "/ok"))
    agent = world.agent(KAFKA_CONSUMER_AUTO_OFFSET_RESET="latest").assigned()
    deadline = time.monotonic() + 10
    while committed(world).offset != 1:
        assert time.monotonic() < deadline, committed(world)
    agent.kill()
    world.produce(run_event("r_meanwhile", receiver.url + "/ok"))
    world.agent(KAFKA_CONSUMER_AUTO_OFFSET_RESET="latest")
    receiver.wait_runs(["r_meanwhile"])
    assert receiver.runs() == ["r_meanwhile"]


def test_a_reader_that_stops_reading_stops_nothing(world, port, receiver):
    import os
    import signal
    import subprocess
    from harness import BINARY
    process = subprocess.Popen([BINARY], env={"PATH": os.environ["PATH"], **world.environment, "LOG_LEVEL": "DEBUG"},
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)  # nobody reads
    try:
        world.produce(*[run_event(f"r_{n}", receiver.url + "/ok", properties={"pad": "x" * 2000}) for n in range(1500)])
        receiver.wait_runs([f"r_{n}" for n in range(1500)], 60)
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
    finally:
        process.kill()


def test_closed_standard_descriptors_stop_nothing(world, port, receiver):
    """Otherwise the next socket would have their numbers, and the log would be sent to it."""
    import os
    import signal
    import subprocess
    from harness import BINARY
    process = subprocess.Popen(["sh", "-c", 'exec "$0" <&- >&- 2>&-', BINARY], env={"PATH": os.environ["PATH"], **world.environment})
    try:
        world.produce(run_event("r_ok", receiver.url + "/ok"))
        receiver.wait_runs(["r_ok"])
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
    finally:
        process.kill()


def test_second_signal_exits_at_once_and_usr1_summarises(world, port, receiver):
    import signal
    agent = world.agent(DRAIN_TIMEOUT_SECONDS="60").assigned()
    world.produce(run_event("r_never", receiver.url + "/never"))
    receiver.wait_runs(["r_never"])
    agent.process.send_signal(signal.SIGUSR1)
    assert agent.wait_log("summary")["in_flight"] == 1
    agent.process.send_signal(signal.SIGTERM)
    agent.wait_log("stopping")
    agent.process.send_signal(signal.SIGTERM)
    assert agent.wait(5) != 0
    assert "will be delivered again" in agent.wait_log("second signal")["msg"]
