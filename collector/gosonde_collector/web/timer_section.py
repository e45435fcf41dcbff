"""The pending timers of a process, as its page shows them."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from gosonde_common.values.timers import TimerGroup

from gosonde_collector.store.protocol import Store
from gosonde_collector.store.records import Past, TimersRead
from gosonde_collector.web import sparklines
from gosonde_collector.web.process_rows import ProcessRow

#: Readings of so long are shown.
LOOKBACK_NS: Final = 3_600_000_000_000

#: What timers of one group have in common: see TimerGroup.
GroupKey = tuple[str, str, str, bool]


@dataclass(frozen=True, slots=True)
class GroupRow:
    """A group of the newest reading.

    Attributes:
        line: How many were pending at the end of each part of Past; 0 before the first reading of all.
    """

    group: TimerGroup
    line: tuple[int, ...]

    @property
    def drawn(self) -> str:
        """The line as a path of an SVG."""
        return sparklines.path(self.line)


@dataclass(frozen=True, slots=True)
class TimerSection:
    """What the newest reading found; without one, `newest` is None."""

    newest: TimersRead | None
    rows: Sequence[GroupRow]

    @property
    def is_estimated(self) -> bool:
        """Whether some of the timers alone were read."""
        return bool(self.newest and self.newest.found.each_stands_for > 1)


def section(store: Store, row: ProcessRow, past: Past) -> TimerSection:
    """The pending timers of a process. Raises StoreError."""
    readings = store.timers(row.known.host, row.known.process.key, LOOKBACK_NS)
    if not readings:
        return TimerSection(None, ())
    seen = [(reading.read_unix_nano, _pending(reading)) for reading in readings if not reading.unread]
    groups = readings[-1].found.groups
    return TimerSection(readings[-1], [GroupRow(one, _line(_key(one), seen, past.ends_unix_nano)) for one in groups])


def document(shown: TimerSection) -> dict[str, Any] | None:
    """What `?format=json` gives; None without a reading."""
    newest = shown.newest
    if newest is None:
        return None
    return {
        "read_unix_nano": newest.read_unix_nano,
        "unread_because": newest.unread,
        "pending": newest.pending,
        "is_estimated": shown.is_estimated,
        "changing": newest.found.changing,
        "unproved": newest.found.unproved,
        "heap_unread_because": newest.found.heap_unread,
        "other_groups": newest.other_groups,
        "pending_in_others": newest.others,
        "groups": list(map(_group_document, shown.rows)),
    }


def _group_document(row: GroupRow) -> dict[str, Any]:
    return {
        "callback": row.group.callback,
        "waits_in": row.group.waits_in,
        "kind": row.group.kind.value,
        "pending": row.group.pending,
        "next_in_ns": row.group.next_in_ns,
        "period_ns": row.group.period_ns,
        "retained_heap_bytes": row.group.retained_heap_bytes,
        "lasting": row.group.lasting,
        "pending_then": row.line,
    }


def _key(group: TimerGroup) -> GroupKey:
    return group.callback, group.waits_in, group.kind, group.period_ns is not None


def _pending(reading: TimersRead) -> dict[GroupKey, int]:
    return {_key(group): group.pending for group in reading.found.groups}


def _line(key: GroupKey, seen: Sequence[tuple[int, dict[GroupKey, int]]], ends: Sequence[int]) -> tuple[int, ...]:
    """What the newest reading up to each end found; the last part has the newest of all, which may be a bit younger."""
    times = [time for time, _ in seen]
    places = [*(bisect_right(times, end) for end in ends[:-1]), len(seen)]
    return tuple(seen[place - 1][1].get(key, 0) if place else 0 for place in places)
