"""Observations that hold only what changed, and how several become one that says the same in less detail."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from typing import TypeVar

from gosonde_common.values.observation import Observation

Row = TypeVar("Row")


def merged(older: Observation, newer: Observation) -> Observation:
    """Both as one at the newer time: the newer total of each row, the newer description, every event."""
    return replace(
        newer,
        processes=_newest(older.processes, newer.processes, lambda process: process.key),
        site_counts=_newest(older.site_counts, newer.site_counts, lambda row: (row.process, row.site.pc)),
        park_counts=_newest(older.park_counts, newer.park_counts, lambda row: (row.process, row.wait_reason)),
        gc_totals=_newest(older.gc_totals, newer.gc_totals, lambda row: row.process),
        probe_costs=_newest(older.probe_costs, newer.probe_costs, lambda row: row.process),
        pauses=older.pauses + newer.pauses,
        gc_cycles=older.gc_cycles + newer.gc_cycles,
    )


def events(segment: Observation) -> int:
    """How many stop-the-world pauses and GC cycles it holds."""
    return len(segment.pauses) + len(segment.gc_cycles)


def ended(segment: Observation) -> int:
    """How many processes it says the end of."""
    return sum(process.ended_unix_nano > 0 and not process.sums for process in segment.processes)


def without_events(segment: Observation) -> Observation:
    """The totals alone."""
    return replace(segment, pauses=(), gc_cycles=())


def _newest(older: Sequence[Row], newer: Sequence[Row], key: Callable[[Row], Hashable]) -> tuple[Row, ...]:
    rows = {key(row): row for row in older}
    for row in newer:
        rows[key(row)] = row
    return tuple(rows.values())


def limited(segment: Observation, most: int) -> tuple[Observation, int]:
    """The segment with its newest `most` events of each kind, and how many others it held."""
    kept = replace(segment, pauses=segment.pauses[-most:], gc_cycles=segment.gc_cycles[-most:])
    return kept, events(segment) - events(kept)
