"""Goroutine ids that Ps keep for later, by the runtime's own batches of 16."""

from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest
from gosonde_agent.sources.memory.errors import ImplausibleMemoryError
from gosonde_agent.sources.memory.reader import ProcessMemory
from gosonde_agent.sources.memory.totals import ids_not_used


class Batches:
    """The memory of Ps and their layout: each P's next id, and the end of its batch."""

    pid = 7

    def __init__(self, *batches: tuple[int, int]) -> None:
        self.batches = batches

    def offset(self, _record: str, field: str) -> int:
        return {"goidcache": 0, "goidcacheend": 8}[field]

    def read_each(self, _addresses: object, _size: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        rows = np.array(self.batches, "<u8").view(np.uint8).reshape(len(self.batches), 16)
        return rows, np.ones(len(rows), bool)


def not_used(newest_id: int, *batches: tuple[int, int]) -> int:
    memory = Batches(*batches)
    processors = np.zeros(len(batches), np.uint64)
    return ids_not_used(cast("ProcessMemory", memory), cast("Any", memory), processors, newest_id)


def test_what_is_left_of_each_batch_is_not_used() -> None:
    assert not_used(32, (5, 17), (30, 33)) == 12 + 3


def test_a_batch_that_was_taken_after_the_newest_id_was_read_is_not_counted() -> None:
    assert not_used(32, (5, 17), (33, 49)) == 12


def test_a_batch_that_no_p_has_noted_yet_is_no_count() -> None:
    with pytest.raises(ImplausibleMemoryError, match="taking goroutine ids"):
        not_used(48, (5, 17), (33, 33))


def test_where_c_made_a_g_the_newest_id_need_not_be_of_a_batch() -> None:
    assert not_used(33, (5, 17), (30, 33)) == 12 + 3
