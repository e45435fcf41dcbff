"""Which stacks of a huge program are read is a matter of chance, and the same in each reading."""

import os

import numpy as np
import pytest
from gosonde_agent.model.errors import NoSuchProcessError
from gosonde_agent.sources.memory.sample import StackSample

GOIDS = np.arange(1, 200_001, dtype=np.uint64)


@pytest.mark.parametrize(
    ("live", "most", "halvings"), [(5_000, 0, 0), (500, 500, 0), (501, 500, 1), (5_000, 500, 4), (1_000_000, 1, 19)]
)
def test_stacks_are_halved_until_there_are_no_more_than_asked_for(live: int, most: int, halvings: int) -> None:
    assert StackSample.of(os.getpid(), live, most).halvings == halvings


@pytest.mark.parametrize("stride", [1, 16, 1 << 20])
def test_a_sample_has_its_share_of_goids_whatever_their_distance(stride: int) -> None:
    for key in range(20):
        chosen = int(StackSample(key, 4).has(GOIDS * np.uint64(stride)).sum())
        expected = len(GOIDS) / 16
        assert abs(chosen - expected) < 6 * (expected * 15 / 16) ** 0.5


def test_two_goroutines_are_chosen_apart_from_each_other() -> None:
    """Neighbours, and those of every second goid, are together in a sample as often as chance has it."""
    for distance in (1, 2, 8):
        chosen = StackSample(1, 2).has(GOIDS)
        both = float((chosen[distance:] & chosen[:-distance]).mean())
        assert both == pytest.approx(1 / 16, rel=0.05)


def test_the_same_goroutines_are_in_the_next_sample_and_in_every_larger_one() -> None:
    small, large = StackSample(99, 5), StackSample(99, 3)
    assert (small.has(GOIDS) == StackSample(99, 5).has(GOIDS)).all()
    assert not (small.has(GOIDS) & ~large.has(GOIDS)).any()
    assert large.has(GOIDS).sum() > small.has(GOIDS).sum() > 0


def test_the_key_is_of_the_process_image() -> None:
    own, parent = (StackSample.of(pid, 1_000, 10) for pid in (os.getpid(), os.getppid()))
    assert own == StackSample.of(os.getpid(), 1_000, 10)
    assert own.key != parent.key
    with pytest.raises(NoSuchProcessError):
        StackSample.of((1 << 22) + 1, 1_000, 10)
