"""The Helm chart: helm takes it, wrong values are refused clearly, and all objects are what Kubernetes knows."""

import itertools
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from gosonde_agent.config import AgentConfig
from gosonde_agent.config import load as load_agent
from gosonde_collector.config import CollectorConfig
from gosonde_collector.config import load as load_collector
from gosonde_common import __version__
from gosonde_common.otlp.keys import OtlpKeys

from scripts import write_manifests
from scripts.packages.releases import ARCHITECTURES
from tests import kubernetes_tools
from tests.grafana_dashboard import dashboard
from tests.kubernetes_tools import CHART, Document, of_kind
from tests.paths import ROOT

#: Values that take every branch of the templates between them.
VARIANTS: dict[str, dict[str, object]] = {
    "as it is": {},
    "with metrics": {
        "metrics": {"podMonitor": True, "labels": {"team": "x"}, "from": [{"podSelector": {}}]},
        "metrics.dashboard": True,
    },
    "with given secrets": {"tls": {"source": "secrets", "secrets": {"agent": "a", "collector": "b"}}},
    "with another issuer": {"tls.certManager": {"issuer": "ca", "issuerKind": "ClusterIssuer"}},
    "with the kubelet": {"agent.kubelet": {"enabled": True, "resource": "nodes/proxy", "caConfigMap": "kubelets"}},
    "with all else": {
        "images": {"registry": "r.example/x", "tag": "1", "pullPolicy": "Always", "pullSecrets": ["key"]},
        "agent": {
            "cri": "/run/containerd/containerd.sock",
            "sysAdmin": True,
            "seccompProfile": "gosonde/agent.json",
            "priorityClassName": "high",
        },
        "agent.config": {"deny": ["label:probes=no"], "max_target_overhead": "off", "park": True},
        "collector": {"priorityClassName": "high", "tolerations": [{"operator": "Exists"}]},
        "collector.config": {"retention_hours": 48},
        "collector.storage": {"size": "1Gi", "className": "fast"},
        "networkPolicy.queriesFrom": [{"ipBlock": {"cidr": "10.0.0.0/8"}}],
    },
}
NODE = "10.0.0.7"
#: What the cluster has beyond Kubernetes itself: test_custom_resources.py checks it.
CUSTOM = {"Certificate", "Issuer", "PodMonitor"}


@pytest.fixture(scope="module", params=VARIANTS)
def objects(request: pytest.FixtureRequest) -> list[Document]:
    """What a release with the values of a variant consists of."""
    return kubernetes_tools.objects(kubernetes_tools.rendered(VARIANTS[request.param]))


@pytest.fixture(scope="module")
def objects_for_1_29() -> list[Document]:
    """The same for a Kubernetes that knows AppArmor by an annotation only."""
    return kubernetes_tools.objects(kubernetes_tools.rendered({}, kubernetes="1.29"))


def toml_of(objects: list[Document], component: str, folder: Path) -> Path:
    """The configuration of a component, as a file."""
    path = folder / f"{component}.toml"
    path.write_text(of_kind(objects, "ConfigMap", component)["data"][path.name])
    return path


def container_of(objects: list[Document], kind: str, component: str) -> Document:
    (container,) = of_kind(objects, kind, component)["spec"]["template"]["spec"]["containers"]
    found: Document = container
    return found


def agent_of(objects: list[Document], folder: Path) -> AgentConfig:
    """What an agent is told by its file and its options, on a node with the address NODE."""
    options = {"--kubelet": "kubelet", "--host": "host"}
    text = "\n".join(container_of(objects, "DaemonSet", "agent")["args"])
    arguments = text.replace("$(NODE_ADDRESS)", NODE).replace("$(NODE_NAME)", "web-1").split("\n")
    flags = {options[name]: value for name, value in itertools.pairwise(arguments) if name in options}
    return load_agent(toml_of(objects, "agent", folder), flags)


def test_helm_has_nothing_to_say_against_the_chart() -> None:
    done = kubernetes_tools.helm("lint", "--strict", "--quiet", CHART)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr


@pytest.mark.parametrize("version", ["1.30", "1.37"])
def test_every_object_is_what_this_kubernetes_knows(objects: list[Document], version: str) -> None:
    known = [one for one in objects if one["kind"] not in CUSTOM]
    assert {one["kind"] for one in known} >= {"DaemonSet", "StatefulSet", "Service", "NetworkPolicy", "ConfigMap"}
    for one in known:
        kubernetes_validate.validate(one, version, strict=True)


def test_an_older_kubernetes_gets_the_apparmor_profile_by_an_annotation(objects_for_1_29: list[Document]) -> None:
    for one in objects_for_1_29:
        if one["kind"] not in CUSTOM:
            kubernetes_validate.validate(one, "1.29", strict=True)
    template = of_kind(objects_for_1_29, "DaemonSet", "agent")["spec"]["template"]
    (container,) = template["spec"]["containers"]
    key = f"container.apparmor.security.beta.kubernetes.io/{container['name']}"
    assert template["metadata"]["annotations"][key] == "unconfined"
    assert "appArmorProfile" not in container["securityContext"]


def test_a_kubernetes_on_which_nobody_tried_it_is_refused() -> None:
    done = kubernetes_tools.helm("template", "gosonde", CHART, "--kube-version=1.19")
    assert "kubeVersion: >=1.20.0-0" in done.stderr


def test_an_object_with_a_key_that_kubernetes_does_not_know_would_be_refused(objects: list[Document]) -> None:
    daemon_set = json.loads(json.dumps(of_kind(objects, "DaemonSet", "agent")))
    daemon_set["spec"]["template"]["spec"]["containers"][0]["securityContext"]["capabilites"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="capabilites"):
        kubernetes_validate.validate(daemon_set, "1.30", strict=True)


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("clustr=x", "additional properties 'clustr' not allowed"),
        ("cluster=A_b", "at '/cluster': 'A_b' does not match"),
        ("agent.config.max_agent_cpu=0", "at '/agent/config/max_agent_cpu': minimum: got 0, want 0.1"),
        ("agent.config.state=/x", "at '/agent/config': additional properties 'state' not allowed"),
        ("collector.config.retention_hours=long", "at '/collector/config/retention_hours': got string, want number"),
        ("collector.storage.size=much", "at '/collector/storage/size': 'much' does not match"),
        ("collector.tokensSecret=", "at '/collector/tokensSecret': '' does not match"),
        ("agent.cri=containerd.sock", "at '/agent/cri': 'containerd.sock' does not match"),
        (
            "agent.kubelet.resource=pods",
            "at '/agent/kubelet/resource': value must be one of 'nodes/pods', 'nodes/proxy'",
        ),
        ("agent.kubelet.port=0", "at '/agent/kubelet/port': minimum: got 0, want 1"),
        (
            "agent.kubelet.enabled=true,agent.cri=/run/x.sock",
            "agent.cri is given as well; one of them is asked for names",
        ),
        ("tls.source=none", "at '/tls/source': value must be one of 'cert-manager', 'secrets'"),
        ("tls.source=secrets", "missing; with tls.source secrets, name a secret with tls.crt, tls.key and ca.crt"),
        ("images.pullPolicy=often", "at '/images/pullPolicy': value must be one of 'Always'"),
    ],
)
def test_a_wrong_value_is_refused_with_its_place_and_what_is_allowed(value: str, complaint: str) -> None:
    done = kubernetes_tools.helm("template", "gosonde", CHART, "--set", value)
    assert done.returncode != 0
    assert complaint in done.stderr


def test_the_services_accept_the_configurations(objects: list[Document], tmp_path: Path) -> None:
    agent = agent_of(objects, tmp_path)
    collector = load_collector(toml_of(objects, "collector", tmp_path), {})
    assert agent.tls_cert
    assert collector.tls_client_ca
    assert collector.tokens
    service = of_kind(objects, "Service", "collector")
    ports = {port["name"]: port["port"] for port in service["spec"]["ports"]}
    assert agent.collector == (f"{service['metadata']['name']}.gosonde.svc:{ports['agents']}",)
    listening = [address.rpartition(":")[2] for address in (collector.listen, collector.query_listen, collector.web)]
    assert listening == [str(ports[name]) for name in ("agents", "queries", "web")]


def test_the_dashboard_is_there_for_grafanas_sidecar_only_if_that_was_asked_for() -> None:
    objects = kubernetes_tools.objects(kubernetes_tools.rendered({"metrics.dashboard": True}))
    found = of_kind(objects, "ConfigMap", "dashboard")
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(found["data"]["gosonde.json"]) == dashboard()
    assert "grafana_dashboard" not in kubernetes_tools.rendered({})


@pytest.mark.parametrize("podMonitor", [False, True])
def test_metrics_can_be_reached_from_other_pods_only_if_that_was_asked_for(podMonitor: bool, tmp_path: Path) -> None:  # noqa: N803
    objects = kubernetes_tools.objects(kubernetes_tools.rendered({"metrics.podMonitor": podMonitor}))
    agent = load_agent(toml_of(objects, "agent", tmp_path))
    collector = load_collector(toml_of(objects, "collector", tmp_path), {})
    for config in (agent, collector):
        assert config.http == ("0.0.0.0:9320" if podMonitor else "127.0.0.1:9320")
        assert config.insecure is podMonitor


def test_the_agent_asks_the_container_runtime_only_if_that_was_asked_for(tmp_path: Path) -> None:
    values = {"agent.cri": "/run/crio/crio.sock", "agent.config": {"allow": ["namespace:shop"]}}
    objects = kubernetes_tools.objects(kubernetes_tools.rendered(values))
    config = load_agent(toml_of(objects, "agent", tmp_path))
    (mount,) = [one for one in container_of(objects, "DaemonSet", "agent")["volumeMounts"] if one["name"] == "cri"]
    assert config.cri == f"unix:{mount['mountPath']}/crio.sock"
    volumes = of_kind(objects, "DaemonSet", "agent")["spec"]["template"]["spec"]["volumes"]
    assert {"name": "cri", "hostPath": {"path": "/run/crio", "type": "Directory"}} in volumes
    plain = kubernetes_tools.objects(kubernetes_tools.rendered({}))
    assert load_agent(toml_of(plain, "agent", tmp_path)).cri == ""


def test_the_agent_asks_its_own_nodes_kubelet_only_if_that_was_asked_for(tmp_path: Path) -> None:
    values = {"agent.kubelet": {"enabled": True, "port": 10251}, "agent.config": {"allow": ["namespace:shop"]}}
    objects = kubernetes_tools.objects(kubernetes_tools.rendered(values))
    container, spec = container_of(objects, "DaemonSet", "agent"), of_kind(objects, "DaemonSet", "agent")["spec"]
    (address,) = [one for one in container["env"] if one["name"] == "NODE_ADDRESS"]
    assert address["valueFrom"] == {"fieldRef": {"fieldPath": "status.hostIP"}}
    config = agent_of(objects, tmp_path)
    assert config.kubelet == f"https://{NODE}:10251"
    (mount,) = [one["mountPath"] for one in container["volumeMounts"] if one["name"] == "kubelet"]
    (volume,) = [one["projected"] for one in spec["template"]["spec"]["volumes"] if one["name"] == "kubelet"]
    token, ca = volume["sources"]
    assert config.kubelet_token == f"{mount}/{token['serviceAccountToken']['path']}"
    assert config.kubelet_ca == f"{mount}/{ca['configMap']['items'][0]['path']}"
    ports = [
        port["port"] for rule in of_kind(objects, "NetworkPolicy", "agent")["spec"]["egress"] for port in rule["ports"]
    ]
    assert 10251 in ports


def test_who_asks_no_kubelet_has_no_token_and_no_rights() -> None:
    text = kubernetes_tools.rendered({})
    assert "kubelet" not in text
    assert not {"ClusterRole", "ClusterRoleBinding"} & {one["kind"] for one in kubernetes_tools.objects(text)}


@pytest.mark.parametrize("resource", ["nodes/pods", "nodes/proxy"])
def test_who_asks_the_kubelet_may_get_that_and_nothing_else(resource: str) -> None:
    values = {"agent.kubelet": {"enabled": True, "resource": resource}}
    objects = kubernetes_tools.objects(kubernetes_tools.rendered(values))
    role, binding = (of_kind(objects, kind, "agent") for kind in ("ClusterRole", "ClusterRoleBinding"))
    assert role["rules"] == [{"apiGroups": [""], "resources": [resource], "verbs": ["get"]}]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    (account,) = binding["subjects"]
    assert account["name"] == of_kind(objects, "DaemonSet", "agent")["spec"]["template"]["spec"]["serviceAccountName"]
    assert account["namespace"] == of_kind(objects, "ServiceAccount", "agent")["metadata"]["namespace"]


@pytest.mark.parametrize(("kind", "component"), [("DaemonSet", "agent"), ("StatefulSet", "collector")])
def test_pods_run_on_every_processor_for_which_there_are_images(kind: str, component: str) -> None:
    values = {f"{component}.nodeSelector": {"pool": "a"}}
    spec = of_kind(kubernetes_tools.objects(kubernetes_tools.rendered(values)), kind, component)["spec"]["template"][
        "spec"
    ]
    terms = spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    ((wanted,),) = [term["matchExpressions"] for term in terms]
    assert (wanted["key"], wanted["operator"]) == ("kubernetes.io/arch", "In")
    assert wanted["values"] == list(ARCHITECTURES)
    assert spec["nodeSelector"] == {"kubernetes.io/os": "linux", "pool": "a"}


#: Keys that the chart sets, or that mean nothing in a pod, and so are no values.
OTLP = set(OtlpKeys.__dataclass_fields__)
NO_VALUES = {
    "agent": OTLP | {
        "collector", "cri", "insecure", "tls_ca", "tls_cert", "tls_key", "listen", "http", "host", "helper", "state",
        "pid", "pprof", "kubelet", "kubelet_token", "kubelet_ca",
    },
    "collector": OTLP | {
        "listen", "data", "query_listen", "http", "web", "web_user_header", "web_admins", "insecure", "tls_cert",
        "tls_key", "tls_client_ca", "tls_revoked", "tokens", "alerts_to", "webhook_to", "webhook_template",
        "webhook_secret", "webhook_token", "webhook_per_minute", "outward_ca", "public_url",
        "profiles_to", "profiles_api", "profiles_seconds",
        "store", "store_user", "store_password_file", "store_tls", "store_tls_ca",
    },
}  # fmt: skip


@pytest.mark.parametrize(("component", "config"), [("agent", AgentConfig), ("collector", CollectorConfig)])
def test_every_other_key_of_a_configuration_can_be_given(component: str, config: Any) -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    given = set(schema["properties"][component]["properties"]["config"]["properties"])
    assert given | NO_VALUES[component] == set(config.__dataclass_fields__)
    assert not given & NO_VALUES[component]


def test_the_certificate_of_the_agents_names_what_they_call_their_hosts() -> None:
    objects = kubernetes_tools.objects(kubernetes_tools.rendered({"cluster": "prod.example"}))
    arguments = container_of(objects, "DaemonSet", "agent")["args"]
    assert arguments[-2:] == ["--host", "$(NODE_NAME).prod.example"]
    assert of_kind(objects, "Certificate", "agent")["spec"]["dnsNames"] == ["*.prod.example"]
    names = of_kind(objects, "Certificate", "collector")["spec"]["dnsNames"]
    assert {"gosonde-collector.gosonde.svc", "localhost"} <= set(names)


def test_policies_monitors_and_the_service_select_the_pods_that_they_mean() -> None:
    objects = kubernetes_tools.objects(kubernetes_tools.rendered({"metrics.podMonitor": True}))
    for component, kind in (("agent", "DaemonSet"), ("collector", "StatefulSet")):
        labels = of_kind(objects, kind, component)["spec"]["template"]["metadata"]["labels"]
        selectors = [
            of_kind(objects, kind, component)["spec"]["selector"]["matchLabels"],
            of_kind(objects, "NetworkPolicy", component)["spec"]["podSelector"]["matchLabels"],
            of_kind(objects, "PodMonitor", component)["spec"]["selector"]["matchLabels"],
        ]
        assert all(selector.items() <= labels.items() for selector in selectors)
        assert all(selector["app.kubernetes.io/component"] == component for selector in selectors)


def test_the_versions_are_gosondes() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)


@pytest.mark.parametrize("file", write_manifests.FILES)
def test_the_plain_manifests_are_what_the_chart_says(file: str) -> None:
    written = (write_manifests.FOLDER / file).read_text()
    assert written == write_manifests.manifest(write_manifests.FILES[file]), "run scripts/write_manifests.py"


def test_kubectl_reads_the_plain_manifests() -> None:
    done = subprocess.run(
        (kubernetes_tools.tool("kubectl"), "kustomize", ROOT / "deploy/kubernetes"),
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    kinds = [one["kind"] for one in kubernetes_tools.objects(done.stdout)]
    assert kinds.count("DaemonSet") == kinds.count("StatefulSet") == kinds.count("Namespace") == 1


def test_every_value_is_documented() -> None:
    text = (ROOT / "docs/kubernetes.md").read_text()
    documented = set(re.findall(r"^\| `([\w.]+)` \|", text, re.MULTILINE))
    assert documented == set(leaves(yaml.safe_load((CHART / "values.yaml").read_text())))


def leaves(values: Document, above: str = "") -> list[str]:
    """The paths of all values; maps whose keys the user chooses are leaves."""
    found = []
    for key, value in values.items():
        path = f"{above}{key}"
        branches = isinstance(value, dict) and value and key != "resources"
        found += leaves(value, f"{path}.") if branches else [path]
    return found
