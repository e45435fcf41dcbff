"""What receivers of alerts know is stored as a whole, and a restart finds it."""

import pytest
from gosonde_collector.model.errors import DiskFullError
from gosonde_collector.store.protocol import Store
from gosonde_collector.store.records import Reported

from tests.unit.collector.stores import OpenStore

FIRST = Reported("receiver", "finding", '{"a": "\\"é\\u0000"}')
SECOND = Reported("another", "finding", "{}")


def test_what_is_stored_takes_the_place_of_all_before_it(store: Store) -> None:
    assert store.reported() == []
    store.save_reported([FIRST])
    store.save_reported([FIRST, SECOND])
    assert sorted(store.reported(), key=lambda one: one.receiver) == [SECOND, FIRST]
    store.save_reported([])
    assert store.reported() == []


def test_it_is_there_after_a_restart(open_one: OpenStore) -> None:
    before = open_one()
    before.save_reported([FIRST])
    before.close()
    assert open_one().reported() == [FIRST]


def test_without_room_nothing_is_stored_and_nothing_lost(store: Store) -> None:
    store.save_reported([FIRST])
    if store.free() is None:
        pytest.skip("this server does not say how much room it has")
    store.min_free_bytes = 1 << 60
    with pytest.raises(DiskFullError):
        store.save_reported([])
    assert store.reported() == [FIRST]
