"""The client secret is changed: what was signed, encrypted or kept under the one before goes on working."""
import json

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
