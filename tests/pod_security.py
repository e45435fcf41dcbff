"""The Pod Security Standards, profile "restricted": https://kubernetes.io/docs/concepts/security/pod-security-standards."""

from collections.abc import Iterator
from typing import Any

Spec = dict[str, Any]

VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected", "secret"
}  # fmt: skip
SELINUX_TYPES = {"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
PROBES = ("livenessProbe", "readinessProbe", "startupProbe")


def violations(spec: Spec) -> list[str]:
    """What in a pod's spec the profile forbids, each with where it stands; none if the pod is allowed."""
    return [
        *_of_pod(spec),
        *(f"{name}: {what}" for name, one in _containers(spec) for what in _of_container(spec, one)),
    ]


def _containers(spec: Spec) -> Iterator[tuple[str, Spec]]:
    for key in ("containers", "initContainers", "ephemeralContainers"):
        for container in spec.get(key, []):
            yield container["name"], container


def _of_pod(spec: Spec) -> Iterator[str]:
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(key):
            yield key
    for volume in spec.get("volumes", []):
        for kind in set(volume) - {"name"} - VOLUMES:
            yield f"volume {volume['name']}: {kind}"
    if spec.get("securityContext", {}).get("sysctls"):
        yield "sysctls"
    yield from _of_context(spec.get("securityContext", {}))


def _of_context(context: Spec) -> Iterator[str]:
    if context.get("runAsUser") == 0:
        yield "runAsUser 0"
    if context.get("windowsOptions", {}).get("hostProcess"):
        yield "hostProcess"
    if context.get("appArmorProfile", {}).get("type", "RuntimeDefault") not in {"RuntimeDefault", "Localhost"}:
        yield "appArmorProfile"
    selinux = context.get("seLinuxOptions", {})
    if selinux.get("type", "") not in SELINUX_TYPES or selinux.get("user") or selinux.get("role"):
        yield "seLinuxOptions"


def _of_container(spec: Spec, container: Spec) -> Iterator[str]:
    context = container.get("securityContext", {})
    whole = {**spec.get("securityContext", {}), **context}
    yield from _of_context(context)
    if context.get("privileged"):
        yield "privileged"
    if context.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation"
    if whole.get("runAsNonRoot") is not True:
        yield "runAsNonRoot"
    if whole.get("seccompProfile", {}).get("type") not in {"RuntimeDefault", "Localhost"}:
        yield "seccompProfile"
    capabilities = context.get("capabilities", {})
    if "ALL" not in capabilities.get("drop", []) or set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}:
        yield "capabilities"
    if context.get("procMount", "Default") != "Default":
        yield "procMount"
    yield from _of_network(container)


def _of_network(container: Spec) -> Iterator[str]:
    if any(port.get("hostPort") for port in container.get("ports", [])):
        yield "hostPort"
    asked = [container[probe] for probe in PROBES if probe in container] + list(container.get("lifecycle", {}).values())
    if any(one.get(how, {}).get("host") for one in asked for how in ("httpGet", "tcpSocket")):
        yield "host of a probe"
