"""The host's kernel and clocks."""

import os
import re
import time
from pathlib import Path

from gosonde_common.clock import boottime_ns, steady_unix_nano

#: Inode of the host's own pid namespace (include/linux/proc_ns.h).
PROC_PID_INIT_INO = 0xEFFFFFFC


def kernel_version() -> tuple[int, int]:
    """(major, minor) of the running kernel; (0, 0) when its release names none."""
    match = re.match(r"(\d+)\.(\d+)", os.uname().release)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def closes_probes_together() -> bool:
    """Whether probes can be links of their own (BPF_TRACE_UPROBE_MULTI), also those of one process alone.

    Older kernels have them from 6.6 on, but mistake the thread for the process.
    """
    return kernel_version() >= (6, 10)


def own_pid_namespace() -> tuple[int, int]:
    """Device, as the kernel's dev_t, and inode of this process's pid namespace; (0, 0) where it is the host's."""
    found = Path("/proc/self/ns/pid").stat()
    if found.st_ino == PROC_PID_INIT_INO:
        return 0, 0
    return os.major(found.st_dev) << 20 | os.minor(found.st_dev), found.st_ino


def boot_unix_nano() -> int:
    """What the steady clock would have shown when CLOCK_BOOTTIME was 0."""
    return steady_unix_nano() - boottime_ns()


def monotonic_to_unix_nano() -> int:
    """What to add to a CLOCK_MONOTONIC time to get nanoseconds since the Unix epoch, by the steady clock."""
    before = time.monotonic_ns()
    now = steady_unix_nano()
    return now - (before + time.monotonic_ns()) // 2


def possible_cpus() -> int:
    """How many slots a per-CPU map has (/sys/devices/system/cpu/possible)."""
    last = Path("/sys/devices/system/cpu/possible").read_text().strip().split(",")[-1]
    return int(last.split("-")[-1]) + 1
