"""Whatever is cut off in the middle, what was acknowledged is there, and each row counts once."""

import random
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from gosonde_collector.model.errors import StoreError
from gosonde_collector.model.values import ProcessFilter
from gosonde_collector.store.clickhouse.address import Address
from gosonde_collector.store.clickhouse.schema import prepare
from gosonde_collector.store.clickhouse.server import Server
from gosonde_collector.store.clickhouse.store import ClickHouseStore, open_clickhouse
from gosonde_collector.store.duckdb import open_store
from gosonde_collector.store.protocol import Store

from tests.clickhouse_server import PASSWORD, USER, ClickHouseServer
from tests.integration.collector.store.clickhouse.both_stores import plain
from tests.unit.collector.batches import KEY, SECOND, SITE, START, STREAM, act, batch

ALL = ProcessFilter()
HOUR = 3_600 * SECOND
KILLS = 5


@pytest.fixture
def server(running: ClickHouseServer) -> Iterator[Server]:
    opened = Server(Address("127.0.0.1", running.native, "failing"), {"user": USER, "password": PASSWORD})
    yield opened
    opened.close()


@pytest.fixture
def store(server: Server) -> ClickHouseStore:
    return open_clickhouse(server)


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path / "embedded")
    yield opened
    opened.close()


def said(store: Store) -> list[object]:
    """What would be larger if a row counted twice, and is there only if it is stored."""
    (number,) = store.running()
    counters = store.new_counters(0, 1_000)
    assert counters
    questions = [
        [(total.site.pc, total.created, total.exited, total.baseline) for total in store.sites(ALL)],
        store.series([(number, SITE.pc)], HOUR),
        store.estimates([(number, SITE.pc)], HOUR),
        store.timers(STREAM.host, KEY, HOUR),
        store.gc_cycles(ALL, 100),
        store.heard(number, 0),
        store.losses(),
        [record.event for record in store.audit(ALL, 0, 10_000)],
        sorted(counters.created.tolist()),
        store.acknowledged(STREAM),
    ]
    return [plain(answer, {}) for answer in questions]


def one(sequence: int) -> dict[str, object]:
    """Of a batch: something for each of several tables."""
    return {
        "counters": [(0, SITE.pc, 10 * sequence, sequence)],
        "estimates": [(0, SITE.pc, sequence, 0, 9, 0, 0, 9)],
        "pauses": [(0, sequence, START + sequence * SECOND, 5, "GC")],
        "cycles": [(0, sequence, START + sequence * SECOND, START + sequence * SECOND + 9)],
        "timers": [(0, "main.expire", sequence)],
        "losses": {"spool": sequence},
        "audit": [act(sequence)],
    }


def test_of_a_batch_that_failed_in_the_middle_nothing_is_seen_and_it_counts_once_when_it_comes_again(
    store: ClickHouseStore, server: Server, embedded: Store
) -> None:
    store.append([batch(1, **one(1))])  # type: ignore[arg-type]
    before = said(store)
    another = open_clickhouse(server)
    server.run("DROP TABLE timer_readings")
    with pytest.raises(StoreError, match="timer_readings"):
        store.append([batch(2, **one(2))])  # type: ignore[arg-type]
    assert server.rows("SELECT max(created) FROM site_counters") == [(20,)], "it has not failed in the middle"
    assert store.acknowledged(STREAM) == 1
    prepare(server)
    assert [total.created for total in store.sites(ALL)] == [10]
    assert said(store)[1] == before[1]
    for again in (store, another):
        again.append([batch(number, **one(number)) for number in (1, 2, 3)])  # type: ignore[arg-type]
    assert server.rows("SELECT count() FROM site_counters WHERE created = 20") == [(3,)], "it was not written again"
    embedded.append([batch(number, **one(number)) for number in (1, 2, 3)])  # type: ignore[arg-type]
    # The table was lost with the reading of the first batch.
    assert [one.pending for one in store.timers(STREAM.host, KEY, HOUR)] == [2, 3]
    assert said(store)[:3] == said(embedded)[:3]
    assert said(store)[4:] == said(embedded)[4:]


@pytest.mark.minutes
def test_a_server_that_is_killed_at_any_moment_loses_nothing_that_was_acknowledged(
    store: ClickHouseStore, running: ClickHouseServer, embedded: Store
) -> None:
    rng, done, killed = random.Random(3), threading.Event(), 0

    def fail() -> None:
        nonlocal killed
        while not done.wait(rng.uniform(0.05, 0.4)):
            running.kill()
            killed += 1
            running.start()
            if killed == KILLS:
                return

    failing = threading.Thread(target=fail)
    failing.start()
    sequence = refused = 0
    while failing.is_alive() or sequence < 20:
        sequence = store.acknowledged(STREAM) + 1
        try:
            store.append([batch(sequence, **one(sequence))])  # type: ignore[arg-type]
        except StoreError:
            refused += 1
        else:
            assert store.acknowledged(STREAM) == sequence
    done.set()
    failing.join()
    assert (killed, refused > 0) == (KILLS, True)
    last = store.acknowledged(STREAM)
    with suppress(StoreError):  # the connections of before are gone
        store.processes(ALL)
    for number in range(1, last + 1):
        embedded.append([batch(number, **one(number))])  # type: ignore[arg-type]
    assert said(store) == said(embedded)
