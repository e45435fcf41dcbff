"""Goroutines that are alike are found by comparing all that makes them alike."""

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from gosonde_agent.sources.memory.goroutines import Block
from gosonde_agent.sources.memory.kinds import KindKey, kinds_of

STACKS = [[5, 6, 0], [5, 6, 0], [6, 5, 0], [0, 5, 6], [5, 6, 7], [0, 0, 0]]


def block(stacks: list[list[int]], **changed: Any) -> Block:
    """Goroutines that differ in their stacks, and in `changed`."""
    count = len(stacks)
    columns = {field.name: np.zeros(count, np.int64) for field in fields(Block)}
    return Block(**columns | {"stacks": np.array(stacks, np.uint64).reshape(count, -1 if count else 0)} | changed)


def key_of(found: Block, row: int) -> KindKey:
    pcs = found.stacks[row]
    return KindKey(
        status=int(found.status[row]),
        wait_reason=int(found.wait_reason[row]),
        gopc=int(found.gopc[row]),
        start_pc=int(found.start_pc[row]),
        running_cleanups=bool(found.running_cleanups[row]),
        active=bool(found.active[row]),
        unread=bool(found.unread[row]),
        complete=bool(found.complete[row]),
        pcs=pcs[pcs != 0].tobytes(),
    )


def test_rows_with_equal_stacks_are_one_kind() -> None:
    keys, places = kinds_of(block(STACKS))
    assert len(keys) == 5
    assert places[0] == places[1]
    assert len(set(places)) == 5


@pytest.mark.parametrize(
    "name", ["status", "wait_reason", "gopc", "start_pc", "running_cleanups", "active", "unread", "complete"]
)
def test_each_column_tells_kinds_apart(name: str) -> None:
    found = block([[5, 6]] * 3, **{name: np.array([0, 1, 0])})
    keys, places = kinds_of(found)
    assert len(keys) == 2
    assert places[0] == places[2]
    assert [keys[place] for place in places] == [key_of(found, row) for row in range(3)]


def test_without_goroutines_there_is_no_kind() -> None:
    assert kinds_of(block([])) == ([], [])


def test_rows_that_are_taken_for_equal_by_mistake_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.urandom", bytes)  # sums without factors: 5 + 6 is 6 + 5
    found = block(STACKS)
    keys, places = kinds_of(found)
    assert [keys[place] for place in places] == [key_of(found, row) for row in range(len(STACKS))]
