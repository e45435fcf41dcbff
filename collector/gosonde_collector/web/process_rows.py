"""Processes as pages show them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import quote, urlencode

from gosonde_common.errors import NotFoundError
from starlette.requests import Request

from gosonde_collector.analysis.analyst import Analyst
from gosonde_collector.model import ages
from gosonde_collector.model.values import KnownProcess, ProcessFilter, ProcessKey, Step

#: Of parts per million in a percent.
PPM: Final = 10_000


@dataclass(frozen=True, slots=True)
class ProcessRow:
    """A process with what is known beside it.

    Attributes:
        age_ns: How old the newest observation of its agent is.
        is_stale: It has not ended, and that is too old to say how it is now.
        no_probes_because: Why its agent may place no probes; "" where it may, or has not said it.
    """

    known: KnownProcess
    age_ns: int
    is_stale: bool
    no_probes_because: str

    @property
    def service(self) -> str:
        """The name of the executable without its folders."""
        return PurePosixPath(self.known.process.exe).name

    @property
    def path(self) -> str:
        """Where its page is, without which of the processes of one host and pid it is."""
        return self.address.partition("?")[0]

    @property
    def key(self) -> str:
        """See `key_text`."""
        return key_text(self.known.process.key)

    @property
    def address(self) -> str:
        """Of its page."""
        return address(self.known.host, self.known.process.key)

    def below(self, name: str) -> str:
        """The address of what is below its page, such as "changes"."""
        return address(self.known.host, self.known.process.key, f"/{name}")

    @property
    def live(self) -> int:
        """Goroutines that live, as far as is known."""
        return self.known.baseline + self.known.created - self.known.exited

    @property
    def is_exact(self) -> bool:
        """Whether its totals and live counts are."""
        return self.known.process.precise or self.known.process.level == "sampled"

    @property
    def source(self) -> str:
        """What watches it: "ebpf", "memory" where its agent may place no probes, or "" when it is refused."""
        if self.known.process.level == "refused":
            return ""
        return "memory" if self.known.process.has_no_probes else "ebpf"


def address(host: str, key: ProcessKey, below: str = "") -> str:
    """Of the page of a process, or of what is below it: "/snapshot"."""
    return f"/processes/{quote(host, safe='')}/{key.pid}{below}?{urlencode({'key': key_text(key)})}"


def asked_for(request: Request) -> tuple[ProcessFilter, str]:
    """The host and the pid of an address, and which of their processes, "" for the newest.

    Raises:
        NotFoundError: There can be no such process.
    """
    which = ProcessFilter(request.path_params["host"], request.path_params["pid"])
    if not 0 < which.pid < 1 << 32:
        raise NotFoundError("there is no such process")
    return which, request.query_params.get("key", "")


def is_named(process: ProcessKey, key: str) -> bool:
    """Whether the key of an address names the process; "" names any of its host and pid."""
    return key in ("", key_text(process))


def key_text(key: ProcessKey) -> str:
    """Which of the processes of one host and pid it is, as an address says it."""
    return f"{key.boot_id}.{key.start_ticks}.{key.exec_epoch}"


def rows(
    known: Iterable[KnownProcess], analyst: Analyst, clock_offsets: Mapping[str, int], now_unix_nano: int
) -> list[ProcessRow]:
    """The processes with what is known beside them, in their order."""
    because = analyst.no_probes.because
    made = []
    for one in known:
        age = ages.age_ns(one, now_unix_nano, clock_offsets.get(one.host, 0))
        reason = because(one.host) if one.process.has_no_probes else ""
        made.append(ProcessRow(one, age, ages.is_overdue(one, age), reason))
    return made


def document(row: ProcessRow) -> dict[str, Any]:
    """A process as JSON."""
    known, process = row.known, row.known.process
    is_watched = bool(row.source)
    return {
        "host": known.host,
        "pid": process.key.pid,
        "exe": process.exe,
        "service": row.service,
        "go_version": process.go_version,
        "build_id": process.build_id,
        "started_unix_nano": process.started_unix_nano,
        "ended_unix_nano": process.ended_unix_nano,
        "level": process.level,
        "refusal": process.refusal,
        "precise": process.precise,
        "source": row.source,
        "no_probes_because": row.no_probes_because,
        "live": row.live if is_watched else None,
        "created": known.created if is_watched else None,
        "exited": known.exited if is_watched else None,
        "overhead_percent": known.target_ppm / PPM,
        "overhead_core_percent": known.core_ppm / PPM,
        "steps": list(map(_step, process.steps)),
        "sums": process.sums,
        "container": process.container.document,
        "age_ns": row.age_ns,
        "stale": row.is_stale,
    }


def _step(step: Step) -> dict[str, Any]:
    return {
        "at_unix_nano": step.at_unix_nano,
        "level": step.level,
        "reason": step.reason,
        "overhead_percent": step.target_ppm / PPM,
    }
