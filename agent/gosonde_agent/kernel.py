"""The host's kernel and clocks."""

import os
import re
import time
from pathlib import Path


def kernel_version() -> tuple[int, int]:
    """(major, minor) of the running kernel; (0, 0) when its release names none."""
    match = re.match(r"(\d+)\.(\d+)", os.uname().release)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def boot_unix_nano() -> int:
    """What the wall clock would have shown when CLOCK_BOOTTIME was 0; moves when the wall clock is set."""
    return time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def monotonic_to_unix_nano() -> int:
    """What to add to a CLOCK_MONOTONIC time to get nanoseconds since the Unix epoch, as the wall clock is now."""
    before = time.monotonic_ns()
    now = time.time_ns()
    return now - (before + time.monotonic_ns()) // 2


def possible_cpus() -> int:
    """How many slots a per-CPU map has (/sys/devices/system/cpu/possible)."""
    last = Path("/sys/devices/system/cpu/possible").read_text().strip().split(",")[-1]
    return int(last.split("-")[-1]) + 1
