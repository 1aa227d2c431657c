"""The client secret is changed: what was signed, encrypted or kept under the one before goes on working."""
import json
import signal

from harness import SECRET, encrypted, outcome, run_event

NEW = "n3w-secret-of-the-organisation-0123456789"


def rotated(world, **environment):
    return world.agent(**{"PORT_CLIENT_SECRET": NEW, "PORT_CLIENT_SECRET_PREVIOUS": SECRET, **environment})


def test_what_is_signed_with_the_secret_before_is_valid_while_it_is_named(world, port, receiver):
    agent = rotated(world).assigned()
    world.produce(run_event("r_before", receiver.url + "/ok"))
    assert outcome(port, "r_before")["status"] == "SUCCESS"
    (sent,) = [item for item in receiver.seen.snapshot() if item["run"] == "r_before"]
    assert not sent["valid"]  # the receiver knows the old secret alone, and the agent signs with the new one
    assert agent.terminate() == 0
    alone = world.agent(PORT_CLIENT_SECRET=NEW).assigned()
    world.produce(run_event("r_after", receiver.url + "/ok"))
    alone.wait_log("event refused: signature wrong")
    assert alone.terminate() == 0 and receiver.runs().count("r_after") == 0


def test_what_is_encrypted_with_the_secret_before_is_decrypted(world, port, receiver, tmp_path):
    (tmp_path / "mapping.json").write_text(json.dumps([{"body": {"x": ".payload.properties.sealed"}, "fieldsToDecryptPaths": ["payload.properties.sealed"]}]))
    rotated(world, CONTROL_THE_PAYLOAD_CONFIG_PATH=str(tmp_path / "mapping.json")).assigned()
    world.produce(run_event("r_sealed", receiver.url + "/ok", properties={"sealed": encrypted("plain")}))
    assert outcome(port, "r_sealed")["status"] == "SUCCESS"
    assert json.loads(receiver.seen.snapshot()[-1]["body"]) == {"x": "plain"}


def test_a_secret_whose_file_changes_is_taken_over_and_the_one_before_stays_valid(world, port, receiver, tmp_path):
    file = tmp_path / "secret"
    file.write_text(SECRET + "\n")
    agent = world.agent(PORT_CLIENT_SECRET="", PORT_CLIENT_SECRET_FILE=str(file)).assigned()
    file.write_text("\n")
    agent.process.send_signal(signal.SIGHUP)
    assert "PORT_CLIENT_SECRET: is empty now" in agent.wait_log("reload refused")["reason"]
    file.write_text(NEW + " \n")
    agent.process.send_signal(signal.SIGHUP)
    assert agent.wait_log("reloaded")["changed"] == "client secret"
    world.produce(run_event("r_old", receiver.url + "/ok"))  # signed with the one before
    assert outcome(port, "r_old")["status"] == "SUCCESS"
    (sent,) = [item for item in receiver.seen.snapshot() if item["run"] == "r_old"]
    assert not sent["valid"]  # the receiver knows the old secret alone
    assert agent.terminate() == 0
    said = json.dumps(agent.log.snapshot())
    assert NEW not in said and SECRET not in said
