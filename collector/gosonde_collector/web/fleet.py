"""Hosts and the processes that run on them, and which of them a page shows."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gosonde_collector.telemetry.newest import Newest
from gosonde_collector.web import process_rows
from gosonde_collector.web.findings_list import LONGEST_FILTER
from gosonde_collector.web.process_rows import ProcessRow


@dataclass(frozen=True, slots=True)
class HostRow:
    """A host.

    Attributes:
        version: Of its agent; "" when nothing has come from it since the collector started.
        age_ns: How old its newest observation is; of no meaning when `age_is_known` is not set.
        is_stale: It should have said something long ago.
        processes: How many run there, as far as is known.
        lost: The totals of its agent's counters of losses that are not 0, by name; None when nothing has come from it
            since the collector started.
    """

    name: str
    version: str
    age_ns: int
    age_is_known: bool
    is_stale: bool
    processes: int
    lost: Mapping[str, int] | None


@dataclass(frozen=True, slots=True)
class Fleet:
    """What is known: the silent hosts first, processes with the most live goroutines first."""

    hosts: Sequence[HostRow]
    processes: Sequence[ProcessRow]


@dataclass(frozen=True, slots=True)
class FleetFilters:
    """Which hosts and processes; "" lets all through.

    Attributes:
        host: The host's name.
        service: The name of the executable without its folders.
        text: Part of a host, an executable, a Go version, a level or a pid, in upper or lower case.
    """

    host: str = ""
    service: str = ""
    text: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "FleetFilters":
        """From the query of an address; what is too long is cut."""
        return cls(*(query.get(name, "")[:LONGEST_FILTER] for name in ("host", "service", "text")))

    def chosen(self, fleet: Fleet) -> Fleet:
        """The processes that are let through, and their hosts; also hosts without processes, unless these are chosen by
        more than the host."""
        processes = [row for row in fleet.processes if self._lets_through(row)]
        named = {row.known.host for row in processes}
        text = self.text.lower()
        hosts = [
            host
            for host in fleet.hosts
            if host.name in named or (self.host in ("", host.name) and not self.service and text in host.name.lower())
        ]
        return Fleet(hosts, processes)

    def _lets_through(self, row: ProcessRow) -> bool:
        process = row.known.process
        known = row.known.host, process.exe, process.go_version, process.level, str(process.key.pid)
        return (
            self.host in ("", row.known.host)
            and self.service in ("", row.service)
            and any(self.text.lower() in name.lower() for name in known)
        )


def fleet(processes: Sequence[ProcessRow], newest: Newest, now_unix_nano: int) -> Fleet:
    """What is known of the hosts of these processes, and of all others of which something is."""
    heard, versions = newest.ages(now_unix_nano), newest.versions()
    lost: dict[str, dict[str, int]] = {host: {} for host in versions}
    for loss in newest.losses():
        if loss.total and loss.host in lost:
            lost[loss.host][loss.name] = loss.total
    running = [row for row in processes if not row.known.process.ended_unix_nano]
    counts = Counter(row.known.host for row in running)
    hosts = [
        HostRow(host, versions.get(host, ""), *heard_of(heard.get(host)), counts[host], lost.get(host))
        for host in {*heard, *(row.known.host for row in processes)}
    ]
    hosts.sort(key=lambda host: (not host.is_stale, host.name))
    return Fleet(hosts, sorted(running, key=lambda row: -row.live))


def heard_of(age: tuple[int, bool] | None) -> tuple[int, bool, bool]:
    """(age in nanoseconds, whether it is known, whether it is stale) of a host; None stands for one that is silent."""
    return (0, False, True) if age is None else (age[0], True, age[1])


def document(shown: Fleet) -> dict[str, Any]:
    """What `?format=json` gives."""
    return {
        "hosts": [
            {
                "host": host.name,
                "agent_version": host.version or None,
                "age_ns": host.age_ns if host.age_is_known else None,
                "stale": host.is_stale,
                "running": host.processes,
                "lost": host.lost,
            }
            for host in shown.hosts
        ],
        "processes": list(map(process_rows.document, shown.processes)),
    }
