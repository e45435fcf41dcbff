"""What a hit costs, from many short rounds of which some were disturbed.

A round is a turn of a loop with a probe and one of the same loop without, one after the other, in CPU time of the
thread. Whatever disturbs a turn (another thread that had its CPU and its caches, an interrupt, a hypervisor that gave
the CPU away and counts that as the thread's) makes it longer, never shorter. So what is taken is not the middle but a
low quantile of the turns with, less that of the turns without.
"""

from collections.abc import Sequence
from typing import NamedTuple

#: Of the turns, so many are taken to be disturbed less.
QUANTILE = 0.25
#: Rounds in which the thread was interrupted count only where fewer others are left.
LEAST_QUIET = 11
#: The rounds are dealt into so many parts; by how far these differ, so far an estimate may be wrong.
PARTS = 4


class Round(NamedTuple):
    """Nanoseconds of each time through the loop, with the probe and without; and whether the thread had to wait."""

    probed_ns: float
    bare_ns: float
    is_disturbed: bool


class Estimate(NamedTuple):
    """Of what a hit adds.

    Attributes:
        ns: The cost of one hit, in nanoseconds; at least 0.
        error_ns: Half of how far estimates from parts of the rounds lie apart.
        disturbed: Which part of the rounds was disturbed.
    """

    ns: float
    error_ns: float
    disturbed: float


def estimated(rounds: Sequence[Round]) -> Estimate:
    """The estimate from at least one round."""
    quiet = [one for one in rounds if not one.is_disturbed]
    used = quiet if len(quiet) >= LEAST_QUIET else rounds
    parts = [_added(part) for number in range(PARTS) if (part := used[number::PARTS])]
    return Estimate(_added(used), (max(parts) - min(parts)) / 2, 1 - len(quiet) / len(rounds))


def _added(rounds: Sequence[Round]) -> float:
    return max(_low([one.probed_ns for one in rounds]) - _low([one.bare_ns for one in rounds]), 0.0)


def _low(values: Sequence[float]) -> float:
    return sorted(values)[round(QUANTILE * (len(values) - 1))]
