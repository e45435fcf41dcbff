"""A set of numbers below a bound, one bit each."""

import numpy as np

from gosonde_agent.sources.memory.reachability.rows import I64, Bools


class Bitmap:
    """The numbers from 0 to `size` less 1 that were added."""

    def __init__(self, size: int) -> None:
        self._bytes = np.zeros(size // 8 + 1, np.uint8)

    def add(self, numbers: I64) -> None:
        """Adds numbers; those that are added already, or twice, do no harm."""
        for bit in range(8):
            places = numbers[numbers & 7 == bit] >> 3
            self._bytes[places] |= np.uint8(1 << bit)

    def has(self, numbers: I64) -> Bools:
        """Which of the numbers were added."""
        found: Bools = (self._bytes[numbers >> 3] >> (numbers & 7).astype(np.uint8)) & 1 != 0
        return found
