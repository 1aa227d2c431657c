"""`port-agent map`: what a mapping file makes of an event, shown without sending anything."""
import json
import os
import subprocess

import pytest

from harness import BINARY, SECRET, change_event, encrypted, run_event

EVENT = run_event("r_1", "https://svc.internal/vm", properties={"region": "eu-west-1", "cpu": 4})
PLAIN = {"PATH": os.environ["PATH"]}


@pytest.fixture
def run_map(tmp_path):
    def run(event=EVENT, mapping=None, response=None, arguments=(), environment=None, files=None):
        words = []
        for name, content in {"event": event, "mapping": mapping, "response": response, **(files or {})}.items():
            if content is not None:
                path = tmp_path / f"{name}.json"
                path.write_text(content if isinstance(content, str) else json.dumps(content))
                words += [f"--{name}", str(path)]
        return subprocess.run([BINARY, "map", *words, *arguments], env={**PLAIN, **(environment or {})}, cwd=tmp_path,
                              capture_output=True, text=True, timeout=120)

    return run


@pytest.fixture
def explain(run_map):
    def run(*, code=0, **options):
        done = run_map(arguments=("--output", "json"), **options)
        assert (done.returncode, done.stderr) == (code, ""), done
        return json.loads(done.stdout)

    return run


def test_without_any_setting_the_built_in_mappings_show_the_event_as_it_is_sent(explain):
    shown = explain()
    event = json.loads(EVENT)
    del event["headers"]["X-Port-Signature"], event["headers"]["X-Port-Timestamp"]
    assert shown["mapping"] == 2 and shown["failure"] is None and shown["report"] is None
    assert (shown["request"]["method"], shown["request"]["url"]) == ("POST", "https://svc.internal/vm")
    assert shown["request"]["body"] == json.dumps(event, separators=(",", ":"), ensure_ascii=False)
    assert shown["request"]["headers"]["Content-Type"] == "application/json"
    assert "X-Port-Signature" in shown["request"]["headers"] and "v1,2" not in shown["request"]["headers"]["X-Port-Signature"]


def test_the_first_enabled_mapping_is_named_with_what_the_others_gave(explain):
    shown = explain(mapping=[{"enabled": '.action == "no"'}, {"enabled": False}, {"enabled": ".action", "url": "1"}, {"url": '"http://x/"'}, {}])
    assert shown["mapping"] == 4
    assert [(m["enabled"], m["result"], m["applies"]) for m in shown["mappings"]] == [
        ('.action == "no"', False, False), (False, False, False), (".action", "create_vm", False), (True, True, True), (None, None, False)]


@pytest.mark.host
def test_every_expression_shows_its_result_or_what_jq_says(explain):
    shown = explain(mapping=[{"url": '"http://x/" + .payload.properties.region', "method": '"put"', "query": {"n": "[1, true]", "none": "null"},
                              "headers": {"X-Cpu": ".payload.properties.cpu"}, "body": {"a": {"b": [".payload.properties.cpu", 7]}, "e": 'error("oh")', "m": "empty"}}])
    assert [(e["where"], e["result"], e["problem"]) for e in shown["expressions"]] == [
        ("mapping 1, url", "http://x/eu-west-1", None), ("mapping 1, method", "put", None), ("mapping 1, headers.X-Cpu", 4, None),
        ("mapping 1, query.n", [1, True], None), ("mapping 1, query.none", None, None), ("mapping 1, body.a.b[0]", 4, None),
        ("mapping 1, body.e", None, "oh"), ("mapping 1, body.m", None, "no output")]
    assert (shown["request"]["method"], shown["request"]["url"]) == ("PUT", "http://x/eu-west-1?n=1&n=true")
    assert shown["request"]["headers"]["X-Cpu"] == "4"
    assert json.loads(shown["request"]["body"]) == {"a": {"b": [4, 7]}, "e": None, "m": None}
    assert shown["warnings"] == ["mapping 1, body.e: jq: oh", "mapping 1, body.m: jq: no output"]


@pytest.mark.parametrize("mapping, failure", [
    ([{"enabled": False}], "no mapping wants the event"),
    ([{"url": ".none"}], "mapping 1: the url is null"),
    ([{"url": '"ftp://x"'}], "the URL is not http:// or https://"),
    ([{"query": "[[1]]"}], "pairs of a name and a value"),
])
def test_what_makes_no_request_says_why_and_exits_1(explain, mapping, failure):
    shown = explain(mapping=mapping, code=1)
    assert failure in shown["failure"] and shown["request"] is None


def test_an_answer_shows_the_report(explain):
    mapping = [{"report": {"link": ".response.json.url", "externalRunId": ".response.json.id | tostring",
                           "summary": '"\\(.response.statusCode) \\(.response.headers.Via) \\(.request.method)"'}}]
    assert explain(mapping=mapping, response={"statusCode": 201, "headers": {"Via": "x"}, "json": {"id": 7, "url": ["http://a"]}})["report"] == {
        "runId": "r_1", "status": "SUCCESS", "summary": "201 x POST", "link": ["http://a"], "externalRunId": "7", "response": {"id": 7, "url": ["http://a"]}}
    assert explain(mapping=[{}], response={"statusCode": 503, "text": "busy"})["report"] == {
        "runId": "r_1", "status": "FAILURE", "summary": "Webhook failed: the endpoint answered 503. Answer: busy", "link": None, "externalRunId": None, "response": "busy"}
    assert explain(mapping=[{}], response="plain body")["report"]["response"] == "plain body"
    assert explain(mapping=[{}], response="\ufeff{\"a\": 1}")["report"]["response"] == {"a": 1}  # a byte order mark is no part of the text
    node = run_event("wfnr_1", "http://x", properties={})
    assert explain(event=node, mapping=[{}], response="{}")["report"]["response"] == {"status": 200, "data": {}}


def test_summaries_quote_the_answer_as_the_agents_settings_say(explain):
    summary = lambda **settings: explain(mapping=[{}], response={"statusCode": 503, "text": "busy"}, environment=settings)["report"]["summary"]
    assert summary(DETAILED_LOGGING="false") == "Webhook failed: the endpoint answered 503"
    assert summary(DETAILED_LOGGING="true") == "Webhook failed: the endpoint answered 503. Answer: busy"


@pytest.mark.parametrize("method, accepted", [("delete", "DELETE"), ("", "POST"), ("HEAD", None), ("FETCH", None)])
def test_the_invocations_own_method_is_one_of_those_in_use(explain, method, accepted):
    shown = explain(event=run_event("r_1", "http://x", method=method), code=0 if accepted else 1)
    assert accepted and shown["request"]["method"] == accepted or "none of POST, PUT, PATCH, DELETE, GET" in shown["failure"]


def test_a_wrong_answer_file_is_told(run_map):
    done = run_map(response={"statusCode": "200"})
    assert done.returncode == 1 and "statusCode must be a number" in done.stderr


def test_change_log_events_are_recognised(explain):
    shown = explain(event=change_event("http://changes/"))
    assert shown["request"]["url"] == "http://changes/" and "change-log event" in shown["notes"][0]
    both = json.dumps({**json.loads(EVENT), "changelogDestination": {"type": "WEBHOOK", "agent": True, "url": "http://changes/"}})
    assert explain(event=both)["request"]["url"] == "https://svc.internal/vm"


def test_decrypted_values_are_masked_wherever_they_come_out(explain):
    event = run_event("r_1", "http://x", properties={"password": encrypted("pass wörd")})
    mapping = [{"fieldsToDecryptPaths": ["payload.properties.password"], "url": '"http://x/" + (.payload.properties.password | @uri)',
                "body": {"v": '"<" + .payload.properties.password + ">"'}, "report": {"summary": ".body.payload.properties.password"}}]
    shown = explain(event=event, mapping=mapping, response="{}", environment={"PORT_CLIENT_SECRET": SECRET})
    assert "pass" not in json.dumps([shown["request"], shown["report"], [e["result"] for e in shown["expressions"]]])
    assert json.loads(shown["request"]["body"]) == {"v": "<***>"} and shown["request"]["url"] == "http://x/***"
    assert shown["report"]["summary"] == "***"
    without = explain(event=event, mapping=mapping)
    assert without["request"]["body"].count(event.split('"password":"')[1][:20]) == 1 and "PORT_CLIENT_SECRET is not set" in without["notes"][-1]


def test_credentials_of_headers_urls_and_the_environment_are_masked(run_map):
    mapping = [{"url": '"https://user:hunter22@x/"', "headers": {"Authorization": '"Bearer " + env.CI_TOKEN', "X-Api-Key": '"literal-key"'},
                "body": {"token": 'env["group_project"]', "copy": "env.CI_TOKEN", "secret": "env.PORT_CLIENT_SECRET"}}]
    environment = {"CI_TOKEN": "t0ps3cret", "group_project": "trigger-me", "PORT_CLIENT_SECRET": SECRET}
    for arguments in ((), ("--output", "json")):
        done = run_map(mapping=mapping, environment=environment, arguments=arguments)
        assert done.returncode == 0
        shown = done.stdout.replace('"literal-key"', "", 1).replace('\\"literal-key\\"', "", 1)
        shown = shown.replace('"https://user:hunter22@x/"', "", 1).replace('\\"https://user:hunter22@x/\\"', "", 1)  # the expression as written
        for value in ("t0ps3cret", "trigger-me", "hunter22", "literal-key", SECRET):
            assert value not in shown, (value, done.stdout)
    body = json.loads(json.loads(done.stdout)["request"]["body"])
    assert body == {"token": "***", "copy": "***", "secret": None}


@pytest.mark.host
def test_an_endless_expression_ends_with_a_message_that_says_how_far_it_came(explain):
    shown = explain(mapping=[{"url": '"http://x"', "body": {"a": "1", "b": "def f: f; f"}}], code=1, environment={"MAPPING_TIMEOUT": "0.2"})
    assert "more than 200 ms of processor time (MAPPING_TIMEOUT)" in shown["failure"] and "mapping 1, body.a" in shown["failure"]
    shown = explain(mapping=[{"body": 'reduce range(40) as $i ("x"; . + .)'}], code=1, environment={"MAPPING_MAX_MEMORY": "16MiB"})
    assert "MAPPING_MAX_MEMORY" in shown["failure"]


def test_each_line_of_a_file_of_events_gives_one_line(run_map):
    lines = [run_event(f"r_{i}", f"http://x/{i}") for i in range(20)]
    lines[7] = "{"
    done = run_map(event=None, files={"events": "\n".join(lines) + "\n"}, arguments=("--output", "json"))
    shown = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1 and len(shown) == 20
    assert [s["request"] and s["request"]["url"] for s in shown] == [None if i == 7 else f"http://x/{i}" for i in range(20)]
    assert shown[7]["failure"].startswith("the event cannot be read: not JSON")


def test_the_mapping_file_comes_from_the_settings_or_the_working_directory(tmp_path, explain, run_map):
    (tmp_path / "elsewhere.json").write_text('[{"url":"\\"http://elsewhere\\""}]')
    assert explain(environment={"CONTROL_THE_PAYLOAD_CONFIG_PATH": "elsewhere.json"})["request"]["url"] == "http://elsewhere"
    (tmp_path / ".env").write_text('TARGET="http://from-dotenv"\n')
    (tmp_path / "control_the_payload_config.json").write_text('[{"url":"env.TARGET"}]')
    assert explain()["request"]["url"] == "http://from-dotenv"


def test_a_wrong_mapping_file_exits_78_with_every_problem(run_map):
    done = run_map(mapping=[{"url": "bad("}, {"enabled": 3}, {"nothing": 1}])
    assert (done.returncode, done.stdout) == (78, "")
    assert "mapping 1, url: jq:" in done.stderr and "mapping 2, enabled: is number" in done.stderr and "mapping 3, nothing" in done.stderr
    done = run_map(arguments=("--mapping", "/nowhere.json"))
    assert done.returncode == 78 and "--mapping: /nowhere.json does not exist" in done.stderr
    done = run_map(environment={"CONTROL_THE_PAYLOAD_CONFIG_PATH": "nowhere.json"})  # the agent would not start
    assert done.returncode == 78 and "CONTROL_THE_PAYLOAD_CONFIG_PATH: nowhere.json does not exist" in done.stderr


@pytest.mark.parametrize("arguments, message", [
    ((), "--event is missing"), (("--event",), "--event needs a value"), (("--nothing",), "unknown option '--nothing'"),
    (("--event", "x", "--output", "xml"), "neither text nor json"), (("--event", "x", "--kind", "y"), "neither run nor change-log"), (("x",), "unexpected argument 'x'")])
def test_wrong_usage_exits_64(arguments, message):
    done = subprocess.run([BINARY, "map", *arguments], env=PLAIN, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (64, "") and message in done.stderr


def test_help_and_missing_files(run_map):
    done = subprocess.run([BINARY, "map", "--help"], env=PLAIN, capture_output=True, text=True)
    assert done.returncode == 0 and "--response FILE" in done.stdout and "Exit codes:" in done.stdout
    done = run_map(event=None, arguments=("--event", "/nowhere"))
    assert done.returncode == 1 and "'/nowhere' cannot be read: No such file" in done.stderr


def test_text_shows_the_same_for_eyes(run_map):
    done = run_map(mapping=[{"enabled": "false"}, {"enabled": ".action != null", "url": '"http://x/"'}], response='{"id":1}')
    for part in ("▶ 2  enabled: .action != null  →  true", "mapping 2, url", "POST http://x/", "X-Port-Signature: v1,<", "status         SUCCESS", '{"id":1}'):
        assert part in done.stdout, done.stdout


def test_variables_that_are_not_set_are_told_and_set_ones_stay_masked(run_map):
    headers = {"Authorization": '"Bearer " + env.GITHUB_TOKEN', "X-Token": "$ENV.OTHER_TOKEN", "X-Api-Key": 'env["API_KEY"]', "X-Secret": '"s-\\(env.EMPTY_SECRET)"',
               "X-Set-Token": '"Bearer " + env.SET_TOKEN', "X-Either-Token": "env.GITHUB_TOKEN // env.SET_TOKEN"}
    mapping = [{"url": '"http://x/"', "headers": headers, "body": {"token": "env.GITHUB_TOKEN", "n": "env | .NOT_THERE", "in": ".payload.env.X", "secret": "env.PORT_CLIENT_SECRET"}}]
    environment = {"SET_TOKEN": "t0ps3cret", "EMPTY_SECRET": ""}
    told = ["headers.Authorization: env.GITHUB_TOKEN is not set", "headers.X-Token: env.OTHER_TOKEN is not set", "headers.X-Api-Key: env.API_KEY is not set",
            "headers.X-Secret: env.EMPTY_SECRET is set, but empty", "headers.X-Either-Token: env.GITHUB_TOKEN is not set", "body.token: env.GITHUB_TOKEN is not set",
            "body.n: env.NOT_THERE is not set", "body.secret: env.PORT_CLIENT_SECRET is not shown to mappings"]
    text = run_map(mapping=mapping, environment=environment).stdout
    for line in ("Authorization: not set (env.GITHUB_TOKEN)", "X-Secret: set, but empty (env.EMPTY_SECRET)", "X-Set-Token: ***", "X-Either-Token: ***", *[f"mapping 1, {t}" for t in told]):
        assert line in text, (line, text)
    done = run_map(mapping=mapping, environment=environment, arguments=("--output", "json"))
    shown = json.loads(done.stdout)
    results = {e["where"].removeprefix("mapping 1, "): e["result"] for e in shown["expressions"]}
    assert shown["request"]["headers"]["Authorization"] == results["headers.Authorization"] == "not set (env.GITHUB_TOKEN)"
    assert (results["headers.X-Token"], results["headers.X-Api-Key"]) == ("not set (env.OTHER_TOKEN)", "not set (env.API_KEY)")
    assert shown["request"]["headers"]["X-Secret"] == results["headers.X-Secret"] == "set, but empty (env.EMPTY_SECRET)"
    assert shown["request"]["headers"]["X-Set-Token"] == results["headers.X-Set-Token"] == "***" and results["body.token"] is None
    assert [n.removeprefix("mapping 1, ") for n in shown["notes"] if "env." in n] == told
    assert "t0ps3cret" not in text + done.stdout


def test_a_variable_whose_name_is_worked_out_is_no_other_and_stays_masked(run_map):
    """The text in the brackets is a part of its name; `MY` is not asked for."""
    mapping = [{"url": '"http://x/"', "headers": {"Authorization": 'env["MY" + "PAT"]', "X-Api-Key": 'env[ "MYPAT" ]'},
                "body": {"copy": 'env["MY" + "PAT"]', "chosen": "env[.payload.properties.region]"}}]
    done = run_map(mapping=mapping, environment={"MYPAT": "t0ps3cret"})
    assert "Authorization: ***" in done.stdout and "X-Api-Key: ***" in done.stdout and '"copy":"***"' in done.stdout
    assert "env.MY " not in done.stdout and "t0ps3cret" not in done.stdout
    assert [line for line in done.stdout.splitlines() if "not set" in line and line.startswith("mapping")] == [
        "mapping 1, body.chosen: the variable whose name it works out is not set"]


def test_the_missing_trigger_token_of_gitlab_is_told(run_map, tmp_path):
    method = {"type": "GITLAB", "agent": True, "groupName": "g/h", "projectName": "p"}
    event = {"action": "a", "payload": {"action": {"invocationMethod": method}, "properties": {}}, "headers": {}}
    told = "body.token: the variable whose name it works out is not set"
    assert told in run_map(event=event).stdout
    assert told not in run_map(event=event, environment={"g_h_p": "token"}).stdout
    method.update(groupName="PORT_CLIENT", projectName="ID")
    assert told in run_map(event=event, environment={"PORT_CLIENT_ID": "no token"}).stdout


def test_one_expression_for_all_headers_shows_what_is_not_set(explain):
    shown = explain(mapping=[{"headers": '{Authorization: "Bearer \\(env.GITHUB_TOKEN // "")", "X-Token": env.OTHER}'}])
    assert shown["request"]["headers"]["Authorization"] == "not set (env.GITHUB_TOKEN), not set (env.OTHER)" and "X-Token" not in shown["request"]["headers"]
    assert "mapping 1, headers: env.GITHUB_TOKEN is not set" in shown["notes"]


def test_a_variable_in_an_object_without_blanks_is_told(explain):
    shown = explain(mapping=[{"headers": '{Authorization:env.GITHUB_TOKEN,"X-Token":$ENV.OTHER}', "body": {"module": "def a: {env:{b:1}}; a.env.b"}}])
    assert [n for n in shown["notes"] if "env." in n] == ["mapping 1, headers: env.GITHUB_TOKEN is not set", "mapping 1, headers: env.OTHER is not set"]


@pytest.mark.host
@pytest.mark.parametrize("depth", [200, 257, 258, 500])
def test_json_output_is_json_however_deep_the_results_are(explain, depth):
    event = EVENT.replace('"cpu":4', '"cpu":' + "[" * depth + "]" * depth)
    shown = explain(event=event, mapping=[{"body": {"d": ".payload.properties.cpu", "text": ".payload.properties.cpu | tojson"}}])
    result = {e["where"]: e for e in shown["expressions"]}
    assert json.dumps(result["mapping 1, body.d"]["result"]) == "[" * depth + "]" * depth
    assert (result["mapping 1, body.text"]["result"] is None) == (depth > 257) and ("nested too deeply" in str(result["mapping 1, body.text"]["problem"])) == (depth > 257)


def test_what_is_too_deep_for_a_request_fails_it_and_is_shown_as_a_text(explain):
    shown = explain(mapping=[{"body": "reduce range(600) as $i (null; [.])"}], code=1)
    assert "nested too deeply" in shown["failure"] and shown["expressions"][0]["result"] == "(nested too deeply to be shown)"


@pytest.mark.host
def test_a_death_by_a_signal_names_the_signal(explain):
    shown = explain(mapping=[{"body": "5 | strftime([])"}], code=1)
    assert "signal 6 (SIGABRT)" in shown["failure"] and "memory" not in shown["failure"].lower()


def test_report_fields_that_give_nothing_are_shown_as_left_out(explain):
    report = lambda **fields: {k: v for k, v in explain(mapping=[{"report": fields}], response={"statusCode": 503, "text": "busy"})["report"].items() if k in ("status", "summary", "link", "externalRunId")}
    assert report(status="null", summary="empty", link='error("x")', externalRunId=".no") == {"status": None, "summary": None, "link": None, "externalRunId": None}
    assert report(link="null")["status"] == "FAILURE" and "503" in report(link="null")["summary"]


@pytest.mark.parametrize("enabled, applies", [("yes", 1), ("ON", 1), ("1", 1), ("T", 1), ("no", 2), ("off", 2), ("0", 2), ("F", 2), (".action != null", 1), (1, 1), (0, 2)])
def test_enabled_may_be_a_word_for_a_boolean(explain, enabled, applies):
    assert explain(mapping=[{"enabled": enabled}, {}])["mapping"] == applies


def test_a_mapping_is_tested_by_what_is_expected_of_it(run_map):
    mapping = [{"url": '"http://x/"', "body": {"region": ".payload.properties.region"}}]
    whole = run_map(mapping=mapping, arguments=("--output", "json")).stdout
    done = run_map(mapping=mapping, files={"expect": whole})
    assert done.returncode == 0 and done.stdout.endswith("event.json: as expected\n")
    done = run_map(mapping=mapping, files={"expect": {"request": {"url": "http://y/", "body": {"region": "eu-west-1"}}}})
    assert done.returncode == 1 and done.stdout.splitlines()[1:] == ['request.url: expected "http://y/", got "http://x/"']
    refused = {"mapping": None, "request": None}
    done = run_map(mapping=[{"enabled": False}], files={"expect": [refused]}, arguments=("--output", "json"))
    assert done.returncode == 0 and json.loads(done.stdout)["as_expected"] is True
    assert run_map(mapping=mapping, files={"expect": []}).returncode == 1
    done = run_map(mapping=mapping, files={"expect": "no JSON"})
    assert done.returncode == 1 and "--expect: " in done.stderr
    done = run_map(arguments=("--expect", "-", "--event", "-"))
    assert done.returncode == 64 and "named twice" in done.stderr


def test_usual_mistakes_have_a_hint(run_map):
    done = run_map(mapping=[{"url": "https://svc/x", "method": "POST"}])
    assert done.returncode == 78 and 'mapping 1, method: hint: ' in done.stderr and r'write "\"POST\""' in done.stderr and "mapping 1, url: hint: " in done.stderr
    done = run_map(mapping=[{"body": ".payload.propertys"}])
    assert "did you mean .payload.properties?" in done.stdout
    for report, hint in ((".body.payload.propertys", "did you mean .body.payload.properties?"), (".response.statusCod", "did you mean .response.statusCode?"),
                         (".bodi.context", "a report sees no .bodi; did you mean .body?"), (".payload.action", "write .body.payload"),
                         (".request.metod", "did you mean .request.method?")):
        done = run_map(mapping=[{"report": {"summary": report}}], files={"response": {"statusCode": 200}})
        assert hint in done.stdout, (report, done)
    done = run_map(mapping=[{"report": {"summary": ".response.json.ide, .response.headers.Viia, .request.body.x"}}], files={"response": {"statusCode": 200, "json": {"id": 1}}})
    assert "did you mean" not in done.stdout, done
