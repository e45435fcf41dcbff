"""Everything that is known of one process, its sites and its garbage collector."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from gosonde_common.errors import NotFoundError
from gosonde_common.values.observation import NAMELESS_PC

from gosonde_collector.analysis.analyst import Analyst
from gosonde_collector.analysis.finding import Finding
from gosonde_collector.analysis.turnover import Turnover, turnovers
from gosonde_collector.model.values import GcCycle, ProcessFilter, Site, SiteTotal
from gosonde_collector.store.protocol import Store
from gosonde_collector.store.records import Past
from gosonde_collector.web import cost_line, pause_map, process_rows
from gosonde_collector.web.findings_list import harm
from gosonde_collector.web.process_rows import ProcessRow

#: The newest cycles that are shown.
MOST_CYCLES: Final = 100
SECOND_NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class SiteRow:
    """A site with what is estimated of it, and, of the one without a statement, without what others have of it.

    Attributes:
        is_estimated: All numbers but `live` contain an estimate.
        created_per_second: Of the last minute or so; None when nothing is known of before. `exited_per_second` too.
        line: Live goroutines at the end of each part of Past.
    """

    site: Site
    live: int
    created: int
    exited: int
    is_estimated: bool
    created_per_second: float | None
    exited_per_second: float | None
    line: tuple[int, ...]

    @property
    def is_nameless(self) -> bool:
        """Whether it stands for all goroutines of which no statement is known."""
        return self.site.pc == NAMELESS_PC


@dataclass(frozen=True, slots=True)
class ProcessView:
    """A process: the sites with the most live goroutines come first, the most harmful findings, the newest cycles."""

    row: ProcessRow
    past: Past
    sites: Sequence[SiteRow]
    findings: Sequence[Finding]
    cycles: Sequence[GcCycle]


def view(store: Store, analyst: Analyst, which: ProcessFilter, key: str, now_unix_nano: int) -> ProcessView:
    """What is known of the process of a host and a pid; `key` as process_rows.key_text, or "" for the newest one.

    Raises:
        NotFoundError: There is none.
        StoreError: The store fails.
    """
    its = next((one for one in store.keys(which) if process_rows.is_named(one, key)), None)
    past = store.past(which.host, its) if its else None
    if its is None or past is None:
        raise NotFoundError(f"no such process {which.pid} of host {which.host} is known")
    (row,) = process_rows.rows([past.known], analyst, store.clock_offsets(), now_unix_nano)
    findings = [found for found in analyst.findings(which) if found.process == its]
    cycles = [cycle for cycle in store.gc_cycles(which, MOST_CYCLES) if cycle.process == its]
    sites = map(_site, past.sites, turnovers(past.sites), past.live.tolist())
    return ProcessView(
        row, past, sorted(sites, key=lambda site: -site.live), sorted(findings, key=harm, reverse=True), cycles
    )


def row_of(store: Store, analyst: Analyst, which: ProcessFilter, key: str, now_unix_nano: int) -> ProcessRow:
    """The process alone. Arguments and errors as of `view`."""
    known = store.processes(which)
    one = next((one for one in known if process_rows.is_named(one.process.key, key)), None)
    if one is None:
        raise NotFoundError(f"no such process {which.pid} of host {which.host} is known")
    return process_rows.rows([one], analyst, store.clock_offsets(), now_unix_nano)[0]


def _site(total: SiteTotal, turnover: Turnover | None, line: list[int]) -> SiteRow:
    own = total.estimate
    return SiteRow(
        total.site,
        total.baseline + total.created - total.exited,
        max(total.created + (own.created if own else 0) - total.shared_created, 0),
        max(total.exited + (own.exited if own else 0) - total.shared_exited, 0),
        own is not None or bool(total.shared_created or total.shared_exited),
        turnover.created.number * SECOND_NS / turnover.over_ns if turnover else None,
        turnover.exited.number * SECOND_NS / turnover.over_ns if turnover else None,
        tuple(line),
    )


def document(known: ProcessView) -> dict[str, Any]:
    """What `?format=json` gives."""
    return {
        "process": process_rows.document(known.row),
        "since_unix_nano": known.past.since_unix_nano,
        "ends_unix_nano": known.past.ends_unix_nano,
        "sites": list(map(_site_document, known.sites)),
        "findings": [
            {"id": found.id, "state": found.state, "live": found.live, "cause": found.cause} for found in known.findings
        ],
        "gc_cycles": list(map(_cycle, known.cycles)),
        **cost_line.document(known.past),
        **pause_map.document(known.past),
    }


def _site_document(row: SiteRow) -> dict[str, Any]:
    return {
        "function": row.site.function,
        "file": row.site.file,
        "line": row.site.line,
        "live": row.live,
        "created": row.created,
        "exited": row.exited,
        "is_estimated": row.is_estimated,
        "created_per_second": row.created_per_second,
        "exited_per_second": row.exited_per_second,
        "live_then": row.line,
    }


def _cycle(cycle: GcCycle) -> dict[str, Any]:
    return {
        "cycle": cycle.cycle,
        "number": cycle.number,
        "start_unix_nano": cycle.start_unix_nano,
        "end_unix_nano": cycle.end_unix_nano,
        "pauses": list(map(asdict, cycle.pauses)),
        "heap": asdict(cycle.heap) if cycle.heap else None,
    }
