"""Of a snapshot that has not all stacks, what headers say is exact, and what stacks say is an estimate with bounds."""

import gzip
import random
from dataclasses import replace

import pytest
from gosonde_collector.analysis.causes import classify
from gosonde_collector.analysis.comparison import compare, identities
from gosonde_collector.analysis.looked_at import Looked, Looking, comparable, groups
from gosonde_collector.evidence.model import Frame, GoroutineGroup, GoroutineProfile
from gosonde_collector.evidence.parse import parse_profile
from gosonde_collector.evidence.writing import as_pprof
from gosonde_collector.model.values import Site
from gosonde_collector.store.duckdb import DuckDBStore
from gosonde_common.flames.view import StackView
from gosonde_common.values.goroutines import Location

from tests.unit.collector.batches import KEY

BY = Frame("main.main", "/srv/main.go", 7)
SEND, READ = (Frame("main.send", "/srv/main.go", 9),), (Frame("main.read", "/srv/main.go", 12),)
SITE = Site("b", 1, BY.function, BY.file, BY.line, "main.send")


def group(goids: range, frames: tuple[Frame, ...], state: str = "chan send", *, unread: bool = False) -> GoroutineGroup:
    return GoroutineGroup(len(goids), frames, BY, state, 0, tuple(goids), unread=unread)


def sampled(send: int, read: int, unread: int, first: int = 1) -> GoroutineProfile:
    """With goids from a first one on."""
    ends = first, first + send, first + send + read, first + send + read + unread
    parts = [range(*ends[:2]), range(*ends[1:3]), range(*ends[2:])]
    found = (group(parts[0], SEND), group(parts[1], READ), group(parts[2], (), unread=True))
    return GoroutineProfile("memory", tuple(one for one in found if one.count), 7)


def looked(profile: GoroutineProfile, view: StackView | None = None) -> Looked:
    return Looking(view or StackView()).at(profile)


def test_stacks_stand_for_those_that_were_not_read_and_all_together_are_exact() -> None:
    found = looked(sampled(75, 25, 900))
    stacks = {one.kind.stack[0].function: one.goroutines for one in groups(found)}
    assert (stacks["main.send"].about, stacks["main.read"].about) == (750, 250)
    assert 600 < stacks["main.send"].least < 750 < stacks["main.send"].most < 900
    assert found.total.is_exact
    assert found.total.about == 1_000


def test_what_an_expression_over_calls_chooses_is_an_estimate_too() -> None:
    found = looked(sampled(75, 25, 900), StackView(focus=_Named("main.read")))
    assert found.total.about == 250
    assert not found.total.is_exact


class _Named:
    def __init__(self, function: str) -> None:
        self._function = function

    def matches(self, call: Location) -> bool:
        return call.function == self._function


def test_where_no_stack_of_a_state_was_read_that_is_a_group_of_its_own() -> None:
    profile = sampled(100, 0, 100)
    idle = group(range(5_000, 5_003), (), "IO wait", unread=True)
    found = groups(looked(replace(profile, groups=(*profile.groups, idle))))
    assert [(one.goroutines.about, one.kind.unread) for one in found] == [(200, False), (3, True)]
    assert found[1].goroutines.is_exact


@pytest.mark.parametrize("seed", range(5))
def test_the_bounds_hold_for_goroutines_that_chance_has_chosen(seed: int) -> None:
    chance, true, outside = random.Random(seed), {"main.send": 8_000, "main.read": 2_000}, 0
    for _ in range(100):
        read = {name: sum(chance.random() < 0.05 for _ in range(count)) for name, count in true.items()}
        profile = sampled(read["main.send"], read["main.read"], 10_000 - sum(read.values()))
        for one in groups(looked(profile)):
            outside += not one.goroutines.least <= true[one.kind.stack[0].function] <= one.goroutines.most
    assert outside <= 10


def test_what_changed_is_told_by_headers_alone_and_exactly() -> None:
    earlier, later = sampled(50, 50, 900), sampled(10, 90, 1_000, first=501)
    before, after = comparable([looked(earlier), looked(later)])
    found = compare(before.parts, after.parts, identities(earlier, later))
    ((kind, change),) = found.stacks
    assert (kind.stack, kind.unread) == ((), True)
    assert (change.before, change.after, change.stayed) == (1_000, 1_100, 500)
    assert (change.went, change.came, change.moved_here, change.moved_away) == (500, 600, 0, 0)
    assert [one.goroutines.about for one in groups(after)] == [1_100]


def test_snapshots_with_all_stacks_are_compared_with_them() -> None:
    sides = [looked(sampled(3, 2, 0)), looked(sampled(2, 3, 0))]
    assert comparable(sides) == sides


def test_a_cause_says_how_many_stacks_it_rests_on_and_scales_its_numbers() -> None:
    found = classify(SITE, sampled(90, 10, 900), None)
    assert found.name == "channel-send"
    assert [count for count, _ in found.stacks] == [900, 100]
    assert [(work.function, work.goroutines) for work in found.works] == [("main.send", 900), ("main.read", 100)]
    assert "of 1000 goroutines: 1000 chan send; the stacks of 100 of them were read" in found.reason
    assert "off by up to" in found.reason
    assert found.is_estimated
    whole = classify(SITE, sampled(90, 10, 0), None)
    assert "were read" not in whole.reason
    assert not whole.is_estimated


def test_that_stacks_were_not_read_survives_the_store_and_a_file(store: DuckDBStore) -> None:
    profile = sampled(7, 3, 90)
    kept = store.snapshot(store.add_snapshot("web-1", KEY, 7, profile))
    assert kept is not None
    assert kept.profile.groups == profile.groups
    again = parse_profile(gzip.decompress(as_pprof(profile.groups, "memory", 7)))
    assert isinstance(again, GoroutineProfile)
    assert [(one.count, one.unread) for one in again.groups] == [(7, False), (3, False), (90, True)]
    assert again.reading.partial == "the stacks of 10 of 100 goroutines were read, chosen by chance"
    assert len(again.stacks) == 2
