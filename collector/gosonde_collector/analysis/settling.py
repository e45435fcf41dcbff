"""Whether those that exit are of a population that finds its level, weighed by likelihoods.

What exits in each part of a stretch of time is taken for the sum of two Poisson counts: a share of what is created in
that part, and so many a second of those that live. The second is what makes a population find its level: the more live,
the more exit. Of a leak it is nothing.
"""

from typing import Final

import numpy as np

from gosonde_collector.analysis.steps import SECOND, Counts, Floats, Steps, moments

#: How far back exits are looked at, in windows: growth is often older than the longest window that shows it.
PAST: Final = 1.35
PARTS: Final = 16
#: A population whose members live for longer, in seconds and in stretches, is not told from a leak while it is young.
LIFETIME_S, LIFETIMES = 300.0, 3.0
#: Exits that the slowest population which is excluded would have had: a lower number says nothing.
EXPECTED: Final = 6.0
#: The share of all exits that are those of members whose time has come, at least, in such a population.
TURNOVER: Final = 0.9
#: By how much the logarithm of a leak's likelihood must exceed that of a population that finds its level, at the first
#: look. An older site was looked at more often, each time with another chance to err.
EVIDENCE: Final = 2.2
#: Hazards of a leak that are tried, as shares of the least one of such a population.
SHARES: Final = (0.0, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.85)
#: Halvings of the interval in which the likeliest share of those created lies.
HALVINGS: Final = 40


def settles(steps: Steps, seconds: int) -> bool:
    """Whether the exits of the last so many seconds, and of some before, leave it open that the count finds its level.

    No answer depends on how often there was something to be seen.
    """
    first = int(steps.unix_nano[0])
    start = max(steps.until_unix_nano - int(PAST * seconds * SECOND), first)
    index = np.unique(steps.index(moments(start, steps.until_unix_nano, PARTS)))
    stretch_s, age_s = ((steps.until_unix_nano - since) / SECOND for since in (start, first))
    exited = np.diff(steps.exited[index])
    if not exited.any():
        return False
    lived_s: Floats = np.maximum(np.diff(steps.lived_s[index]), 0.0)
    evidence = _for_a_leak(np.diff(steps.created[index]), exited, lived_s, stretch_s)
    return evidence < EVIDENCE + float(np.log(age_s / stretch_s))


def _for_a_leak(created: Counts, exited: Counts, lived_s: Floats, stretch_s: float) -> float:
    """The logarithm of the ratio of the two likelihoods; 0 when that of a population is higher.

    The counts have one element a part, shape (parts,), as have the seconds that all lived in it, in sum.
    """
    turnover = max(EXPECTED, TURNOVER * int(exited.sum()))
    least = max(1 / max(LIFETIME_S, LIFETIMES * stretch_s), turnover / max(float(lived_s.sum()), 1.0))
    # Half a goroutine more in each part: no exit is impossible, though nothing was created just then.
    expected = _expected(exited, (created + 0.5).astype(np.float64), lived_s, least * np.array([*SHARES, 1.0]))
    if (exited * lived_s / expected[-1]).sum() >= lived_s.sum():
        return 0.0  # A population with shorter lives would be likelier still.
    likelihoods = (exited * np.log(expected) - expected).sum(axis=1)
    best = int(np.argmax(likelihoods))
    return float(likelihoods[best] - likelihoods[-1]) / _dispersion(exited, expected[best])


def _expected(exited: Counts, born: Floats, lived_s: Floats, hazards: Floats) -> Floats:
    """Exits in each part, at each hazard with the share of those created that is likeliest then: (hazards, parts)."""
    of_lived = hazards[:, None] * lived_s + 1e-9
    low, high = np.zeros((len(hazards), 1)), np.full((len(hazards), 1), exited.sum() / born.sum())
    for _ in range(HALVINGS):
        share = (low + high) / 2
        more = (exited * born / (share * born + of_lived)).sum(axis=1, keepdims=True) > born.sum()
        low, high = np.where(more, share, low), np.where(more, high, share)
    expected: Floats = high * born + of_lived
    return expected


def _dispersion(exited: Counts, expected: Floats) -> float:
    """How much more than Poisson counts the exits vary, at least 1: those that come in bursts say less."""
    deviance = 2 * float((exited * np.log(np.maximum(exited, 1) / expected) - exited + expected).sum())
    free = max(len(exited) - 2, 1)
    return max(1.0, deviance / (free + 2 * float(np.sqrt(2 * free))))
