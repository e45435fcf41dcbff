"""Observations that hold only what changed, and how several become one that says the same in less detail."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final, TypeVar

from gosonde_common.values.observation import (
    GcTotal,
    Observation,
    ParkCount,
    ProbeCost,
    ProofCount,
    RuntimeReading,
    Search,
    SiteEstimate,
    TimerReading,
)

Row = TypeVar("Row")

NewestRow = ParkCount | GcTotal | ProbeCost | ProofCount | RuntimeReading | Search | SiteEstimate | TimerReading

#: Small tables of which only the newest row counts: by what identifies those of one process.
NEWEST: Final[Mapping[str, Callable[[Any], Hashable]]] = {
    "park_counts": lambda row: row.wait_reason,
    "gc_totals": lambda _: None,
    "probe_costs": lambda _: None,
    "proofs": lambda row: row.pc,
    "searches": lambda _: None,
    "estimates": lambda row: row.site.pc,
    "timers": lambda _: None,
    "runtimes": lambda _: None,
}


def merged(older: Observation, newer: Observation) -> Observation:
    """Both as one at the newer time: the newer total of each row, the newer description, every event."""
    tables: dict[str, Any] = {
        name: _newest(getattr(older, name), getattr(newer, name), partial(_identified, key))
        for name, key in NEWEST.items()
    }
    return replace(
        newer,
        processes=_newest(older.processes, newer.processes, lambda process: process.key),
        site_counts=_newest(older.site_counts, newer.site_counts, lambda row: (row.process, row.site.pc)),
        pauses=older.pauses + newer.pauses,
        gc_cycles=older.gc_cycles + newer.gc_cycles,
        audit=older.audit + newer.audit,
        **tables,
    )


def events(segment: Observation) -> int:
    """How many stop-the-world pauses and GC cycles it holds."""
    return len(segment.pauses) + len(segment.gc_cycles)


def ended(segment: Observation) -> int:
    """How many processes it says the end of."""
    return sum(process.ended_unix_nano > 0 and not process.sums for process in segment.processes)


def without_events(segment: Observation) -> Observation:
    """The totals, and what was audited, which is little."""
    return replace(segment, pauses=(), gc_cycles=())


def _identified(key: Callable[[Any], Hashable], row: NewestRow) -> Hashable:
    return row.process, key(row)


def _newest(older: Sequence[Row], newer: Sequence[Row], key: Callable[[Row], Hashable]) -> tuple[Row, ...]:
    rows = {key(row): row for row in older}
    for row in newer:
        rows[key(row)] = row
    return tuple(rows.values())


def limited(segment: Observation, most: int) -> tuple[Observation, int]:
    """The segment with its newest `most` events of each kind, and how many others it held; of audit events, the first.

    Who wants his own forgotten could make many.
    """
    kept = replace(
        segment, pauses=segment.pauses[-most:], gc_cycles=segment.gc_cycles[-most:], audit=segment.audit[:most]
    )
    return kept, events(segment) - events(kept)
