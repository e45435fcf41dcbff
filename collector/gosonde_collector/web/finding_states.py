"""What the goroutines of a finding waited for, from snapshot to snapshot."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from gosonde_collector.analysis.finding import Finding
from gosonde_collector.analysis.matching import is_statement
from gosonde_collector.analysis.snapshot_cache import MOST
from gosonde_collector.store.protocol import Store


@dataclass(frozen=True, slots=True)
class StatesThen:
    """How many were in each state, or waited for each reason, when a snapshot of memory was taken: the most first."""

    taken_unix_nano: int
    states: Sequence[tuple[str, int]]


def over_time(store: Store, finding: Finding) -> list[StatesThen]:
    """Of the newest snapshots those that have any, the newest first. Raises StoreError."""
    if finding.timers:
        return []
    seen = store.states_seen(finding.host, finding.process, finding.site.line, MOST)
    own = [one for one in seen if is_statement(one.created_by, finding.site)]
    return [
        StatesThen(taken, [(one.state, one.goroutines) for one in those])
        for taken, those in groupby(own, key=lambda one: one.taken_unix_nano)
    ]


def documents(found: Sequence[StatesThen]) -> list[dict[str, Any]]:
    """As JSON."""
    return [
        {
            "taken_unix_nano": then.taken_unix_nano,
            "states": [{"state": state, "goroutines": goroutines} for state, goroutines in then.states],
        }
        for then in found
    ]
