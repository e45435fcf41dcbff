"""What became of goroutines between two readings, by the address of their `go` statement."""

import numpy as np
from gosonde_agent.sources.memory.population import Fate, Population

SERVE, POLL = 0x1000, 0x2000


def population(*goroutines: tuple[int, int, int]) -> Population:
    goid, gopc, changes = zip(*goroutines, strict=True) if goroutines else ((), (), ())
    return Population(0.0, np.array(goid, np.uint64), np.array(gopc, np.uint64), np.array(changes, np.uint8))


def test_who_stayed_and_who_ran_is_counted_by_statement() -> None:
    before = population((7, SERVE, 1), (8, SERVE, 1), (9, POLL, 1), (12, SERVE, 255))
    after = population((7, SERVE, 1), (9, POLL, 3), (12, SERVE, 0), (20, SERVE, 1))
    assert before.fates(after) == {SERVE: Fate(3, 2, 1), POLL: Fate(1, 1, 1)}


def test_where_all_have_ended_none_is_kept() -> None:
    assert population((7, SERVE, 1)).fates(population()) == {SERVE: Fate(1, 0, 0)}


def test_of_nobody_nothing_is_said() -> None:
    assert population().fates(population((7, SERVE, 1))) == {}
