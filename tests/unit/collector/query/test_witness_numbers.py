"""The numbers of witnesses on their way to a client."""

from dataclasses import asdict, replace

import pytest
from gosonde.witness_numbers import numbers_of
from gosonde_collector.analysis.numbers import HEAP_BYTES, LEAKED, LIVE, STACK_BYTES, Numbers
from gosonde_collector.analysis.witnesses import AGREES, Witness
from gosonde_collector.query.witness_wire import witness
from gosonde_pb.v1 import collector_pb2

RANGES = Numbers(LIVE, at_unix_nano=5, shown_low=0, shown_high=20, counted_low=-3, counted_high=4)


@pytest.mark.parametrize("what", [LIVE, LEAKED, STACK_BYTES, HEAP_BYTES])
def test_a_client_gets_both_numbers_of_a_witness(what: str) -> None:
    numbers = replace(RANGES, what=what)
    sent = witness(Witness("memory", AGREES, "in words", numbers=numbers))
    assert asdict(numbers_of([sent])["memory"]) == asdict(numbers)


def test_an_end_that_is_not_known_is_not_zero() -> None:
    sent = witness(Witness("events", AGREES, "in words", numbers=Numbers(LIVE, 5, counted_low=7)))
    got = numbers_of([sent])["events"]
    assert (got.shown_low, got.shown_high, got.counted_low, got.counted_high) == (None, None, 7, None)


def test_a_witness_without_numbers_has_no_entry() -> None:
    assert numbers_of([witness(Witness("gctrace", AGREES, "in words"))]) == {}


def test_what_a_newer_collector_counts_has_no_name() -> None:
    sent = witness(Witness("memory", AGREES, "in words", numbers=RANGES))
    sent.numbers.counted = 99  # type: ignore[assignment]
    assert numbers_of([sent])["memory"].what == ""
    assert collector_pb2.Counted.values()[-1] < 99
