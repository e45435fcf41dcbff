"""A label stands out among a site's goroutines where most of them have it, and others seldom do."""

from dataclasses import replace

import pytest
from gosonde_collector.analysis.label_shares import MOST, standing_out
from gosonde_collector.evidence.model import GoroutineProfile
from gosonde_collector.model.values import Site
from gosonde_collector.store.records import Snapshot
from gosonde_common.values.goroutines import Location
from gosonde_common.values.labels import EVERYONE, KeyCount, LabelShare, LabelTally, PlaceLabels

SITE = Site("b", 1, "main.fetch[go.shape.int]", "main.go", 42, "main.fetch.func1")
PLACE, OTHER = Location("main.fetch[...]", "/srv/main.go", 42), Location("main.other", "/srv/main.go", 7)


def snapshot(*labels: PlaceLabels, form: str = "memory") -> Snapshot:
    return Snapshot("s", 77, GoroutineProfile(form, (), 77, labels=labels))


def counted(here: dict[str, int], elsewhere: dict[str, int]) -> Snapshot:
    """Goroutines of the site, and of another one, by endpoint; "" for none."""
    tally = LabelTally()
    for place, counts in ((PLACE, here), (OTHER, elsewhere)):
        for endpoint, count in counts.items():
            tally.add(place, (("endpoint", endpoint),) if endpoint else (), count)
    return snapshot(*tally.found())


def test_what_nine_of_ten_have_and_few_others_is_told_with_its_time() -> None:
    found = standing_out(counted({"/export": 9, "/list": 1}, {"/list": 30, "/export": 2}), SITE)
    assert found == (LabelShare("endpoint", "/export", 9, 9, 10, 77),)
    assert found[0].said == "9 of 10 have endpoint=/export"


@pytest.mark.parametrize(
    ("here", "elsewhere"),
    [
        ({"/export": 10}, {"/export": 60, "": 40}),
        ({"/export": 4, "/list": 6, "": 10}, {}),
        ({"/export": 1}, {"": 10}),
    ],
)
def test_what_others_have_too_or_fewer_than_half_or_one_alone_is_not_told(
    here: dict[str, int], elsewhere: dict[str, int]
) -> None:
    assert standing_out(counted(here, elsewhere), SITE) == ()


def test_a_snapshot_without_labels_of_the_site_says_nothing() -> None:
    assert standing_out(counted({"": 10}, {"/list": 10}), SITE) is None
    assert standing_out(counted({"/export": 10}, {}), replace(SITE, line=43)) is None


def test_profiles_that_name_no_statement_are_matched_by_the_first_function() -> None:
    key = (KeyCount("endpoint", 9, (("/export", 9),)),)
    here = PlaceLabels(Location("main.fetch.func1", "", 0), 10, key)
    everyone = PlaceLabels(EVERYONE, 100, key)
    assert standing_out(snapshot(everyone, here, form="proto"), SITE) == (
        LabelShare("endpoint", "/export", 9, 9, 10, 77),
    )
    assert standing_out(snapshot(everyone, here, form="proto"), replace(SITE, start_function="")) is None


def test_a_key_without_values_comes_behind_and_bounds_are_kept() -> None:
    keys = (KeyCount("customer", 10), KeyCount("endpoint", 10, (("/export", 8),), 5))
    found = standing_out(snapshot(PlaceLabels(EVERYONE, 20, keys), PlaceLabels(PLACE, 10, keys)), SITE)
    assert found == (
        LabelShare("endpoint", "/export", 8, 10, 10, 77),
        LabelShare("customer", None, 10, 10, 10, 77),
    )


def test_no_more_than_some_are_told() -> None:
    keys = tuple(KeyCount(f"k{n}", 10, (("v", 10),)) for n in range(16))
    found = standing_out(snapshot(PlaceLabels(EVERYONE, 10, keys), PlaceLabels(PLACE, 10, keys)), SITE)
    assert found is not None
    assert len(found) == MOST
