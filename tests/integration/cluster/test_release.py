"""What `helm install` makes of a real cluster, what it finds there, and that `helm uninstall` leaves nothing of it.

The tests go on from each other: the last one uninstalls.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.booted_system import eventually
from tests.cluster.cluster import Cluster
from tests.cluster.release import (
    AGENT,
    AGENT_VALUES,
    COLLECTOR,
    CONTAINER,
    NAMESPACE,
    RULES,
    SELECTOR,
    SHOP,
    WORKLOAD,
    Release,
)
from tests.integration.images.test_images import CAPABILITIES

Finding = dict[str, Any]
LIMIT_SECONDS = 600.0
pytestmark = [pytest.mark.usefixtures("ebpf"), pytest.mark.minutes, pytest.mark.timeout(3600)]


def pod_of(cluster: Cluster, namespace: str, selector: str) -> Finding:
    (pod,) = cluster.get("pods", f"--namespace={namespace}", f"--selector={selector}")["items"]
    found: Finding = pod
    return found


def container_of(pod: Finding) -> str:
    """The id of its one container."""
    (status,) = pod["status"]["containerStatuses"]
    return str(status["containerID"]).removeprefix("containerd://")


@pytest.mark.parametrize("component", ["agent", "collector"])
def test_each_process_of_a_pod_has_the_documented_privileges_at_most(
    cluster: Cluster, release: Release, component: str
) -> None:
    del release
    mask = sum(1 << number for number in CAPABILITIES.values()) if component == "agent" else 0
    pod = pod_of(cluster, NAMESPACE, f"app.kubernetes.io/component={component}")
    listed = cluster.ctr("tasks", "ps", container_of(pod))
    pids = [int(line.split()[0]) for line in listed.splitlines()[1:]]
    assert pids
    effective = 0
    for pid in pids:
        status = Path(f"/proc/{pid}/status").read_text()
        read = dict(re.findall(r"^(\w+):\t(.*)$", status, re.MULTILINE))
        assert int(read["CapBnd"], 16) == mask
        assert (read["Seccomp"], read["NoNewPrivs"]) == ("2", "1")
        assert read["Uid"].split()[0] == ("0" if component == "agent" else "65532")
        effective |= int(read["CapEff"], 16)
    assert effective == mask, "the helper has all of them"


def test_the_first_finding_names_the_pod_that_leaks(cluster: Cluster, finding: Finding) -> None:
    pod = pod_of(cluster, SHOP, f"app={WORKLOAD}")
    assert finding["site"]["function"] == "main.leak"
    assert finding["container"] == {
        "id": container_of(pod), "pod_uid": pod["metadata"]["uid"], "namespace": SHOP,
        "pod": pod["metadata"]["name"], "name": CONTAINER, "workload": WORKLOAD,
    }  # fmt: skip
    assert finding["host"] == "node-1.test"


def test_who_is_in_another_namespace_is_not_watched(release: Release, finding: Finding) -> None:
    assert [row["pid"] for row in release.asked("processes")] == [finding["process"]["pid"]]


def test_the_documented_commands_work_in_the_pods(release: Release) -> None:
    assert "/leak" in release.kubectl("exec", AGENT, "--", "gosonde", "ps", "--exe", "/leak", "--json")
    doctor = release.kubectl("exec", AGENT, "--", "gosonde", "doctor", "--json", check=False)
    assert [check for check in json.loads(doctor)["checks"] if check["status"] == "missing"] == []


def test_an_upgrade_changes_the_configuration_and_keeps_what_was_found(
    cluster: Cluster, release: Release, finding: Finding
) -> None:
    before = container_of(pod_of(cluster, NAMESPACE, "app.kubernetes.io/component=agent"))
    release.upgrade(AGENT_VALUES | {"config": RULES | {"max_target_overhead": "off"}})
    pod = pod_of(cluster, NAMESPACE, "app.kubernetes.io/component=agent")
    assert container_of(pod) != before
    assert "max_target_overhead" in release.kubectl("exec", AGENT, "--", "cat", "/etc/gosonde/agent.toml")
    kept = {one["id"] for one in release.asked("findings")}
    assert finding["id"] in kept
    assert len({row["host"] for row in release.asked("processes")}) == 1


def test_a_pod_that_is_deleted_ends_its_process_at_the_collector(cluster: Cluster, release: Release) -> None:
    pod = pod_of(cluster, SHOP, f"app={WORKLOAD}")["metadata"]["name"]
    eventually(lambda: None not in rates(release, pod), "the agent counts again after the upgrade", LIMIT_SECONDS)
    cluster.kubectl("--namespace", SHOP, "delete", "pod", pod)
    eventually(lambda: set(rates(release, pod)) == {None}, "the process has ended", LIMIT_SECONDS)


def rates(release: Release, pod: str) -> list[object]:
    """Goroutines per second of each `go` statement of a pod's processes; None for those that have ended."""
    (pid,) = [row["pid"] for row in release.asked("processes", "--pod", pod)]
    return [row["per_second"] for row in release.asked("sites", "--pid", str(pid))]


def test_the_agent_has_the_same_names_from_the_kubelet_whose_certificate_and_right_the_chart_gives(
    cluster: Cluster, release: Release
) -> None:
    release.upgrade({"kubelet": {"enabled": True, "resource": "nodes/proxy"}, "config": RULES})
    agent = pod_of(cluster, NAMESPACE, "app.kubernetes.io/component=agent")
    assert "--kubelet" in agent["spec"]["containers"][0]["args"]
    # Of a new pod, about which no agent has asked the container runtime.
    cluster.kubectl("--namespace", SHOP, "delete", "pod", f"--selector=app={WORKLOAD}")
    pod = pod_of(cluster, SHOP, f"app={WORKLOAD}")["metadata"]["name"]

    def named() -> bool:
        rows = [row["container"] for row in release.asked("processes", "--pod", pod)]
        return [(row["namespace"], row["name"], row["workload"]) for row in rows] == [(SHOP, CONTAINER, WORKLOAD)]

    eventually(named, "the new pod's process has its names", LIMIT_SECONDS)


def test_nothing_of_the_release_is_left_when_it_is_uninstalled(cluster: Cluster, release: Release) -> None:
    release.uninstall()
    kinds = "all,configmaps,serviceaccounts,networkpolicies,priorityclasses,clusterroles,clusterrolebindings"
    assert cluster.kubectl("get", kinds, "--all-namespaces", f"--selector={SELECTOR}", "--output=name") == ""
    assert release.kubectl("get", "secrets", "--selector=owner=helm", "--output=name") == ""
    running = {Path(f"/proc/{pid}/comm").read_text().strip() for pid in cluster.room.pids()}
    assert "kubelet" in running
    assert not {name for name in running if "gosonde" in name or "python" in name}
    claims = release.kubectl("get", "persistentvolumeclaims", "--output=name").split()
    assert claims == [f"persistentvolumeclaim/data-{COLLECTOR}"], "what was found is the user's"
