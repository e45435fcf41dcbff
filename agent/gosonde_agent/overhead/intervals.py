"""Intervals of 95 % for what few or many samples say."""

import math

#: Two-sided 95 %.
Z = 1.96


def student(freedom: float) -> float:
    """Student's quantile for Z at so many degrees of freedom (its expansion about the normal one)."""
    return Z + 2.372 / freedom + 2.823 / freedom**2 + 2.556 / freedom**3


def of_share(share: float, number: float, z: float) -> tuple[float, float]:
    """Between what a share lies that `number` independent draws have shown (score interval).

    Unlike the share plus and minus its error it never leaves [0, 1], is lopsided near their ends, and has a width even
    where all draws were the same.
    """
    middle = share + z**2 / (2 * number)
    spread = z * math.sqrt(share * (1 - share) / number + z**2 / (4 * number**2))
    whole = 1 + z**2 / number
    return max((middle - spread) / whole, 0.0), min((middle + spread) / whole, 1.0)
