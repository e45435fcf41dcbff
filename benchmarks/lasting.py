"""Whether an agent grows beside programs that come and go: its memory, descriptors, threads, and the kernel's maps."""

import re
import subprocess
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from itertools import cycle
from pathlib import Path

import psutil

from benchmarks.agents import launched
from benchmarks.results import Row
from tests import labelled_programs
from tests.go_programs import GoProgram, build

#: So many programs run at a time; the oldest ends when the next one begins.
AT_ONCE, EACH_SECONDS = 12, 1.0
#: Different ones, half of which leak; beside each new one so many processes that are none of Go's come and go.
DIFFERENT, OTHERS = 16, 5
SAMPLE_SECONDS = 5.0
#: What is compared: until the first of them is over, the agent is still filling what it keeps.
PARTS = 4
MAP_BYTES = re.compile(r"^memlock:\s*(\d+)$", re.MULTILINE)


def lasting(seconds: float) -> Iterator[Row]:
    """What an agent has in each part of that time, in so many samples."""
    leaky, healthy = labelled_programs.leaky(), labelled_programs.healthy()
    programs = [build(one.name) for one in (*leaky[: DIFFERENT // 2], *healthy[: DIFFERENT // 2])]
    globs = ", ".join(f'"{program}"' for program in programs)
    with ExitStack() as stack:
        running = stack.enter_context(launched(exe=f"[{globs}]"))
        running.wait_until_started()
        samples = list(_samples(running.process, programs, seconds))
    for part in range(PARTS):
        of_part = samples[part * len(samples) // PARTS : (part + 1) * len(samples) // PARTS]
        for unit in samples[0]:
            yield Row("lasting", f"part {part + 1} of {PARTS}", unit, tuple(sample[unit] for sample in of_part))


def _samples(agent: psutil.Process, programs: list[Path], seconds: float) -> Iterator[Mapping[str, float]]:
    end, sample_at = time.monotonic() + seconds, time.monotonic() + SAMPLE_SECONDS
    (helper,) = agent.children()
    there = deque[GoProgram]()
    try:
        for program in cycle(programs):
            there.append(GoProgram(program).__enter__())
            if len(there) > AT_ONCE:
                there.popleft().kill()
            for _ in range(OTHERS):
                subprocess.run(["true"], check=True)
            time.sleep(EACH_SECONDS)
            if time.monotonic() >= sample_at:
                sample_at += SAMPLE_SECONDS
                yield _sample(agent, helper)
            if time.monotonic() >= end:
                return
    finally:
        for left in there:
            left.kill()


def _sample(agent: psutil.Process, helper: psutil.Process) -> Mapping[str, float]:
    return {
        "MB resident": agent.memory_info().rss / 1e6,
        "MB resident, helper": helper.memory_info().rss / 1e6,
        "descriptors": agent.num_fds(),
        "descriptors, helper": helper.num_fds(),
        "threads": agent.num_threads(),
        "MB of maps": _map_megabytes(agent.pid),
    }


def _map_megabytes(pid: int) -> float:
    """What the kernel has for the maps that a process has open: it grows with their entries."""
    total = 0
    for info in Path(f"/proc/{pid}/fdinfo").iterdir():
        with suppress(FileNotFoundError):  # it has just been closed
            text = info.read_text()
            if "map_id:" in text and (found := MAP_BYTES.search(text)):
                total += int(found[1])
    return total / 1e6
