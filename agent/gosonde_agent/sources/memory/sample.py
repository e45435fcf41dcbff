"""Which goroutines of a huge program have their stacks read: chosen by chance, and the same ones in each reading."""

import hashlib
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from gosonde_agent.host import procfs

#: The finalizer of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators).
STEPS: Final = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))
LAST_SHIFT: Final = 31
BITS: Final = 64

U64 = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class StackSample:
    """One in 2**`halvings` goroutines; those of a smaller sample with the same key are among those of a larger one.

    Attributes:
        key: Which ones: with the same key they are the same.
    """

    key: int
    halvings: int

    @classmethod
    def of(cls, pid: int, live: int, most: int) -> "StackSample":
        """Of a process with `live` goroutines, about `most` of them or up to half as many; all, where `most` is 0.

        The key is of the process image, so that whoever reads it chooses the same goroutines.

        Raises:
            GosondeError: It has ended, or nothing is known of it.
        """
        halvings = 0
        while most and live >> halvings > most:
            halvings += 1
        return cls(_key(pid) if halvings else 0, halvings)

    def has(self, goids: U64) -> npt.NDArray[np.bool_]:
        """Which goroutines are in it."""
        if not self.halvings:
            return np.ones(len(goids), np.bool_)
        mixed = goids ^ np.uint64(self.key)
        for shift, factor in STEPS:
            mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
        mixed ^= mixed >> np.uint64(LAST_SHIFT)
        chosen: npt.NDArray[np.bool_] = mixed >> np.uint64(BITS - self.halvings) == 0
        return chosen


def _key(pid: int) -> int:
    image = f"{procfs.boot_id()} {pid} {procfs.start_of(pid).ticks}"
    return int.from_bytes(hashlib.blake2b(image.encode(), digest_size=8).digest(), "little")
