"""What people have muted: until when it holds, and what it covers."""

from dataclasses import replace

import pytest
from gosonde_collector.analysis import mutes
from gosonde_collector.analysis.mutes import MOST_MUTES, Mutes
from gosonde_collector.store.duckdb import DuckDBStore
from gosonde_collector.store.records import Mute
from gosonde_common.errors import OverloadedError

from tests.unit.collector.web.conftest import finding

MUTE = Mute("0000000000000001", "", "", "known", "ann", 10, 100)
WIDE = Mute("", "shop", "main.leak", "known", "", 10, 200)


def test_a_mute_ends_by_itself(store: DuckDBStore) -> None:
    now = [10]
    known = Mutes(store, lambda: now[0])
    known.add(MUTE)
    assert known.of(finding()) == MUTE
    now[0] = 100
    assert known.of(finding()) is None


def test_a_finding_that_becomes_worse_or_comes_again_stays_muted(store: DuckDBStore) -> None:
    known = Mutes(store, lambda: 10)
    known.add(MUTE)
    assert known.of(finding(state="resolved", live=0)) == MUTE
    assert known.of(finding(state="growing", live=1_000_000, confidence=1.0, restarts=3)) == MUTE


def test_of_two_mutes_that_cover_a_finding_the_longer_one_counts(store: DuckDBStore) -> None:
    known = Mutes(store, lambda: 10)
    known.add(MUTE)
    known.add(WIDE)
    assert known.of(finding()) == WIDE
    assert known.of(finding(2)) == WIDE
    assert known.of(finding(2, exe="/srv/pay")) is None


def test_a_mute_takes_the_place_of_one_that_covers_the_same(store: DuckDBStore) -> None:
    known = Mutes(store, lambda: 10)
    known.add(replace(MUTE, until_unix_nano=900))
    known.add(MUTE)
    assert store.mutes() == [MUTE]


def test_mutes_that_are_over_are_kept_no_longer_than_until_the_next_one(store: DuckDBStore) -> None:
    store.save_mutes([replace(MUTE, until_unix_nano=5)])
    known = Mutes(store, lambda: 10)
    assert known.of(finding()) is None
    known.add(WIDE)
    assert store.mutes() == [WIDE]
    known.end(finding())
    assert store.mutes() == []


def test_there_is_a_bound_on_mutes(store: DuckDBStore, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST_MUTES == 1_000
    monkeypatch.setattr(mutes, "MOST_MUTES", 2)
    known = Mutes(store, lambda: 10)
    known.add(MUTE)
    known.add(WIDE)
    with pytest.raises(OverloadedError):
        known.add(replace(MUTE, finding="another"))
    assert len(store.mutes()) == 2
