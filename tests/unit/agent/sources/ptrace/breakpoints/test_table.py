"""Who counts and who reads share a table, and nothing in it is lost without a name."""

import os
from collections.abc import Iterator

import pytest
from gosonde_agent.sources.counters import UNATTRIBUTED, SiteTotal
from gosonde_agent.sources.ptrace.breakpoints.table import MAX_SITES, Table


@pytest.fixture
def tables() -> Iterator[tuple[Table, Table]]:
    """The one that counts, and the one that reads the same."""
    first = Table.new()
    second = Table(os.dup(first.fd))
    yield first, second
    first.close()
    second.close()


def test_what_one_counts_the_other_reads(tables: tuple[Table, Table]) -> None:
    counting, reading = tables
    reading.count(on=True)
    for pc, column in ((0x10, 1), (0x10, 1), (0x10, 2), (0x20, 2), (UNATTRIBUTED, 2)):
        counting.add(pc, column)
    assert list(reading.sites()) == [SiteTotal(UNATTRIBUTED, 0, 1), SiteTotal(0x10, 2, 1), SiteTotal(0x20, 0, 1)]
    assert reading.hits() == (2, 3)


def test_hits_are_counted_at_their_sites_only_while_they_are_to_be(tables: tuple[Table, Table]) -> None:
    counting, reading = tables
    counting.add(0x10, 1)
    reading.count(on=True)
    counting.add(0x10, 1)
    reading.count(on=False)
    counting.add(0x10, 1)
    assert list(reading.sites()) == [SiteTotal(0x10, 1, 0)]
    assert reading.hits() == (3, 0)


def test_sites_for_which_there_is_no_room_are_counted_together_and_told(tables: tuple[Table, Table]) -> None:
    counting, reading = tables
    counting.count(on=True)
    for pc in range(1, MAX_SITES + 3):
        counting.add(pc, 1)
    rows = list(reading.sites())
    assert len(rows) == MAX_SITES + 1
    assert rows[0] == SiteTotal(UNATTRIBUTED, 2, 0)
    assert reading.losses()["sites_full"] == 2
    counting.add(5, 2)
    assert SiteTotal(5, 1, 1) in list(reading.sites())
