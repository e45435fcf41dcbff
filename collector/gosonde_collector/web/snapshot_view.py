"""What is shown of one snapshot, and of two: rows of plain values, within bounds that say what they leave out."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from gosonde_common import foreign
from gosonde_common.flames.placing import state_of
from gosonde_common.values.estimates import Estimate
from gosonde_common.values.goroutines import Kind, Location

from gosonde_collector.analysis.comparison import Change, compare, identities
from gosonde_collector.analysis.looked_at import Looked, comparable, groups
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
            "is_unread": kind.unread,
        }


def document(chosen: Sequence[Chosen], filters: Filters) -> dict[str, Any]:
    """What `?format=json` gives, and pages show, of one snapshot or of two, the earlier one first.

    Raises:
        InvalidInputError: A filter cannot be answered.
    """
    return one(chosen[0], filters) if len(chosen) == 1 else two(chosen[0], chosen[1], filters)


def one(chosen: Chosen, filters: Filters) -> dict[str, Any]:
    """The groups of one snapshot, the largest first. Raises as `document`."""
    (found,) = filters.looked_at(chosen.profile)
    together, stacks = groups(found), _Stacks()
    rows = [
        {**_number(group.goroutines), "longest_wait_ns": group.wait_ns, **stacks.of(group.kind)}
        for group in together[:MOST_ROWS]
    ]
    return {
        "snapshot": of_snapshot(chosen.row),
        **_number(found.total),
        "groups": rows,
        "groups_left_out": len(together) - len(rows),
        "notes": _notes([chosen], [found]),
    }


def _number(goroutines: Estimate) -> dict[str, int]:
    return {"goroutines": goroutines.about, "at_least": goroutines.least, "at_most": goroutines.most}


def two(earlier: Chosen, later: Chosen, filters: Filters) -> dict[str, Any]:
    """What changed from one to the other, what came most first. Raises as `document`."""
    looked = filters.looked_at(earlier.profile, later.profile)
    before, after = comparable(looked)
    found = compare(before.parts, after.parts, identities(earlier.profile, later.profile))
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
        "notes": _notes([earlier, later], looked),
    }


def _stack_row(kind: Kind, change: Change, stacks: _Stacks) -> dict[str, Any]:
    return {**stacks.of(kind), **asdict(change)}


def sample_note(looked: Sequence[Looked]) -> str:
    """What to know of numbers where not all stacks were read, in a sentence; empty where all were."""
    if len(looked) == 1:
        return looked[0].strata.note()
    if not any(one.strata.is_sampled for one in looked):
        return ""
    read = " and ".join(f"{one.strata.read.total():,} of {one.strata.everyone.total():,}" for one in looked)
    return f"the stacks of {read} goroutines were read, so what changed is shown by state and go statement, and exactly"


def _notes(chosen: Sequence[Chosen], looked: Sequence[Looked]) -> list[str]:
    """What must be known to read the numbers rightly."""
    formats = sorted({one.profile.format for one in chosen})
    notes = [f"{note[0].upper()}{note[1:]}."] if (note := sample_note(looked)) else []
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
