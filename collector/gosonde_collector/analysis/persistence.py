"""Whether the same goroutines are there in one snapshot and in a later one: those that leak stay, churn does not."""

from dataclasses import dataclass, replace
from typing import Final

from gosonde_collector.analysis.matching import goroutines_of
from gosonde_collector.analysis.steps import SECOND, Steps
from gosonde_collector.analysis.witnesses import (
    AGREES,
    DISAGREES,
    SILENT,
    Witness,
    live_around,
)
from gosonde_collector.model.values import Site
from gosonde_collector.store.records import Series, Snapshot

#: A rise that was as large by the time of the earlier snapshot says who should still be there.
MIN_RISE: Final = 16
#: When fewer than this share of that rise is still there, the growth is one of goroutines that come and go.
STAYING: Final = 0.5
#: Exits between the two snapshots that say whose turn comes, and the share of them that older goroutines must make up.
MIN_TURNS, SERVED = 10, 0.5


@dataclass(frozen=True, slots=True)
class Persistence:
    """Goroutines of one site in two snapshots.

    Attributes:
        witness: Where the snapshots come from, as a witness's name.
        earlier_unix_nano: When the first was taken.
        later_unix_nano: When the second was taken.
        earlier: Goroutines in the first.
        persisted: How many of these are in the second.
        later: Goroutines in the second.
    """

    witness: str
    earlier_unix_nano: int
    later_unix_nano: int
    earlier: int
    persisted: int
    later: int


def persistence(witness: str, site: Site, earlier: Snapshot | None, later: Snapshot | None) -> Persistence | None:
    """None when there are no two snapshots that name goroutines of the site."""
    if earlier is None or later is None:
        return None
    before, after = (_goids(snapshot, site) for snapshot in (earlier, later))
    if not before or not after:
        return None
    taken = earlier.taken_unix_nano, later.taken_unix_nano
    return Persistence(witness, *taken, len(before), len(before & after), len(after))


def _goids(snapshot: Snapshot, site: Site) -> frozenset[int]:
    return frozenset(goid for group in goroutines_of(snapshot.profile, site) for goid in group.goids)


def weighed(witness: Witness, series: Series, kept: Persistence | None) -> Witness:
    """The witness with what persistence adds: it contradicts when those that the growth had left by then are gone."""
    if kept is None or kept.witness != witness.name:
        return witness
    apart = (kept.later_unix_nano - kept.earlier_unix_nano) / SECOND
    detail = f"{witness.detail}; of {kept.earlier} goroutines {apart:.0f} s earlier, {kept.persisted} are still there"
    if witness.verdict not in {AGREES, SILENT} or not turns_over(series, kept):
        return replace(witness, detail=detail)
    return replace(witness, verdict=DISAGREES, detail=f"{detail}: they come and go")


def served(series: Series, kept: Persistence | None) -> bool | None:
    """Whether those that exit are those that were there before, as when everyone's turn comes, only too late.

    False when newer ones exit instead, and the others stay; None when that is unknown.
    """
    if kept is None:
        return None
    exited = Steps.of(series).exited_between(kept.earlier_unix_nano, kept.later_unix_nano)
    turns = min(exited.low, kept.earlier)
    return kept.earlier - kept.persisted >= SERVED * turns if turns >= MIN_TURNS else None


def turns_over(series: Series, kept: Persistence) -> bool:
    """Whether too few stay for the growth that there had been at the time of the earlier snapshot."""
    before = series.unix_nano <= kept.earlier_unix_nano
    if not before.any():
        return False
    live, _ = live_around(series, kept.earlier_unix_nano)
    rise = live - int(series.live[before].min())
    return rise >= MIN_RISE and kept.persisted < STAYING * rise
