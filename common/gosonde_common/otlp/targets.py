"""Whose figures are exported, and the attributes of the resource that stands for it."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final

from prometheus_client.core import Metric

from gosonde_common import __version__
from gosonde_common.foreign import shown
from gosonde_common.otlp.keys import OtlpKeys
from gosonde_common.owners import Owner
from gosonde_common.values.containers import NO_CONTAINER, Container
from gosonde_common.values.runtime import RuntimeFigures

#: Processes with figures of their own in one export, those with the most goroutines first.
MAX_TARGETS: Final = 2_000
#: Longest attribute, in characters.
MAX_TEXT: Final = 1_024
#: Makes ids of processes.
NAMESPACE: Final = uuid.UUID("1e3b6d5e-1d1c-4c58-9a52-6b0a1f4c8d27")


@dataclass(frozen=True, slots=True)
class Target:
    """A process image with its totals.

    Attributes:
        owner: Its labels in Prometheus metrics; with `host` empty in those of an agent.
        start_ticks: See ProcessKey; 0 when it is not known.
        units: The systemd units that it belongs to, where they are known.
        since_unix_nano: When counting began; 0 when it is not known.
        goroutines: How many are alive; None when it is not known.
        gc_cycles: Since counting began; None when it is not known.
        started_unix_nano: When the process began; 0 when it is not known.
        runtime_figures: What its runtime said last; None when that was not read.
    """

    owner: Owner
    boot_id: str = ""
    start_ticks: int = 0
    go_version: str = ""
    container: Container = NO_CONTAINER
    units: tuple[str, ...] = ()
    since_unix_nano: int = 0
    goroutines: int | None = None
    gc_cycles: int | None = None
    started_unix_nano: int = 0
    runtime_figures: RuntimeFigures | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """What is exported at a moment.

    Attributes:
        families: Metrics as Prometheus has them, with the labels of Owner.
        targets: The processes that these are about, at most MAX_TARGETS.
        ages: How old what is known of a host is, in nanoseconds, by host; "" for the service's own.
        left_out: Processes beyond these.
        started_unix_nano: When the service began to count pauses.
    """

    families: Iterable[Metric]
    targets: Sequence[Target]
    ages: Mapping[str, int] = field(default_factory=dict)
    left_out: int = 0
    started_unix_nano: int = 0


@dataclass(frozen=True, slots=True)
class Naming:
    """Makes attributes of resources.

    Attributes:
        service: Who sends: "gosonde-agent" or "gosonde-collector".
        host: The name of its host.
    """

    keys: OtlpKeys
    service: str
    host: str

    def of_process(self, target: Target) -> dict[str, str | int]:
        """Attributes by the semantic conventions; what is not known is not there."""
        owner, container = target.owner, target.container
        texts = {
            "service.name": service_name(target, self.keys.otlp_service_name),
            "service.namespace": container.namespace,
            "service.instance.id": instance_id(target),
            "host.name": owner.host or self.host,
            "process.executable.path": owner.exe,
            "process.executable.name": PurePosixPath(owner.exe).name,
            "process.runtime.name": "go",
            "process.runtime.version": target.go_version,
            "container.id": container.id,
            "k8s.namespace.name": container.namespace,
            "k8s.pod.name": container.pod,
            "k8s.pod.uid": container.pod_uid,
            "k8s.container.name": container.name,
        }
        known = {key: shown(text, MAX_TEXT) for key, text in texts.items() if text}
        return {**known, "process.pid": int(owner.pid), **self.keys.extra_attributes}

    def of_host(self, host: str) -> dict[str, str | int]:
        """Of what is about the agent of a host, or about the service itself for ""."""
        name = "gosonde-agent" if host else self.service
        own = {"service.name": name, "host.name": shown(host or self.host, MAX_TEXT)}
        version = {} if host else {"service.version": __version__}
        return {**own, **version, **self.keys.extra_attributes}


def service_name(target: Target, rule: Sequence[str]) -> str:
    """The first name of the rule that is known; the executable's without its folders, if none is."""
    executable = PurePosixPath(target.owner.exe).name or "unknown_service:go"
    units = [unit.removesuffix(".service") for unit in sorted(target.units) if unit.endswith(".service")]
    names = {
        "workload": target.container.workload,
        "unit": units[0] if units else "",
        "container": target.container.name,
        "executable": executable,
    }
    return next((names[key] for key in rule if names[key]), executable)


def instance_id(target: Target) -> str:
    """A UUID that no other process has, and the same one from agent and collector; empty when too little is known."""
    if not target.boot_id:
        return ""
    return str(uuid.uuid5(NAMESPACE, f"{target.boot_id}/{target.owner.pid}/{target.start_ticks}"))
