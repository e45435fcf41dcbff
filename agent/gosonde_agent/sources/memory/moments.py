"""Moments that a program has noted: values of time.Time (src/time/time.go)."""

from typing import Final

import numpy as np

from gosonde_agent.sources.memory.reachability.rows import I64, U64

SECOND: Final = 1_000_000_000
#: The flag of a monotonic reading: then the seconds are in `wall`, and count from 1885; else in `ext`, from the year 1.
HAS_MONOTONIC: Final = np.uint64(1 << 63)
SECONDS: Final = np.uint64((1 << 33) - 1)
NANOSECONDS: Final = np.uint64((1 << 30) - 1)
FROM_1885, FROM_YEAR_1 = 2_682_288_000, 62_135_596_800
#: Later ones count as this one.
MOST_SECONDS: Final = 1 << 40


def unix_time(wall: U64, ext: U64) -> tuple[I64, I64]:
    """(seconds since 1970, nanoseconds), each int64[n], by the first two words of each value."""
    since_1885 = ((wall >> np.uint64(30)) & SECONDS).astype(np.int64) - FROM_1885
    since_year_1 = np.clip(ext.astype(np.int64), 0, MOST_SECONDS) - FROM_YEAR_1
    seconds = np.where(wall & HAS_MONOTONIC != 0, since_1885, since_year_1)
    return seconds, (wall & NANOSECONDS).astype(np.int64)
