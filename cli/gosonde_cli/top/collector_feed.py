"""Pictures of all that a collector knows."""

import shlex
import time
from collections.abc import Iterable, Sequence
from typing import Final

from gosonde.collector_client import CollectorClient, Finding, GcRow, ProcessRow, SiteRow
from gosonde_common.errors import UnavailableError

from gosonde_cli import rendering
from gosonde_cli.commands import sites
from gosonde_cli.rendering import Figure, counted, duration
from gosonde_cli.tables import known
from gosonde_cli.tables.asked import AskedOfCollector
from gosonde_cli.top.feed import Feed
from gosonde_cli.top.picture import Entry, Key, Picture

#: Between two questions at least, and how many times as long as the last answers took.
REST_SECONDS: Final = 2.0
REST_FACTOR: Final = 4.0
#: An answer that takes longer is none.
ANSWER_SECONDS: Final = 10.0
#: GC cycles of each process.
CYCLES: Final = 20

#: Host, pid, function, file and line.
Place = tuple[str, int, str, str, int]


class CollectorFeed(Feed):
    """Of the processes of a collector that are asked for."""

    def __init__(self, asked: AskedOfCollector) -> None:
        super().__init__(Picture(f"gosonde top  {asked.collector}", doing="Asking the collector ...", is_fleet=True))
        self._asked = asked

    def watch(self) -> None:
        """Asks again and again; a collector that answered once may be away for a while.

        Raises:
            GosondeError: It did not answer the first time, or knows nothing of what is asked for.
        """
        with CollectorClient(self._asked.collector, ANSWER_SECONDS) as client:
            answered = self._ask(client)
            while not self.stopping.wait(max(REST_SECONDS, REST_FACTOR * (time.monotonic() - answered))):
                answered = time.monotonic()
                try:
                    self._ask(client)
                except UnavailableError as error:
                    self.picture = without_answer(self.picture, error)

    def _ask(self, client: CollectorClient) -> float:
        began = time.monotonic()
        asked, pid = self._asked, known.pid_of(self._asked.which)
        processes = known.selected(client.processes(asked.host, pid), asked.host, asked.which, asked.exe)
        self.picture = picture_of(
            self.picture.title,
            processes,
            known.of(asked, client.sites(asked.host, pid)),
            known.of(asked, client.gc(asked.host, pid, CYCLES)),
            known.of(asked, client.findings(asked.host, pid)),
        )
        return began


def without_answer(before: Picture, error: UnavailableError) -> Picture:
    """The same picture, of which it is said that it grows old."""
    note = f"the collector does not answer: {error}"
    return Picture(
        before.title,
        summary=before.summary,
        entries=before.entries,
        pauses_ns=before.pauses_ns,
        notes=(note,),
        seen=before.seen,
        is_fleet=True,
    )


def picture_of(
    title: str,
    processes: Sequence[ProcessRow],
    rows: Sequence[SiteRow],
    cycles: Sequence[GcRow],
    findings: Sequence[Finding],
) -> Picture:
    """Of the answers of a collector."""
    imprecise = {(row.host, row.pid) for row in processes if not row.precise and row.level != rendering.SAMPLED}
    sampled = {(row.host, row.pid) for row in processes if row.level == rendering.SAMPLED}
    of_place = {_place_of(finding): finding for finding in findings}
    entries = [
        _entry(cells, of_place.get((row.host, row.process.pid, row.function, row.file, row.line)))
        for row, cells in zip(rows, sites.table(rows, imprecise, sampled), strict=True)
    ]
    return Picture(
        title,
        summary=_summary(processes, entries),
        entries=entries,
        pauses_ns=_pauses(cycles),
        notes=tuple(known.gaps(processes)),
        about=tuple(sites.legend(rows, imprecise, sampled)),
        seen=time.monotonic(),
        is_fleet=True,
    )


def _place_of(finding: Finding) -> Place:
    site = finding.site
    return finding.host, finding.process.pid, site.function, site.file, site.line


def _entry(cells: tuple[object, ...], finding: Finding | None) -> Entry:
    live, created_s, exited_s, function, place, _created, _exited, host, pid, exe = cells
    if not (
        isinstance(live, int)
        and isinstance(created_s, Figure)
        and isinstance(exited_s, Figure)
        and isinstance(pid, Figure)
    ):
        raise TypeError("the cells of gosonde sites are others")
    key = Key(str(host), int(pid.number), str(function), str(place))
    waits, details = ("", _without_finding(key)) if finding is None else (finding.cause, tuple(_details(finding)))
    return Entry(key, str(exe), live, created_s, exited_s, waits, details)


def _without_finding(key: Key) -> tuple[str, ...]:
    """Where else stacks and states are: a collector keeps them with findings alone."""
    chosen = f" --function {shlex.quote(key.function)}" if key.function not in {"", "?"} else ""
    return (
        "no finding names it, and a collector has states and stacks of findings alone",
        f"they are on host {key.host}: gosonde goroutines {key.pid}{chosen}",
    )


def _details(finding: Finding) -> Iterable[str]:
    yield f"finding {finding.id}, {finding.state}, confidence {finding.confidence:.2f}"
    if finding.waits_in:
        yield f"waits in {finding.waits_in}"
    yield from (f"{witness}: {sentence}" for witness, sentence in finding.details.items())
    if finding.remedy:
        yield finding.remedy
    yield f"its stack: gosonde findings --explain {finding.id}"


def _pauses(cycles: Sequence[GcRow]) -> list[int]:
    """How long each cycle of any process stopped its world, oldest first."""
    ordered = sorted(cycles, key=lambda cycle: cycle.start_unix_nano)
    return [sum(pause.duration_ns for pause in cycle.pauses) for cycle in ordered]


def _summary(processes: Sequence[ProcessRow], entries: Sequence[Entry]) -> str:
    live = sum(entry.live for entry in entries)
    now = [row for row in processes if not row.stale]
    text = (
        f"{live:,} live at {counted(len(entries), 'go statement')} of {counted(len(processes), 'process', 'processes')}"
    )
    if costliest := max(now, key=lambda row: row.overhead_percent, default=None):
        text += f"; counting costs {costliest.overhead_percent:.1f} % of CPU at most"
    if now:
        text += f"; {duration(min(row.age_ns for row in now))} ago"
    return text
