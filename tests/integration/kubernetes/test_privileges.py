"""What the pods may: no more than the systemd units, and the collector what Kubernetes calls restricted."""

import copy
import shlex
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from scripts.images import root
from tests import kubernetes_tools, pod_security
from tests.kubernetes_tools import Document, of_kind
from tests.paths import ROOT
from tests.unit.repository.test_systemd import HELPER, settings

AGENT, COLLECTOR = ("DaemonSet", "agent"), ("StatefulSet", "collector")


@pytest.fixture(scope="module")
def objects() -> list[Document]:
    return kubernetes_tools.objects(kubernetes_tools.rendered({}))


def pod(objects: list[Document], kind: str, component: str) -> Document:
    spec: Document = of_kind(objects, kind, component)["spec"]["template"]["spec"]
    return spec


def container(objects: list[Document], kind: str, component: str) -> Document:
    (found,) = pod(objects, kind, component)["containers"]
    one: Document = found
    return one


def test_the_collector_is_allowed_by_the_restricted_profile(objects: list[Document]) -> None:
    assert pod_security.violations(pod(objects, *COLLECTOR)) == []


def test_the_agent_needs_of_what_that_forbids_exactly_this(objects: list[Document]) -> None:
    assert sorted(pod_security.violations(pod(objects, *AGENT))) == [
        "agent: appArmorProfile",
        "agent: capabilities",
        "agent: runAsNonRoot",
        "agent: runAsUser 0",
        "hostPID",
        "volume state: hostPath",
    ]


@pytest.mark.parametrize(
    ("change", "violation"),
    [
        (lambda spec: spec.update(hostNetwork=True), "hostNetwork"),
        (lambda spec: spec["volumes"].append({"name": "x", "hostPath": {"path": "/"}}), "volume x: hostPath"),
        (lambda spec: spec["securityContext"].update(runAsUser=0), "runAsUser 0"),
        (lambda spec: spec["securityContext"].pop("runAsNonRoot"), "collector: runAsNonRoot"),
        (lambda spec: spec["securityContext"].pop("seccompProfile"), "collector: seccompProfile"),
        (lambda spec: spec["securityContext"].update(sysctls=[{"name": "a"}]), "sysctls"),
        (lambda spec: context(spec).pop("allowPrivilegeEscalation"), "collector: allowPrivilegeEscalation"),
        (lambda spec: context(spec).update(privileged=True), "collector: privileged"),
        (lambda spec: context(spec)["capabilities"].update(add=["BPF"]), "collector: capabilities"),
        (lambda spec: context(spec)["capabilities"].update(drop=[]), "collector: capabilities"),
        (lambda spec: context(spec).update(procMount="Unmasked"), "collector: procMount"),
        (lambda spec: context(spec).update(seLinuxOptions={"type": "spc_t"}), "collector: seLinuxOptions"),
        (lambda spec: spec["containers"][0]["ports"][0].update(hostPort=1), "collector: hostPort"),
        (lambda spec: spec.update(initContainers=[{"name": "first"}]), "first: capabilities"),
    ],
)
def test_a_collector_with_more_than_that_would_be_refused(
    objects: list[Document], change: Callable[[Any], object], violation: str
) -> None:
    spec = copy.deepcopy(pod(objects, *COLLECTOR))
    change(spec)
    assert violation in pod_security.violations(spec)


def context(spec: Document) -> Document:
    found: Document = spec["containers"][0]["securityContext"]
    return found


@pytest.mark.parametrize("sys_admin", [False, True])
def test_the_agent_has_the_capabilities_of_the_helpers_unit_and_no_others(sys_admin: bool) -> None:
    objects = kubernetes_tools.objects(kubernetes_tools.rendered({"agent.sysAdmin": sys_admin}))
    capabilities = container(objects, *AGENT)["securityContext"]["capabilities"]
    assert capabilities["drop"] == ["ALL"]
    unit = set(settings(HELPER)["CapabilityBoundingSet"].split())
    assert {f"CAP_{name}" for name in capabilities["add"]} | {"CAP_SYS_ADMIN"} == unit
    assert ("SYS_ADMIN" in capabilities["add"]) == sys_admin


def test_the_images_run_by_themselves_as_they_do_in_the_cluster(objects: list[Document]) -> None:
    """With podman as docs/install.md says it: the same capabilities, and nothing may be written but to volumes."""
    (command,) = [
        shlex.split(line)
        for line in (ROOT / "docs/install.md").read_text().splitlines()
        if line.startswith("sudo podman run") and "--name gosonde-agent" in line
    ]
    added = container(objects, *AGENT)["securityContext"]["capabilities"]["add"]
    assert command[command.index("--cap-add") + 1].split(",") == added
    assert {"--read-only", "no-new-privileges"} <= set(command)
    assert pod(objects, *COLLECTOR)["securityContext"]["runAsUser"] == root.COLLECTOR_ID


@pytest.mark.parametrize("which", [AGENT, COLLECTOR])
def test_a_pod_mounts_what_it_needs_and_can_write_nowhere_else(objects: list[Document], which: tuple[str, str]) -> None:
    mounted = {mount["mountPath"]: mount["name"] for mount in container(objects, *which)["volumeMounts"]}
    wanted = {"/etc/gosonde": "etc", "/tmp": "tmp"}  # noqa: S108
    wanted |= (
        {"/run/gosonde": "run", "/var/lib/gosonde-agent": "state"}
        if which == AGENT
        else {"/var/lib/gosonde-collector": "data"}
    )
    assert mounted == wanted
    assert container(objects, *which)["securityContext"]["readOnlyRootFilesystem"] is True
    assert pod(objects, *which)["automountServiceAccountToken"] is False


@pytest.mark.parametrize("which", [AGENT, COLLECTOR])
def test_a_container_has_limits_a_seccomp_profile_and_questions_for_its_health(
    objects: list[Document], which: tuple[str, str]
) -> None:
    one = container(objects, *which)
    assert one["resources"]["limits"].keys() == one["resources"]["requests"].keys() == {"cpu", "memory"}
    whole = {**pod(objects, *which).get("securityContext", {}), **one["securityContext"]}
    assert whole["seccompProfile"] == {"type": "RuntimeDefault"}
    assert {"startupProbe", "livenessProbe", "readinessProbe"} <= one.keys()


@contextmanager
def answering(status: int) -> Iterator[int]:
    """The port of a server that answers everything with this status."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(("status", "is_well"), [(200, True), (503, False)])
def test_the_question_for_health_tells_what_the_service_answers(
    objects: list[Document], status: int, is_well: bool
) -> None:
    *bash, script = container(objects, *AGENT)["livenessProbe"]["exec"]["command"]
    with answering(status) as port:
        done = subprocess.run([*bash, script.replace("9320", str(port))], check=False, capture_output=True)
    assert (done.returncode == 0) == is_well, done.stderr
    gone = subprocess.run([*bash, script.replace("9320", str(port))], check=False, capture_output=True)
    assert gone.returncode != 0
