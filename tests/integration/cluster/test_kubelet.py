"""The agent's question to a kubelet, as a real one takes and answers it.

`GOSONDE_RECORD=1 make test-cluster` writes tests/fixtures/kubelet/recorded.json anew, which the unit tests read.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from gosonde_agent.discovery.kubelet_pods import pods_of

from tests.booted_system import eventually
from tests.cluster.cluster import Cluster
from tests.cluster.release import CONTAINER, SHOP, WORKLOAD, Release
from tests.cluster.room import ADDRESS
from tests.kubelet_server import RECORDED

ASKER, NAMESPACE = "asker", "default"
#: Asks as an agent does, in the network of the node.
ASK = """
import sys
from gosonde_agent.discovery.kubelet_answer import fetched
from gosonde_agent.discovery.kubelet_place import place
sys.stdout.buffer.write(fetched(place(*sys.argv[1:])))
"""
pytestmark = [pytest.mark.minutes, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def token(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the token of a service account that may nothing yet."""
    file = tmp_path_factory.mktemp("asker") / "token"
    cluster.kubectl("create", "serviceaccount", ASKER, "--namespace", NAMESPACE)
    file.write_text(cluster.kubectl("create", "token", ASKER, "--namespace", NAMESPACE))
    return file


def asked(cluster: Cluster, token: Path) -> subprocess.CompletedProcess[str]:
    url = f"https://{ADDRESS}:10250"
    return cluster.room.run(sys.executable, "-c", ASK, url, token, cluster.authority)


def test_an_account_without_the_right_is_refused_with_the_right_that_it_lacks(cluster: Cluster, token: Path) -> None:
    done = asked(cluster, token)
    assert done.returncode
    assert "status 403: the token's account may not get nodes/pods or nodes/proxy" in done.stderr


def test_a_token_of_nobody_is_refused(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("nobodys")
    done = asked(cluster, tmp_path / "token")
    assert done.returncode
    assert "status 401: the token is not known there" in done.stderr


def test_with_the_documented_right_its_names_are_those_of_the_api_server(
    cluster: Cluster, release: Release, token: Path
) -> None:
    del release
    cluster.apply(*_right())
    eventually(lambda: asked(cluster, token).returncode == 0, "the account has its right")
    answer = asked(cluster, token).stdout
    found = pods_of(answer.encode())
    assert (found.passed_over, found.fault) == (0, "")
    names = {(one.namespace, one.pod, one.container): id_ for id_, one in found.names.items()}
    assert names == _of_the_api_server(cluster)
    workloads = {(one.namespace, one.workload) for one in found.names.values()}
    assert workloads == {(SHOP, WORKLOAD), ("gosonde", "gosonde-agent"), ("gosonde", "gosonde-collector")}
    assert any(one.container == CONTAINER for one in found.names.values())
    if os.environ.get("GOSONDE_RECORD"):
        RECORDED.write_text(json.dumps(json.loads(answer), indent=1) + "\n")


def _of_the_api_server(cluster: Cluster) -> dict[tuple[str, str, str], str]:
    return {
        (pod["metadata"]["namespace"], pod["metadata"]["name"], status["name"]): status["containerID"].rpartition("/")[
            2
        ]
        for pod in cluster.get("pods", "--all-namespaces")["items"]
        for status in pod["status"]["containerStatuses"]
    }


def _right() -> tuple[dict[str, Any], ...]:
    group, named = "rbac.authorization.k8s.io", {"metadata": {"name": ASKER}}
    rule = {"apiGroups": [""], "resources": ["nodes/proxy"], "verbs": ["get"]}
    role = {"apiVersion": f"{group}/v1", "kind": "ClusterRole", **named, "rules": [rule]}
    return role, {
        "apiVersion": f"{group}/v1", "kind": "ClusterRoleBinding", **named,
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": ASKER},
        "subjects": [{"kind": "ServiceAccount", "name": ASKER, "namespace": NAMESPACE}],
    }  # fmt: skip
