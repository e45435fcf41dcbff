"""Who has done what is stored once, as it came first, and given back with what was stored last first."""

from dataclasses import replace

from gosonde_collector.model.values import ProcessFilter
from gosonde_collector.store.protocol import Store
from gosonde_common.values.audit import Act, Actor

from tests.unit.collector.batches import KEY, SECOND, START, STREAM, act, batch
from tests.unit.collector.stores import OpenStore

ALL = ProcessFilter()
AGAIN = replace(STREAM, agent_epoch="epoch-2")


def ordinals(store: Store, which: ProcessFilter = ALL, since: int = 0, limit: int = 100) -> list[int]:
    return [record.event.ordinal for record in store.audit(which, since, limit)]


def test_an_event_comes_back_as_it_was_noted_with_where_and_when_it_was_stored(store: Store) -> None:
    event = act(3, who="uid 0 pid 1", exe="/srv/\x1b[2J\u202e", detail="of \N{PILE OF POO}")
    store.append([batch(1, audit=[event])])
    (record,) = store.audit(ALL, 0, 100)
    assert record.event == event
    assert (type(record.event.act), type(record.event.actor)) == (Act, Actor)
    assert (record.host, record.run) == (STREAM.host, STREAM.agent_epoch)
    assert record.stored_unix_nano > 0


def test_an_event_that_is_sent_again_is_there_once_and_none_replaces_what_came_first(store: Store) -> None:
    store.append([batch(1, audit=[act(0), act(1)])])
    store.append([batch(2, audit=[act(1, who="somebody else"), act(2)])])
    store.append([batch(3, audit=[act(0)])])
    found = store.audit(ALL, 0, 100)
    assert [record.event.ordinal for record in found] == [2, 1, 0]
    assert found[1].event == act(1)


def test_each_run_and_each_host_has_numbers_of_its_own(store: Store) -> None:
    other = replace(STREAM, host="web-2")
    store.append([batch(1, audit=[act(0)]), batch(1, stream=AGAIN, audit=[act(0)])])
    store.append([batch(1, stream=other, audit=[act(0)])])
    assert ordinals(store) == [0, 0, 0]
    assert ordinals(store, ProcessFilter("web-2")) == [0]


def test_events_that_were_stored_together_are_in_the_order_of_their_hosts(store: Store) -> None:
    hosts = [f"web-{number}" for number in range(9, 0, -1)]
    store.append([batch(1, stream=replace(STREAM, host=host), audit=[act(0)]) for host in hosts])
    assert [record.host for record in store.audit(ALL, 0, 5)] == sorted(hosts)[:5]


def test_one_asks_for_a_process_for_a_time_and_for_so_many(store: Store) -> None:
    store.append([batch(1, audit=[act(0), act(1, pid=9)])])
    store.append([batch(2, audit=[act(2)])])
    newest = store.audit(ALL, 0, 1)[0].stored_unix_nano
    assert ordinals(store) == [2, 1, 0]
    assert ordinals(store, ProcessFilter(pid=KEY.pid)) == [2, 0]
    assert ordinals(store, since=newest) == [2]
    assert ordinals(store, since=newest + 1) == []
    assert ordinals(store, limit=2) == [2, 1]


def test_events_go_when_they_are_too_old(open_one: OpenStore) -> None:
    clock = [START]
    store = open_one(now=lambda: clock[0])
    store.append([batch(1, audit=[act(0)])])
    clock[0] += 3_600 * SECOND
    store.append([batch(2, audit=[act(1)])])
    store.expire(store.audit(ALL, 0, 1)[0].stored_unix_nano)
    assert ordinals(store) == [1]
