"""Takes the folders out of every path that the agent reports, where the operator wants it. Functions keep their names.

It stands before the uplink, the spool and the query service, so that nothing they have ever had a folder's name in it.
ADR 0053 says what is shortened and why nothing else needs to be.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from gosonde_common.values.audit import AuditEvent
from gosonde_common.values.goroutines import Goroutine, Location
from gosonde_common.values.observation import (
    Observation,
    Process,
    ProcessKey,
    Site,
    SiteCount,
    TimerReading,
)

from gosonde_agent.golang.bounded import BoundedCache

MAX_KEPT_SITES = 100_000

#: Makes of a goroutine what may be reported of it.
Redact = Callable[[Goroutine], Goroutine]


def same(goroutine: Goroutine) -> Goroutine:
    """Nothing is redacted."""
    return goroutine


def last_element(path: str) -> str:
    """What stands behind the last slash."""
    return path.rpartition("/")[2]


class Redaction:
    """Shortens executables and source files to their last element."""

    def __init__(self) -> None:
        self._sites: BoundedCache[Site, Site] = BoundedCache(MAX_KEPT_SITES)

    def observation(self, seen: Observation) -> Observation:
        """The same without folders."""
        exes = {process.key: process.exe for process in seen.processes}
        return replace(
            seen,
            processes=tuple(_process(process) for process in seen.processes),
            site_counts=tuple(self._count(row) for row in seen.site_counts),
            timers=tuple(_timers(row, exes) for row in seen.timers),
            audit=tuple(map(_event, seen.audit)),
        )

    def goroutine(self, seen: Goroutine) -> Goroutine:
        """The same without folders."""
        return replace(
            seen, created_by=_location(seen.created_by), stack=tuple(_location(frame) for frame in seen.stack)
        )

    def _count(self, row: SiteCount) -> SiteCount:
        return row._replace(site=self._sites.get(row.site, _site))


def _process(process: Process) -> Process:
    exe = last_element(process.exe)
    return replace(process, exe=exe, refusal=process.refusal.replace(process.exe, exe))


def _timers(row: TimerReading, exes: Mapping[ProcessKey, str]) -> TimerReading:
    exe = exes.get(row.process, "")
    return replace(row, unread=row.unread.replace(exe, last_element(exe))) if exe else row


def _event(event: AuditEvent) -> AuditEvent:
    exe = last_element(event.exe)
    return replace(event, exe=exe, detail=event.detail.replace(event.exe, exe)) if event.exe else event


def _site(site: Site) -> Site:
    return replace(site, file=last_element(site.file))


def _location(location: Location) -> Location:
    return Location(location.function, last_element(location.file), location.line)
