"""How many goroutines have something in common, where the stacks of only some of them were read."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

#: The bounds of an estimate hold in 99 of 100 cases: so many standard deviations of a normal distribution.
DEVIATIONS: Final = 2.576
#: How likely it is that the true number is below the bounds; as likely is that it is above.
TAIL: Final = 0.005
#: Of so few an exact bound is worked out, of more Wilson's; and by so many halvings.
FEW: Final = 30
HALVINGS: Final = 30
#: How likely it is that what is said to be in every sample is in none.
MISSED: Final = 0.01


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number of goroutines, at `least` and at `most`; all three are equal where it is exact."""

    about: int
    least: int
    most: int

    def __add__(self, other: "Estimate") -> "Estimate":
        return Estimate(self.about + other.about, self.least + other.least, self.most + other.most)

    @property
    def is_exact(self) -> bool:
        """Nothing is estimated."""
        return self.least == self.most


def estimate(everyone: int, read: int, found: int) -> Estimate:
    """How many of `everyone` are like the `found` ones among the `read` ones, which chance has chosen."""
    if read >= everyone:
        return Estimate(found, found, found)
    if not read:
        return Estimate(0, 0, everyone)
    least, most = _least(everyone, read, found), everyone - _least(everyone, read, read - found)
    return Estimate(min(max(round(found / read * everyone), least), most), least, most)


def _least(everyone: int, read: int, found: int) -> int:
    """The lower bound; as many as were found there are."""
    share = _exact(read, found) if found <= FEW else _wilson(everyone, read, found)
    return max(math.floor(share * everyone), found)


@lru_cache(maxsize=1 << 12)
def _exact(read: int, found: int) -> float:
    """The share of which a sample has so many, or more, in one of 200 cases (Clopper and Pearson's interval)."""
    low, high = 0.0, found / read
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if _fewer(read, found, middle) > 1 - TAIL:
            low = middle
        else:
            high = middle
    return low


def _fewer(read: int, found: int, share: float) -> float:
    """How likely a sample has fewer than so many of a share below 1: terms of the binomial distribution."""
    term = math.exp(read * math.log1p(-share))
    total = 0.0
    for number in range(found):
        total += term
        term *= (read - number) / (number + 1) * share / (1 - share)
    return total


def _wilson(everyone: int, read: int, found: int) -> float:
    """The lower end of Wilson's interval for a share, with the correction for samples that are a large part."""
    size = read * (everyone - 1) / (everyone - read)
    share, square = found / read, DEVIATIONS**2
    middle = (share + square / (2 * size)) / (1 + square / size)
    return middle - DEVIATIONS / (1 + square / size) * math.sqrt(share * (1 - share) / size + square / (4 * size**2))


def surely_seen(everyone: int, read: int) -> int:
    """So many goroutines with one stack are in 99 of 100 samples at least once."""
    if not 0 < read < everyone:
        return 1
    return math.ceil(math.log(MISSED) / math.log1p(-read / everyone))
