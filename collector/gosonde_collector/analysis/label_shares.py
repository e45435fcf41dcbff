"""Which labels stand out among a site's goroutines: docs/adr/0168-labels-in-findings.md says when one does."""

from collections.abc import Iterator
from typing import Final

from gosonde_common.values.labels import EVERYONE, FEWEST, LabelShare, PlaceLabels

from gosonde_collector.analysis.matching import is_statement
from gosonde_collector.evidence.model import WITH_STATEMENT, Frame, GoroutineProfile
from gosonde_collector.evidence.names import plain_name
from gosonde_collector.model.values import Site
from gosonde_collector.store.records import Snapshot

#: Labels that are reported for one finding.
MOST: Final = 5
#: At least this share of the site's goroutines have it, and so many times the share of all others that have it.
SHARE: Final = 0.5
TIMES: Final = 2.0


def standing_out(snapshot: Snapshot, site: Site) -> tuple[LabelShare, ...] | None:
    """The labels that stand out, the most frequent first; None where the snapshot says nothing of the site's labels."""
    profile = snapshot.profile
    place = max(_places(profile, site), key=lambda one: one.goroutines, default=None)
    if place is None:
        return None
    everyone = next((one for one in profile.labels if one.place == EVERYONE), place)
    return tuple(share for share in _shares(place, snapshot.taken_unix_nano) if _stands_out(share, everyone))[:MOST]


def _places(profile: GoroutineProfile, site: Site) -> Iterator[PlaceLabels]:
    start = plain_name(site.start_function)
    for one in profile.labels:
        place = one.place
        if profile.format in WITH_STATEMENT:
            if is_statement(Frame(place.function, place.file, place.line), site):
                yield one
        elif start and plain_name(place.function) == start:
            yield one


def _shares(place: PlaceLabels, taken_unix_nano: int) -> list[LabelShare]:
    shares = [
        LabelShare(of.key, value, count, min(count + of.missed, of.goroutines), place.goroutines, taken_unix_nano)
        for of in place.keys
        for value, count in of.values or ((None, of.goroutines),)
    ]
    return sorted(shares, key=lambda share: (share.value is None, -share.goroutines))


def _stands_out(share: LabelShare, everyone: PlaceLabels) -> bool:
    if share.goroutines < max(FEWEST, SHARE * share.of):
        return False
    others, elsewhere = everyone.goroutines - share.of, _having(everyone, share) - share.goroutines
    return others <= 0 or share.goroutines / share.of >= TIMES * max(elsewhere, 0) / others


def _having(everyone: PlaceLabels, share: LabelShare) -> int:
    """How many goroutines of the process have the label; 0 where that is not reported."""
    key = next((one for one in everyone.keys if one.key == share.key), None)
    if key is None:
        return 0
    return key.goroutines if share.value is None else dict(key.values).get(share.value, 0)
