"""What is shown of one snapshot, and of two: rows of plain values, within bounds that say what they leave out."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from gosonde_common import foreign
from gosonde_common.flames.placing import state_of
from gosonde_common.values.goroutines import Kind, Location

from gosonde_collector.analysis.comparison import Change, compare, identities
from gosonde_collector.analysis.looked_at import groups
from gosonde_collector.evidence.model import CUT, WITH_STATEMENT, GoroutineProfile
from gosonde_collector.web.snapshot_filters import Filters
from gosonde_collector.web.snapshot_list import SnapshotRow, of_snapshot

#: Rows of a table, calls of all rows together, and characters of a name.
MOST_ROWS: Final = 500
MOST_CALLS: Final = 20_000
MOST_NAME: Final = 512


@dataclass(frozen=True, slots=True)
class Chosen:
    """A snapshot that can be looked at."""

    row: SnapshotRow
    profile: GoroutineProfile


@dataclass(slots=True)
class _Stacks:
    """Stacks of rows, with all calls together within MOST_CALLS; the first rows take what they need."""

    room: int = field(default=MOST_CALLS)

    def of(self, kind: Kind) -> dict[str, Any]:
        shown = kind.stack[: self.room]
        self.room -= len(shown)
        return {
            "state": _short(state_of(kind)),
            "created_by": _place(kind.created_by),
            "stack": list(map(_place, shown)),
            "calls_left_out": len(kind.stack) - len(shown),
        }


def document(chosen: Sequence[Chosen], filters: Filters) -> dict[str, Any]:
    """What `?format=json` gives, and pages show, of one snapshot or of two, the earlier one first.

    Raises:
        InvalidInputError: A filter cannot be answered.
    """
    return one(chosen[0], filters) if len(chosen) == 1 else two(chosen[0], chosen[1], filters)


def one(chosen: Chosen, filters: Filters) -> dict[str, Any]:
    """The groups of one snapshot, the largest first. Raises as `document`."""
    (found,) = filters.parts(chosen.profile)
    together, stacks = groups(found), _Stacks()
    rows = [
        {"goroutines": group.goroutines, "longest_wait_ns": group.wait_ns, **stacks.of(group.kind)}
        for group in together[:MOST_ROWS]
    ]
    return {
        "snapshot": of_snapshot(chosen.row),
        "goroutines": sum(part.goroutines for part in found),
        "groups": rows,
        "groups_left_out": len(together) - len(rows),
        "notes": _notes([chosen]),
    }


def two(earlier: Chosen, later: Chosen, filters: Filters) -> dict[str, Any]:
    """What changed from one to the other, what came most first. Raises as `document`."""
    before, after = filters.parts(earlier.profile, later.profile)
    found = compare(before, after, identities(earlier.profile, later.profile))
    stacks = _Stacks()
    names_sites = {earlier.profile.format, later.profile.format} <= WITH_STATEMENT
    sites = [{**_place(site), **asdict(change)} for site, change in found.sites[:MOST_ROWS]] if names_sites else None
    return {
        "earlier": of_snapshot(earlier.row),
        "later": of_snapshot(later.row),
        "is_by_identity": found.is_by_identity,
        "total": asdict(found.total),
        "sites": sites,
        "sites_left_out": len(found.sites) - len(sites) if sites is not None else 0,
        "stacks": [_stack_row(kind, change, stacks) for kind, change in found.stacks[:MOST_ROWS]],
        "stacks_left_out": max(len(found.stacks) - MOST_ROWS, 0),
        "notes": _notes([earlier, later]),
    }


def _stack_row(kind: Kind, change: Change, stacks: _Stacks) -> dict[str, Any]:
    return {**stacks.of(kind), **asdict(change)}


def _notes(chosen: Sequence[Chosen]) -> list[str]:
    """What must be known to read the numbers rightly."""
    formats = sorted({one.profile.format for one in chosen})
    notes = []
    if CUT in formats:
        notes.append("A dump is cut off: goroutines behind its end are missing.")
    if len(formats) > 1:
        notes.append(
            f"The snapshots are of two formats ({' and '.join(formats)}), which can write one stack in two ways: it "
            "stands there as gone and come."
        )
    if any(one.profile.kind != chosen[0].profile.kind for one in chosen):
        notes.append("One of them has only goroutines that the runtime proved to leak.")
    return notes


def _place(place: Location) -> dict[str, Any]:
    return {"function": _short(place.function), "file": _short(place.file), "line": place.line}


def _short(text: str) -> str:
    return text if len(text) <= MOST_NAME else f"{text[:MOST_NAME]}{foreign.ENDING}"
