"""The container of a process is stored with it, also names that are known later, and processes are chosen by it."""

from dataclasses import replace

import pytest
from gosonde_collector.model.values import ProcessFilter, ProcessKey
from gosonde_collector.store.protocol import Store
from gosonde_common.errors import InvalidInputError
from gosonde_common.values.containers import NO_CONTAINER, Container

from tests.unit.collector.batches import KEY, SITE, START, batch, process
from tests.unit.collector.stores import OpenStore

ID = Container("a" * 64, "0b7e3a4c-9f31-4d52-8a77-5a1d2c3b4e5f")
SHOP = replace(ID, namespace="shop", pod="checkout-1", name="server", workload="checkout")
NIGHT = Container("b" * 64, "", "batch", "night-1", "worker", "night")
OTHER, BARE = ProcessKey("boot", 5, 100, 0), ProcessKey("boot", 6, 100, 0)


@pytest.fixture
def three(store: Store) -> Store:
    """Three processes, of which one is in no container."""
    processes = [process(container=SHOP), process(OTHER, container=NIGHT), process(BARE)]
    counters = [(place, SITE.pc, 10, 0) for place in range(3)]
    cycles = [(place, 0, START, START + 1) for place in range(3)]
    store.append([batch(1, counters=counters, processes=processes, cycles=cycles)])
    return store


def test_names_that_are_known_later_are_the_names(store: Store) -> None:
    store.append([batch(1, processes=[process(container=ID)])])
    assert [known.process.container for known in store.processes(ProcessFilter())] == [ID]
    store.append([batch(2, processes=[process(container=SHOP)])])
    (known,), (running,) = store.processes(ProcessFilter()), store.running().values()
    assert known.process.container == running.process.container == SHOP
    assert known.process == process(container=SHOP)


def test_they_are_still_there_when_the_store_is_opened_again(open_one: OpenStore) -> None:
    store = open_one()
    store.append([batch(1, processes=[process(container=SHOP)])])
    store.close()
    again = open_one()
    assert again.processes(ProcessFilter())[0].process.container == SHOP
    past = again.past("web-1", KEY)
    assert past
    assert past.known.process.container == SHOP


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (NO_CONTAINER, {KEY, OTHER, BARE}),
        (Container(namespace="shop"), {KEY}),
        (Container(pod="night-1"), {OTHER}),
        (Container(workload="night", namespace="batch"), {OTHER}),
        (Container(workload="night", namespace="shop"), set()),
        (Container(namespace="sho"), set()),
    ],
)
def test_every_list_is_about_the_containers_that_were_asked_for(
    three: Store, wanted: Container, found: set[ProcessKey]
) -> None:
    which = ProcessFilter(container=wanted)
    assert {known.process.key for known in three.processes(which)} == found
    assert {total.process for total in three.sites(which)} == found
    assert {cycle.process for cycle in three.gc_cycles(which, 10)} == found
    assert set(three.keys(which)) == found


def test_a_name_that_no_container_can_have_is_no_filter() -> None:
    with pytest.raises(InvalidInputError, match="filter: namespace is 'Shop', which is no name"):
        ProcessFilter(container=Container(namespace="Shop"))
