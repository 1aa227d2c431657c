"""What is in deploy/: the Helm chart with the existing chart's values, the plain manifests and the systemd unit.

Helm is built from its Go module once (helm.py); manifests are checked against Kubernetes' own schemas, strictly."""
import base64
import json
import os
import re
import shutil
import subprocess

import kubernetes_validate
import pytest
import yaml

from harness import BINARY, ROOT, VERSION
from prometheus import program

OPERATORS = ("monitoring.coreos.com", "keda.sh")  # whose objects Kubernetes itself does not know
KUBERNETES = ("1.25", "1.37")  # the oldest and the newest whose schemas the pinned kubernetes-validate has
CHART = ROOT / "deploy/helm/port-agent"
UNIT = ROOT / "deploy/systemd/port-agent.service"
EXISTING = ROOT / "tests/e2e/kubernetes/existing-values.yaml"

# Every value that the chart in use (0.8.15) has.
EXISTING_NAMES = """
image.repository image.pullPolicy image.tag replicaCount imagePullSecrets nameOverride fullnameOverride controlThePayloadConfig
secret.annotations secret.name secret.useExistingSecret podServiceAccount.name
env.normal.GITLAB_URL env.normal.STREAMER_NAME env.normal.PORT_ORG_ID env.normal.PORT_API_BASE_URL env.normal.KAFKA_CONSUMER_GROUP_ID
env.normal.KAFKA_CONSUMER_SECURITY_PROTOCOL env.normal.KAFKA_CONSUMER_AUTHENTICATION_MECHANISM
env.normal.KAFKA_CONSUMER_AUTO_OFFSET_RESET env.normal.DETAILED_LOGGING env.normal.WEBHOOK_VERIFY_SSL
env.secret.PORT_CLIENT_ID env.secret.PORT_CLIENT_SECRET extraLabels podAnnotations podSecurityContext containerSecurityContext
extraVolumes extraVolumeMounts rolloutStrategy resources nodeSelector tolerations affinity selfSignedCertificate.enabled
selfSignedCertificate.certificate selfSignedCertificate.secret.name selfSignedCertificate.secret.key
selfSignedCertificate.secret.useExistingSecret""".split()

# What somebody who sets nothing gets from it.
EXISTING_DEFAULTS = {
    "GITLAB_URL": "https://gitlab.com/", "STREAMER_NAME": "KAFKA", "PORT_ORG_ID": "", "PORT_API_BASE_URL": "https://api.getport.io",
    "KAFKA_CONSUMER_GROUP_ID": "", "KAFKA_CONSUMER_SECURITY_PROTOCOL": "SASL_SSL",
    "KAFKA_CONSUMER_AUTHENTICATION_MECHANISM": "SCRAM-SHA-512", "KAFKA_CONSUMER_AUTO_OFFSET_RESET": "largest",
    "DETAILED_LOGGING": "true", "WEBHOOK_VERIFY_SSL": "true"}


@pytest.fixture(scope="session")
def helm(helm_build, tmp_path_factory):
    program, home = helm_build.ready(), tmp_path_factory.mktemp("helm")
    # Nothing of the user's own Helm: no plugins, no repositories, no cluster.
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "KUBECONFIG": str(home / "none")}

    def run(*arguments, values=None):
        given = [] if values is None else ["--values", "-"]
        return subprocess.run([program, *map(str, arguments), *given], input=yaml.safe_dump(values), capture_output=True, text=True, env=environment)

    return run


def checked(text):
    """The objects of a YAML stream by kind, each valid for Kubernetes and in itself."""
    objects = [one for one in yaml.safe_load_all(text) if one]
    for one in objects:
        for version in KUBERNETES:
            if one["apiVersion"].split("/")[0] not in OPERATORS:
                kubernetes_validate.validate(one, version, strict=True)
        if one["kind"] == "Deployment":
            pod = one["spec"]["template"]
            container, = pod["spec"]["containers"]
            assert one["spec"]["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
            names = [entry["name"] for entry in container.get("env", [])]
            assert len(names) == len(set(names))
            volumes = [volume["name"] for volume in pod["spec"].get("volumes", [])]
            assert sorted(volumes) == sorted({mount["name"] for mount in container.get("volumeMounts", [])})
    named = {"-cert": "/certificate", "-dashboard": "/dashboard"}
    return {one["kind"] + next((more for end, more in named.items() if one["metadata"]["name"].endswith(end)), ""): one for one in objects}


@pytest.fixture(scope="session")
def render(helm):
    def run(values=None, *arguments, release="release"):
        result = helm("template", release, CHART, *arguments, values=values or {})
        assert result.returncode == 0, result.stderr
        return checked(result.stdout)

    return run


def pod_of(objects):
    return objects["Deployment"]["spec"]["template"]["spec"]


def container_of(objects):
    return pod_of(objects)["containers"][0]


def env_of(objects):
    """The container's environment as it will be; secrets looked up."""
    data = objects.get("Secret", {}).get("data", {})

    def value(entry):
        return entry["value"] if "value" in entry else base64.b64decode(data[entry["valueFrom"]["secretKeyRef"]["key"]]).decode()

    return {entry["name"]: value(entry) for entry in container_of(objects)["env"]}


def mounts_of(objects):
    return {mount["mountPath"]: mount for mount in container_of(objects)["volumeMounts"]}


def volume_at(objects, path):
    name = mounts_of(objects)[path]["name"]
    return next(volume for volume in pod_of(objects)["volumes"] if volume["name"] == name)


def existing(**changes):
    return {**yaml.safe_load(EXISTING.read_text()), **changes}


# The chart by itself


def test_chart_is_of_this_version_and_lints(helm):
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["name"] == "port-agent" and chart["version"] == chart["appVersion"] == VERSION
    result = helm("lint", "--strict", CHART)
    assert result.returncode == 0, result.stdout


def test_defaults_make_a_hardened_pod(render):
    objects = render()
    assert set(objects) == {"Deployment", "Secret", "NetworkPolicy", "Pod"}
    spec, pod, container = objects["Deployment"]["spec"], pod_of(objects), container_of(objects)
    assert spec["replicas"] == 1 and spec["strategy"] == {"type": "Recreate"}
    assert pod["securityContext"] == {"runAsNonRoot": True, "runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 1000, "seccompProfile": {"type": "RuntimeDefault"}}
    assert container["securityContext"] == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    assert pod["automountServiceAccountToken"] is False
    assert pod["terminationGracePeriodSeconds"] == 15
    assert container["image"] == f"port-agent:{VERSION}"
    assert container["resources"]["requests"]["memory"] == "64Mi"
    assert container["livenessProbe"]["exec"]["command"] == ["/usr/local/bin/port-agent", "health"]
    # kubelet must not give up before the agent's own time is over.
    assert container["livenessProbe"]["timeoutSeconds"] > 30
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "metrics"}
    assert container["ports"] == [{"name": "metrics", "containerPort": 9464}]
    assert "livenessProbe" not in container_of(render({"probes": {"enabled": False}}))


def test_defaults_are_those_of_the_existing_chart(render):
    objects = render()
    assert env_of(objects) == {**EXISTING_DEFAULTS, "PORT_CLIENT_ID": "", "PORT_CLIENT_SECRET": ""}
    assert objects["Deployment"]["metadata"]["name"] == "release-port-agent"
    assert render(release="my-port-agent")["Deployment"]["metadata"]["name"] == "my-port-agent"
    # Neither can be changed by an upgrade.
    assert objects["Deployment"]["spec"]["selector"]["matchLabels"] == {"app.kubernetes.io/name": "port-agent", "app.kubernetes.io/instance": "release"}
    assert objects["Secret"]["type"] == "opaque"


def test_documented_commands_work(render):
    objects = render(None, "--set", "env.normal.PORT_ORG_ID=org", "--set", "env.normal.PORT_API_BASE_URL=https://api.getport.io", "--set", "env.normal.STREAMER_NAME=KAFKA",
                     "--set", "env.normal.KAFKA_CONSUMER_GROUP_ID=org.group", "--set", "env.secret.PORT_CLIENT_ID=id", "--set", "env.secret.PORT_CLIENT_SECRET=secret",
                     "--set", "selfSignedCertificate.enabled=true", "--set-file", f"selfSignedCertificate.certificate={EXISTING}",
                     "--set-file", f"controlThePayloadConfig={EXISTING}")
    assert env_of(objects) == {**EXISTING_DEFAULTS, "PORT_ORG_ID": "org", "KAFKA_CONSUMER_GROUP_ID": "org.group", "PORT_CLIENT_ID": "id", "PORT_CLIENT_SECRET": "secret",
                               "CONTROL_THE_PAYLOAD_CONFIG_PATH": "/app/control-the-payload/controlThePayloadConfig"}
    assert objects["ConfigMap"]["data"]["controlThePayloadConfig"] == EXISTING.read_text()
    assert base64.b64decode(objects["Secret/certificate"]["data"]["crt"]).decode() == EXISTING.read_text()
    assert env_of(render(None, "--set", "env.normal.STREAMER_NAME=POLLING"))["STREAMER_NAME"] == "POLLING"


# The existing chart's values


def test_values_file_names_every_value_of_the_existing_chart():
    ours, theirs = yaml.safe_load((CHART / "values.yaml").read_text()), existing()
    for name in EXISTING_NAMES:
        for values in (ours, theirs):
            for part in name.split("."):
                assert part in values, name
                values = values[part]


def test_existing_values_have_their_effect(render):
    values = existing()
    objects = render(values)
    assert set(objects) == {"Deployment", "Secret", "Secret/certificate", "ConfigMap", "NetworkPolicy", "Pod"}
    deployment, pod, container = objects["Deployment"], pod_of(objects), container_of(objects)
    metadata = deployment["spec"]["template"]["metadata"]
    assert deployment["metadata"]["name"] == "port-agent-eu"
    assert deployment["metadata"]["labels"]["app.kubernetes.io/name"] == "agent"
    assert deployment["metadata"]["labels"]["team"] == metadata["labels"]["team"] == "platform"
    assert metadata["annotations"]["sidecar.istio.io/inject"] == "false"
    assert deployment["spec"]["replicas"] == 2 and deployment["spec"]["strategy"] == {"type": "RollingUpdate"}
    assert container["image"] == "registry.internal/port-agent:0.1.0" and container["imagePullPolicy"] == "Always"
    assert container["resources"] == values["resources"]
    assert pod["serviceAccountName"] == "agent-account" and "automountServiceAccountToken" not in pod
    for same in ("imagePullSecrets", "nodeSelector", "tolerations", "affinity"):
        assert pod[same] == values[same]
    assert values["podSecurityContext"].items() <= pod["securityContext"].items()
    assert values["containerSecurityContext"].items() <= container["securityContext"].items()
    assert objects["Secret"]["metadata"]["name"] == "port-credentials"
    assert objects["Secret"]["metadata"]["annotations"] == values["secret"]["annotations"]
    assert env_of(objects) == {**values["env"]["secret"], **values["env"]["normal"], "WEBHOOK_INVOKER_TIMEOUT": "45",
                               "CONTROL_THE_PAYLOAD_CONFIG_PATH": "/app/control-the-payload/controlThePayloadConfig"}
    assert set(mounts_of(objects)) == {"/app/control-the-payload", "/usr/local/share/ca-certificates/port-agent", "/usr/local/share/ca-certificates/second.crt"}
    assert volume_at(objects, "/usr/local/share/ca-certificates/second.crt")["secret"]["secretName"] == "port-agent-eu-authorities"


def test_existing_secret_becomes_the_environment(render):
    objects = render(existing(secret={"useExistingSecret": True, "name": "mine"}))
    assert "Secret" not in objects
    assert container_of(objects)["envFrom"] == [{"secretRef": {"name": "mine"}}]
    assert not any("valueFrom" in entry for entry in container_of(objects)["env"])
    # Those who keep everything in it take the empty defaults away.
    objects = render({"secret": {"useExistingSecret": True}, "env": {"normal": None, "secret": None}})
    assert "env" not in container_of(objects)
    assert container_of(objects)["envFrom"] == [{"secretRef": {"name": "release-port-agent"}}]


@pytest.mark.parametrize("as_list", [False, True])
def test_mapping_file_is_where_the_agent_looks(render, as_list):
    text = existing()["controlThePayloadConfig"]
    objects = render({"controlThePayloadConfig": json.loads(text) if as_list else text})
    folder, file = env_of(objects)["CONTROL_THE_PAYLOAD_CONFIG_PATH"].rsplit("/", 1)
    assert volume_at(objects, folder)["configMap"] == {"name": objects["ConfigMap"]["metadata"]["name"]}
    # As a folder, so that a change reaches a running pod; and beside what others mount into /app.
    assert "subPath" not in mounts_of(objects)[folder] and folder.startswith("/app/")
    content = objects["ConfigMap"]["data"][file]
    assert json.loads(content) == json.loads(text)
    assert as_list or content == text


@pytest.mark.parametrize("more", [{"env": {"normal": {"CONTROL_THE_PAYLOAD_CONFIG_PATH": "./control_the_payload_config.json"}}},
                                  {"extraEnv": [{"name": "CONTROL_THE_PAYLOAD_CONFIG_PATH", "value": "/app/control_the_payload_config.json"}]}])
def test_mapping_file_stays_where_it_was_for_those_who_name_its_path(render, more):
    objects = render({"controlThePayloadConfig": "[]", **more})
    path = "/app/control_the_payload_config.json"
    assert env_of(objects)["CONTROL_THE_PAYLOAD_CONFIG_PATH"].endswith(path[4:])
    assert objects["ConfigMap"]["data"][mounts_of(objects)[path]["subPath"]] == "[]"


@pytest.mark.parametrize("own_secret", [False, True])
def test_certificate_is_where_the_agent_looks(render, own_secret):
    values = existing()["selfSignedCertificate"]
    values["secret"]["useExistingSecret"] = own_secret
    objects = render({"selfSignedCertificate": values})
    path = "/usr/local/share/ca-certificates/port-agent"
    source, = volume_at(objects, path)["projected"]["sources"]
    item, = source["secret"]["items"]
    assert item["path"].endswith(".crt") and mounts_of(objects)[path] == {"name": "certificates", "mountPath": path, "readOnly": True}
    if own_secret:
        assert (source["secret"]["name"], item["key"]) == ("authorities", "ca.pem") and "Secret/certificate" not in objects
    else:
        assert source["secret"]["name"] == objects["Secret/certificate"]["metadata"]["name"]
        assert base64.b64decode(objects["Secret/certificate"]["data"][item["key"]]).decode() == values["certificate"]


def test_agent_accepts_what_the_chart_sets(render, tmp_path):
    """Only what is left out is complained about, so every other setting is known and right."""
    def complaints(values):
        objects = render(values)
        env = env_of(objects)
        if "CONTROL_THE_PAYLOAD_CONFIG_PATH" in env:  # here it is somewhere else
            env["CONTROL_THE_PAYLOAD_CONFIG_PATH"] = str(tmp_path / "mapping.json")
            (tmp_path / "mapping.json").write_text(objects["ConfigMap"]["data"]["controlThePayloadConfig"])
        result = subprocess.run([BINARY], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert result.returncode == 78
        return [line.split(":")[0] for line in result.stderr.splitlines()]

    assert complaints({}) == ["PORT_ORG_ID", "PORT_CLIENT_ID", "PORT_CLIENT_SECRET", "KAFKA_CONSUMER_GROUP_ID"]
    values = existing()
    values["env"]["secret"]["PORT_CLIENT_SECRET"] = ""
    values["env"]["normal"].update(QUEUE_MAX_BYTES=16777216, DRAIN_TIMEOUT_SECONDS=38.5, RUN_LOGS=False)
    assert complaints(values) == ["PORT_CLIENT_SECRET"]


# What this chart adds


def test_secrets_as_files_are_in_no_environment(render):
    values = existing()
    values["secret"]["mountAsFiles"] = True
    objects = render(values)
    env = env_of(objects)
    assert "PORT_CLIENT_SECRET" not in env and "PORT_CLIENT_ID" not in env and env["group_project"] == "gitlab-trigger-token"
    for name in ("PORT_CLIENT_ID", "PORT_CLIENT_SECRET"):
        folder, file = env[name + "_FILE"].rsplit("/", 1)
        source = volume_at(objects, folder)["secret"]
        assert source["secretName"] == "port-credentials" and source["defaultMode"] == 0o440 and file == name
        assert {"key": name, "path": file} in source["items"]
    objects = render({"secret": {"mountAsFiles": True, "useExistingSecret": True, "name": "mine", "fileKeys": ["PORT_CLIENT_SECRET"]}})
    assert "envFrom" not in container_of(objects) and "PORT_CLIENT_ID_FILE" not in env_of(objects)
    assert volume_at(objects, "/run/secrets/port-agent")["secret"]["secretName"] == "mine"


def test_client_certificates_are_files_that_the_settings_name(render):
    assert not [name for name in env_of(render({})) if "CLIENT_CERT" in name or "SSL_CERTIFICATE" in name]
    objects = render({"clientCertificates": {"webhook": "hooks-tls", "portApi": "gate-tls", "kafka": "kafka-tls"}})
    env = env_of(objects)
    for secret, cert, key in (("hooks-tls", "WEBHOOK_CLIENT_CERT", "WEBHOOK_CLIENT_KEY"), ("gate-tls", "PORT_API_CLIENT_CERT", "PORT_API_CLIENT_KEY"),
                              ("kafka-tls", "KAFKA_CONSUMER_SSL_CERTIFICATE", "KAFKA_CONSUMER_SSL_KEY")):
        folder, file = env[cert].rsplit("/", 1)
        source = volume_at(objects, folder)["secret"]
        assert file == "tls.crt" and env[key] == folder + "/tls.key" and (source["secretName"], source["defaultMode"]) == (secret, 0o440)
    assert "WEBHOOK_CLIENT_CERT" not in env_of(render({"clientCertificates": {"kafka": "kafka-tls"}}))


@pytest.mark.parametrize("drain, seconds", [("38", 45), (38.2, 46), (None, 15), ("", 15), ("0", 7)])
def test_pod_gets_the_time_it_needs_to_drain(render, drain, seconds):
    values = {"env": {"normal": {"DRAIN_TIMEOUT_SECONDS": drain}}}
    assert pod_of(render(values))["terminationGracePeriodSeconds"] == seconds
    assert pod_of(render({**values, "terminationGracePeriodSeconds": 90}))["terminationGracePeriodSeconds"] == 90


def test_numbers_arrive_as_they_were_written(render):
    env = env_of(render({"env": {"normal": {"QUEUE_MAX_BYTES": 16777216, "WEBHOOK_TOTAL_TIMEOUT": 0.5, "RUN_LOGS": False}}}))
    assert (env["QUEUE_MAX_BYTES"], env["WEBHOOK_TOTAL_TIMEOUT"], env["RUN_LOGS"]) == ("16777216", "0.5", "false")


def test_hardening_yields_to_what_was_asked_for_and_to_openshift(render):
    def context(values, *arguments):
        return pod_of(render(values, *arguments))["securityContext"]

    for part in ("podSecurityContext", "containerSecurityContext"):
        assert "runAsNonRoot" not in context({part: {"runAsUser": 0}})
    openshift = ("--api-versions", "security.openshift.io/v1")
    assert context({}, *openshift) == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert context({"podSecurityContext": {"runAsUser": 1000660000}}, *openshift)["runAsUser"] == 1000660000


def test_service_account_token_is_there_for_those_who_need_it(render):
    def token(values):
        return pod_of(render(values)).get("automountServiceAccountToken")

    assert token({"podAnnotations": {"vault.hashicorp.com/agent-inject": "true"}}) is None
    assert token({"podServiceAccount": {"name": "mine", "automountToken": False}}) is False
    assert token({"podServiceAccount": {"automountToken": True}}) is True


def test_change_of_what_the_agent_reads_once_starts_it_anew(render):
    def annotations(values):
        return render(values)["Deployment"]["spec"]["template"]["metadata"]["annotations"]

    new, files = {"env": {"secret": {"PORT_CLIENT_SECRET": "new"}}}, {"secret": {"mountAsFiles": True}}
    assert annotations({}) == annotations({"controlThePayloadConfig": "[]"}) != annotations(new)
    assert annotations({"selfSignedCertificate": {"enabled": True, "certificate": "a"}}) == annotations({})
    # As a file it changes under the running agent; the id does not.
    assert annotations({**files, **new}) == annotations(files)
    assert annotations({**files, "env": {"secret": {"PORT_CLIENT_ID": "new"}}}) != annotations(files)
    # Mounted by its subPath it does not change either.
    path = {"env": {"normal": {"CONTROL_THE_PAYLOAD_CONFIG_PATH": "/app/control_the_payload_config.json"}}}
    assert annotations({**path, "controlThePayloadConfig": "[]"}) != annotations({**path, "controlThePayloadConfig": "[{}]"})


def test_optional_objects(render):
    extra = {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "gitlab", "key": "token"}}}
    objects = render({"podDisruptionBudget": {"enabled": True}, "networkPolicy": {"enabled": False}, "extraEnv": [extra], "image": {"digest": "sha256:" + "0" * 64}})
    labels = objects["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert objects["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert "NetworkPolicy" not in objects
    assert extra in container_of(objects)["env"] and container_of(objects)["image"].endswith(f":{VERSION}@sha256:" + "0" * 64)


def test_only_the_metrics_port_may_be_connected_to_and_what_goes_out_is_open_unless_named(render):
    def policy(**more):
        objects = render({"networkPolicy": more} if more else {})
        spec = objects["NetworkPolicy"]["spec"]
        assert spec["podSelector"]["matchLabels"].items() <= objects["Deployment"]["spec"]["template"]["metadata"]["labels"].items()
        # An empty selector is every namespace.
        assert spec["ingress"] == [{"from": [{"namespaceSelector": {}}], "ports": [{"protocol": "TCP", "port": 9464}]}]
        return spec

    assert policy()["policyTypes"] == ["Ingress"] and "egress" not in policy()
    rule = {"ports": [{"port": 443}]}
    assert policy(egress=[rule])["policyTypes"] == ["Ingress", "Egress"]
    assert policy(egress=[rule])["egress"] == [rule]


def test_pod_takes_what_clusters_ask_for(render):
    values = {"podLabels": {"team": "platform", "level": 3}, "priorityClassName": "high", "dnsPolicy": "None",
              "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}],
              "hostAliases": [{"ip": "10.0.0.7", "hostnames": ["svc.internal"]}], "dnsConfig": {"nameservers": ["10.0.0.2"]},
              "initContainers": [{"name": "wait", "image": "registry/{{ .Release.Name }}", "command": ["true"]}]}
    objects = render(values)
    pod = pod_of(objects)
    for same in ("priorityClassName", "dnsPolicy", "hostAliases", "dnsConfig"):
        assert pod[same] == objects["Pod"]["spec"][same] == values[same]
    labels = objects["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert (labels["team"], labels["level"]) == ("platform", "3") and "team" not in objects["Deployment"]["metadata"]["labels"]
    constraint, = pod["topologySpreadConstraints"]
    assert constraint.pop("labelSelector")["matchLabels"] == objects["Deployment"]["spec"]["selector"]["matchLabels"]
    assert constraint == values["topologySpreadConstraints"][0]
    assert pod["initContainers"] == [{"name": "wait", "image": "registry/release", "command": ["true"]}]
    own = {**values["topologySpreadConstraints"][0], "labelSelector": {"matchLabels": {"a": "b"}}}
    assert pod_of(render({"topologySpreadConstraints": [own]}))["topologySpreadConstraints"] == [own]


def test_helm_test_checks_the_ways_with_the_agents_own_settings(render):
    objects = render({**existing(), "deadLetters": {"enabled": True}})
    pod, agent = objects["Pod"], container_of(objects)
    check, = pod["spec"]["containers"]
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test" and pod["spec"]["restartPolicy"] == "Never"
    assert check["command"] == ["/usr/local/bin/port-agent", "check", "--connect"]
    for same in ("image", "env", "volumeMounts", "securityContext"):
        assert check[same] == agent[same]
    for same in ("serviceAccountName", "securityContext", "nodeSelector", "tolerations", "affinity", "imagePullSecrets"):
        assert pod["spec"][same] == pod_of(objects)[same]
    assert {volume["name"] for volume in pod["spec"]["volumes"]} == {volume["name"] for volume in pod_of(objects)["volumes"]}
    # Neither the Deployment nor a Service takes it for one of the agent's.
    assert not objects["Deployment"]["spec"]["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()


def test_dead_letters_have_a_volume(render):
    assert "DEAD_LETTER_DIR" not in env_of(render())
    objects = render({"deadLetters": {"enabled": True, "size": "5Gi", "storageClassName": "fast"}})
    claim = objects["PersistentVolumeClaim"]
    assert claim["spec"] == {"accessModes": ["ReadWriteOnce"], "storageClassName": "fast", "resources": {"requests": {"storage": "5Gi"}}}
    assert claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    assert volume_at(objects, "/var/lib/port-agent")["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    # A folder that the agent makes for itself: the volume's own is not its user's.
    assert env_of(objects)["DEAD_LETTER_DIR"] == "/var/lib/port-agent/dead-letters"
    objects = render({"deadLetters": {"enabled": True, "existingClaim": "mine"}, "env": {"normal": {"DEAD_LETTER_DIR": "/var/lib/port-agent/x"}}})
    assert "PersistentVolumeClaim" not in objects and env_of(objects)["DEAD_LETTER_DIR"] == "/var/lib/port-agent/x"
    assert volume_at(objects, "/var/lib/port-agent")["persistentVolumeClaim"]["claimName"] == "mine"


def test_what_operators_of_a_cluster_ask_for_is_there_when_it_is_wanted(render):
    wanted = {name: {"enabled": True, "labels": {"release": "stack"}} for name in ("serviceMonitor", "prometheusRule", "dashboards")}
    objects = render({**wanted, "probes": {"enabled": False, "readinessPort": 9999}})
    labels = objects["Deployment"]["spec"]["template"]["metadata"]["labels"]
    service, monitor = objects["Service"], objects["ServiceMonitor"]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert service["spec"]["selector"].items() <= labels.items()
    port, = service["spec"]["ports"]
    assert (port["name"], port["port"], container_of(objects)["ports"]) == (monitor["spec"]["endpoints"][0]["port"], 9999, [{"name": port["targetPort"], "containerPort": 9999}])
    assert objects["NetworkPolicy"]["spec"]["ingress"][0]["ports"] == [{"protocol": "TCP", "port": 9999}]
    assert objects["PrometheusRule"]["spec"] == yaml.safe_load((ROOT / "deploy/prometheus/alerts.yaml").read_text())
    page = "https://git.example.com/alerts.md"
    linked = render({"prometheusRule": {"enabled": True, "runbookUrl": page}})["PrometheusRule"]["spec"]["groups"][0]["rules"]
    assert {rule["annotations"]["runbook_url"] for rule in linked} == {f"{page}#{rule['alert'].lower()}" for rule in linked}
    dashboard = objects["ConfigMap/dashboard"]
    assert json.loads(dashboard["data"]["port-agent.json"]) == json.loads((ROOT / "deploy/grafana/port-agent.json").read_text())
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"
    for kind in ("ServiceMonitor", "PrometheusRule", "ConfigMap/dashboard"):
        assert objects[kind]["metadata"]["labels"]["release"] == "stack"


def test_replicas_follow_the_records_that_are_not_done(render, helm):
    values = {"enabled": True, "serverAddress": "http://prometheus:9090", "maxReplicas": 5}
    objects = render({"autoscaling": values}, "--namespace", "agents")
    assert "replicas" not in objects["Deployment"]["spec"]
    spec = objects["ScaledObject"]["spec"]
    trigger, = spec["triggers"]
    assert (spec["scaleTargetRef"]["name"], spec["minReplicaCount"], spec["maxReplicaCount"]) == (objects["Deployment"]["metadata"]["name"], 1, 5)
    assert trigger["type"] == "prometheus" and all(isinstance(value, str) for value in trigger["metadata"].values())
    assert trigger["metadata"] == {"serverAddress": "http://prometheus:9090", "threshold": "1000",
                                   "query": 'sum(port_agent_partition_not_done{namespace="agents",pod=~"release-port-agent-.*"})'}
    assert "| `port_agent_partition_not_done` |" in (ROOT / "docs/metrics.md").read_text()
    refused = helm("template", "release", CHART, values={"autoscaling": {"enabled": True}})
    assert refused.returncode != 0 and "autoscaling.serverAddress" in refused.stderr


@pytest.mark.parametrize("values, name", [
    ({"replicaCount": "two"}, "replicaCount"),
    ({"autoscaling": {"maxReplica": 5}}, "maxReplica"),
    ({"deadLetters": {"claim": "mine"}}, "claim"),
    ({"serviceMonitor": {"enable": True}}, "enable"),
    ({"image": {"tags": "1"}}, "tags"),
    ({"prometheusRule": {"runbookUrl": "docs/alerts.md"}}, "runbookUrl"),
    ({"secret": {"mountAsFile": True}}, "mountAsFile"),
    ({"podServiceAccount": {"create": True}}, "create"),
    ({"env": {"PORT_ORG_ID": "org"}}, "PORT_ORG_ID"),
    ({"selfSignedCertificate": {"enable": True}}, "enable"),
    ({"selfSignedCertificate": {"secret": {"keys": "crt"}}}, "keys"),
    ({"env": {"normal": ["PORT_ORG_ID=org"]}}, "normal"),
    ({"env": {"normal": {"PORT_ORG_ID": {"value": "org"}}}}, "PORT_ORG_ID"),
    ({"secret": {"useExistingSecret": "yes"}}, "useExistingSecret"),
    ({"tolerations": {"key": "dedicated"}}, "tolerations"),
    ({"rolloutStrategy": "Rolling"}, "rolloutStrategy"),
    ({"controlThePayloadConfig": {"enabled": True}}, "controlThePayloadConfig"),
    ({"selfSignedCertificate": {"enabled": "true"}}, "enabled"),
    ({"networkPolicy": {"enable": True}}, "networkPolicy"),
    ({"probes": {"readinessPort": "9464"}}, "readinessPort"),
])
def test_wrong_type_is_refused_by_name(helm, values, name):
    result = helm("template", "release", CHART, values=values)
    assert result.returncode != 0 and name in result.stderr and "schema" in result.stderr


def test_unknown_names_at_the_top_have_no_effect_and_are_named(helm, tmp_path):
    # Helm writes its notes where there is a cluster; a copy of the chart has them as an object.
    chart = shutil.copytree(CHART, tmp_path / "port-agent")
    (chart / "templates/notes.yaml").write_text('notes: {{ include (print .Template.BasePath "/NOTES.txt") . | toJson }}')

    def notes(values):
        result = helm("template", "release", chart, "--show-only", "templates/notes.yaml", values=values)
        assert result.returncode == 0, result.stderr
        return yaml.safe_load(result.stdout)["notes"]

    warning = "WARNING: this chart has no values of these names, and they have no effect: "
    assert warning + "nodeSelectors, replicas\n" in notes({"replicas": 2, "nodeSelectors": {}, "global": {"imageRegistry": "x"}})
    # The list of those that there are is that of values.yaml, all of which are given here.
    assert "WARNING" not in notes(existing())


# The plain manifests


def plain(name):
    return (ROOT / "deploy/kubernetes" / name).read_text()


def test_plain_manifests_are_the_charts_pod(render):
    objects = checked("\n---\n".join(map(plain, ("secret.example.yaml", "configmap.yaml", "deployment.yaml"))))
    assert set(objects) == {"Secret", "ConfigMap", "Deployment"}
    charts = render({"secret": {"mountAsFiles": True}})
    ours, theirs = pod_of(objects), pod_of(charts)
    for same in ("securityContext", "terminationGracePeriodSeconds", "automountServiceAccountToken"):
        assert ours[same] == theirs[same]
    for same in ("image", "securityContext", "resources", "volumeMounts", "ports", "livenessProbe", "readinessProbe"):
        assert container_of(objects)[same] == container_of(charts)[same]
    assert objects["Deployment"]["spec"]["strategy"] == charts["Deployment"]["spec"]["strategy"]
    # Both come from objects that are there.
    assert container_of(objects)["envFrom"] == [{"configMapRef": {"name": objects["ConfigMap"]["metadata"]["name"]}}]
    assert volume_at(objects, "/run/secrets/port-agent")["secret"]["secretName"] == objects["Secret"]["metadata"]["name"]
    for name, path in env_of(objects).items():
        assert path.removeprefix("/run/secrets/port-agent/") in objects["Secret"]["stringData"] and name.endswith("_FILE")
    assert not any(key in objects["ConfigMap"]["data"] for key in objects["Secret"]["stringData"])


def test_commented_parts_of_the_plain_deployment_are_right_too():
    objects = checked(re.sub(r"(?m)^( *)# (?=[ -])", r"\1", plain("deployment.yaml")))
    assert {"/app/control-the-payload", "/usr/local/share/ca-certificates"} < set(mounts_of(objects))
    folder = env_of(objects)["CONTROL_THE_PAYLOAD_CONFIG_PATH"].rsplit("/", 1)[0]
    assert volume_at(objects, folder)["configMap"]["name"] == "port-agent-payload"


# The systemd unit


def unit_settings():
    """Each name's values; a unit may name one several times."""
    settings = {}
    for line in UNIT.read_text().splitlines():
        if line and line[0] not in "#[":
            name, value = line.split("=", 1)
            settings.setdefault(name, []).append(value)
    return settings


def test_unit_is_hardened_and_hands_the_secret_over_as_a_credential():
    settings = unit_settings()
    expected = {"DynamicUser": "yes", "ProtectSystem": "strict", "NoNewPrivileges": "yes", "MemoryMax": "256M", "CapabilityBoundingSet": ""}
    assert {name: settings[name] for name in expected} == {name: [value] for name, value in expected.items()}
    credential = settings["LoadCredential"][0].split(":")[0]
    assert f"PORT_CLIENT_SECRET_FILE=%d/{credential}" in settings["Environment"]
    assert settings["EnvironmentFile"]
    drain = re.search(r"`DRAIN_TIMEOUT_SECONDS` \| (\d+) \|", (ROOT / "docs/settings.md").read_text())[1]
    assert int(settings["TimeoutStopSec"][0]) == int(drain) + 7


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_unit_passes_systemds_own_checks(tmp_path):
    # The program has to exist, and it may be anywhere.
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/usr/local/bin/port-agent", "/bin/true"))
    result = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True)
    assert (result.returncode, [line for line in result.stderr.splitlines() if UNIT.name in line]) == (0, [])
    # The exposure in tenths, of 100: a service that says nothing of the kind has 96.
    result = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=15", "--no-pager", unit], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


def test_alerts_are_about_metrics_that_there_are_and_each_has_a_runbook():
    folder = ROOT / "deploy/prometheus"
    rules = yaml.safe_load((folder / "alerts.yaml").read_text())["groups"][0]["rules"]
    metrics = set(re.findall(r"^\| `(\w+)`", (ROOT / "docs/metrics.md").read_text(), re.MULTILINE))
    headings = set(re.findall(r"^## (\w+)$", (ROOT / "docs/alerts.md").read_text(), re.MULTILINE))
    assert {rule["alert"] for rule in rules} == headings
    for rule in rules:
        named = set(re.findall(r"\b(?:port_agent|process)_\w+", rule["expr"]))
        assert named and named <= metrics, rule["expr"]
        assert rule["annotations"]["runbook"] == f"docs/alerts.md#{rule['alert'].lower()}"
    tests = yaml.safe_load((folder / "alerts_test.yaml").read_text())["tests"]
    assert {case["alertname"] for test in tests for case in test["alert_rule_test"]} == headings
    tried = subprocess.run([program("promtool"), "test", "rules", "alerts_test.yaml"], cwd=folder, capture_output=True, text=True, timeout=60)
    assert tried.returncode == 0, tried.stdout + tried.stderr
