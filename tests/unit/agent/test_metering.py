"""Shares are over the time that was asked for, as nearly as the samples allow."""

from collections import deque

import pytest
from gosonde_agent.metering import Account, Sample
from gosonde_agent.sources import Hits


def account(*times: float) -> Account:
    """An account with samples of these moments."""
    return Account(0, (1.0,), 1.0, deque(Sample(at, Hits(), 0.0, 0) for at in times))


@pytest.mark.parametrize(
    ("times", "chosen"),
    [
        ((0.0,), 0.0),
        ((0.0, 0.5, 1.0, 1.5), 0.5),
        # A long rest before would hide what happens now.
        ((0.0, 10.0, 10.5), 10.0),
        # A moment says too little.
        ((0.0, 9.9, 10.0), 0.0),
    ],
)
def test_the_sample_whose_age_is_nearest_is_chosen(times: tuple[float, ...], chosen: float) -> None:
    assert account(*times).since(1.0).at == chosen
