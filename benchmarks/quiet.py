"""What keeps other work of the host out of a measurement, as far as it goes, and shows how much of it there was."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

#: Where the kernel groups processes by session, a nice value counts within its group alone.
AUTOGROUP = Path("/proc/self/autogroup")
TICKS = os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def preferred() -> Iterator[None]:
    """This session, and what is started inside, goes before other sessions; within it nothing goes before another."""
    try:
        before = AUTOGROUP.read_text().split()[-1]
        AUTOGROUP.write_text("-20")
    except OSError:  # the kernel makes no such groups
        yield
        return
    try:
        yield
    finally:
        AUTOGROUP.write_text(before)


@contextlib.contextmanager
def on_cpus(cpus: set[int]) -> Iterator[None]:
    """Whatever is started inside runs on these CPUs for good; this thread only inside."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def first() -> Iterator[None]:
    """Whatever is started inside runs as soon as it can, before everything else on its CPU; this thread only inside."""
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def cpu_seconds(cpu: int) -> tuple[float, float]:
    """(stolen by the hypervisor, idle) since the host started, of one CPU."""
    fields = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith(f"cpu{cpu} ")).split()
    return int(fields[8]) / TICKS, int(fields[4]) / TICKS


def ran_ns(pid: int) -> int:
    """CPU time of all threads of a process; /proc/PID/stat counts ticks of 10 ms, which are too coarse."""
    return sum(int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir())
