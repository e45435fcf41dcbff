"""The goroutines of a finding in the newest snapshot: the oldest of them one by one, and all of them for pprof."""

import heapq
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from gosonde_common.errors import NotFoundError

from gosonde_collector.analysis.explanation import Explanation
from gosonde_collector.analysis.matching import goroutines_of
from gosonde_collector.analysis.snapshot_cache import MOST
from gosonde_collector.evidence.model import GoroutineGroup
from gosonde_collector.evidence.writing import as_pprof
from gosonde_collector.store.protocol import Store

#: Goroutines that are shown one by one.
MOST_SHOWN: Final = 50
SECOND_NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class OneGoroutine:
    """A goroutine of the finding.

    Attributes:
        state: Its wait reason or status.
        at_least_ns: How old it is at least, when the snapshot was taken; None where nothing says.
        wait_ns: How long it or one with the same stack has waited; None where the runtime has not noted it.
        seen_unix_nano: When the first of the newest snapshots that has it was taken.
    """

    goid: int
    state: str
    at_least_ns: int | None
    wait_ns: int | None
    seen_unix_nano: int


@dataclass(frozen=True, slots=True)
class Listing:
    """The oldest goroutines of a snapshot, the oldest first.

    Attributes:
        taken_unix_nano: When the snapshot was taken; 0 when there is none.
        format: As GoroutineProfile's.
        goroutines: How many of the finding's it has.
    """

    taken_unix_nano: int = 0
    format: str = ""
    goroutines: int = 0
    oldest: Sequence[OneGoroutine] = ()

    @property
    def not_shown(self) -> int:
        """How many of them are not listed."""
        return self.goroutines - len(self.oldest)


def listing(store: Store, known: Explanation) -> Listing:
    """Raises StoreError."""
    if known.snapshot is None:
        return Listing()
    profile, taken = known.snapshot.profile, known.snapshot.taken_unix_nano
    groups = goroutines_of(profile, known.finding.site)
    total = sum(group.count for group in groups)
    return Listing(taken, profile.format, total, _oldest(store, known, groups))


def _oldest(store: Store, known: Explanation, groups: Sequence[GoroutineGroup]) -> list[OneGoroutine]:
    """The runtime numbers goroutines as it makes them: those with the lowest numbers are the oldest."""
    series, snapshot, ages = known.series, known.snapshot, known.ages_by_goid
    if series is None or snapshot is None:
        return []
    of = heapq.nsmallest(MOST_SHOWN, ((goid, place) for place, group in enumerate(groups) for goid in group.goids))
    if not of:
        return []
    first = store.first_seen(series.host, series.process.key, series.site.line, [goid for goid, _ in of], MOST)
    return [
        OneGoroutine(
            goid,
            groups[place].state,
            ages.at_least(goid) if ages else None,
            groups[place].wait_s * SECOND_NS or None,
            first.get(goid, snapshot.taken_unix_nano),
        )
        for goid, place in of
    ]


def document(listed: Listing) -> dict[str, Any] | None:
    """As JSON; None when there is no snapshot."""
    return {**asdict(listed), "not_shown": listed.not_shown} if listed.taken_unix_nano else None


def pprof(known: Explanation) -> bytes:
    """All goroutines of the finding in the newest snapshot, as a gzipped profile.proto.

    Raises:
        NotFoundError: There is no snapshot, or it has none of them.
    """
    if known.snapshot is None:
        raise NotFoundError("there is no snapshot of the goroutines of this process")
    profile = known.snapshot.profile
    groups = goroutines_of(profile, known.finding.site)
    if not groups:
        raise NotFoundError("the newest snapshot of this process has no goroutine of this finding")
    return as_pprof(groups, profile.format, known.snapshot.taken_unix_nano)
