"""How old what is known of processes is."""

from dataclasses import replace

from gosonde_collector.model import ages
from gosonde_collector.model.values import KnownProcess

from tests.unit.collector.batches import SECOND, START, process

#: Stored two seconds after it was observed.
KNOWN = KnownProcess("web-1", process(), 0, 0, 0, START, 0, 0, START + 2 * SECOND, SECOND)


def ended(known: KnownProcess) -> KnownProcess:
    return replace(known, process=process(ended_unix_nano=START))


def test_the_age_counts_from_when_it_was_observed() -> None:
    assert ages.age_ns(KNOWN, START + 5 * SECOND, 0) == 5 * SECOND


def test_a_wrong_clock_of_the_host_makes_nothing_younger_than_when_it_was_stored() -> None:
    assert ages.age_ns(KNOWN, START + 5 * SECOND, -60 * SECOND) == 3 * SECOND


def test_a_host_whose_clock_is_behind_makes_nothing_older() -> None:
    behind = replace(KNOWN, last_observed_unix_nano=START - 60 * SECOND)
    assert ages.age_ns(behind, START + 5 * SECOND, -60 * SECOND) == 5 * SECOND


def test_what_has_ended_is_never_overdue() -> None:
    assert ages.is_overdue(KNOWN, 16 * SECOND)
    assert not ages.is_overdue(KNOWN, 14 * SECOND)
    assert not ages.is_overdue(ended(KNOWN), 3_600 * SECOND)
