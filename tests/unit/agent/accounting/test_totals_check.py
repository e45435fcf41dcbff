"""The runtime's own totals and the events' differ by a constant; a difference that changes is a loss."""

import numpy as np
import pytest
from gosonde_agent.accounting.totals_check import (
    BATCH,
    CREATED,
    EXITED,
    TotalsCheck,
    TotalsReading,
)
from gosonde_agent.sources.memory.totals import GoroutineTotals

Count = tuple[int, int]


def reading(events: Count, runtime: Count, *, after: Count | None = None, by_ids: bool = False) -> TotalsReading:
    created, exited = runtime
    totals = GoroutineTotals(created, exited, created - exited, 5, 2, by_ids)
    return TotalsReading(events, totals, after or events)


def test_what_was_there_before_is_no_disagreement() -> None:
    check = TotalsCheck(from_start=False)
    assert check.take([reading((10, 4), (110, 54))]) == {}
    assert check.take([reading((30, 20), (130, 70))]) == {}


def test_nothing_was_there_before_a_process_that_was_seen_to_start() -> None:
    check = TotalsCheck(from_start=True)
    assert check.take([reading((100, 50), (100, 50))]) == {}
    assert TotalsCheck(from_start=True).take([reading((90, 45), (100, 50))]) == {CREATED: 10, EXITED: 5}


def test_creations_and_exits_that_were_lost_alike_are_told_once() -> None:
    check = TotalsCheck(from_start=False)
    check.take([reading((10, 4), (110, 54))])
    assert check.take([reading((10, 4), (510, 454))]) == {CREATED: 400, EXITED: 400}
    assert check.take([reading((10, 4), (510, 454))]) == {}
    assert check.take([reading((10, 4), (515, 454))]) == {CREATED: 5}


def test_one_reading_that_agrees_clears_a_visit() -> None:
    check = TotalsCheck(from_start=True)
    assert check.take([reading((9, 4), (10, 4)), reading((10, 4), (10, 4))]) == {}


def test_what_comes_and_goes_meanwhile_is_not_a_loss_but_more_is() -> None:
    check = TotalsCheck(from_start=True)
    busy = reading((1_000, 900), (1_050 + 2 * BATCH, 950), after=(1_050, 960))
    assert check.take([busy]) == {}
    assert check.take([reading((1_000, 900), (1_060 + 2 * BATCH, 950), after=(1_050, 960))]) == {CREATED: 10}


@pytest.mark.parametrize("by_ids", [False, True])
def test_threads_that_c_made_are_no_goroutines(by_ids: bool) -> None:
    # Their g are in the runtime's list: they count as live, and, where ids are counted, as created.
    created, exited = (13, 4) if by_ids else (10, 1)
    found = GoroutineTotals(created, exited, 9, 5, by_ids=by_ids, newest_id=32).without(np.array([2, 17, 32, 33], "u8"))
    assert (found.created, found.exited, found.live) == (10, 4, 6), "the one with id 33 came later"
