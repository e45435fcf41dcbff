"""Damages timers of a stopped Go process and reads them: `python -m tests.fuzz.run_timers SECONDS` or `--examples N`.

As in `run_memory`, some examples also damage the layout, and every example must end with a typed error or a result.
"""

import functools
from collections.abc import Mapping
from typing import Final

import numpy as np
from gosonde_agent.sources.memory.target import Target
from gosonde_agent.sources.memory.timers.listing import read_timers

from tests import go_programs
from tests.fuzz.programs import Programs
from tests.fuzz.run_memory import Process, heap_places
from tests.go_programs import GoProgram

PROGRAMS: Final = ("timed/channels", "timed/contexts")
STRUCTURES: Final = ("p", "timer", "timers", "timerWhen", "hchan", "sudog", "g", "mheap", "mspan")
#: Timers of a P that are damaged, and bytes behind what a timer's words lead to.
SOME: Final = 12
BEHIND: Final = 96


def places(target: Target) -> Mapping[str, tuple[int, int]]:
    """Where is what leads to timers, and from them on."""
    runtime, layout = target.runtime, target.runtime.layout
    found = dict(heap_places(target))
    is_new = layout.has("p", "timers.heap.array")
    heap = layout.offset("p", "timers.heap.array" if is_new else "timers.array")
    allp, count = np.frombuffer(runtime.memory.read(runtime.addresses.allp + runtime.bias, 16), "<u8").tolist()
    found["allp"] = (runtime.addresses.allp + runtime.bias, 24)
    for index, processor in enumerate(np.frombuffer(runtime.memory.read(allp, 8 * count), "<u8").tolist()):
        found[f"heap{index}"] = (processor + heap, 24)
        array, length = np.frombuffer(runtime.memory.read(processor + heap, 16), "<u8").tolist()
        step = layout.size("timerWhen") if is_new else 8
        for number in range(min(length, SOME)):
            found[f"entry{index * SOME + number}"] = (array + number * step, step)
            timer = int.from_bytes(runtime.memory.read(array + number * step, 8), "little")
            found[f"timer{index * SOME + number}"] = (timer, layout.size("timer"))
            argument = runtime.memory.read(timer + layout.offset("timer", "arg.data"), 8)
            found[f"argument{index * SOME + number}"] = (int.from_bytes(argument, "little"), BEHIND)
    return found


@functools.cache
def process(version: str, program: str) -> Process:
    """A program that has timers, built by a version."""
    built = go_programs.build(program, version)
    return Process(GoProgram(built, "20", env={"GODEBUG": "asynctimerchan=0"}).__enter__(), places)


def read(target: Target) -> None:
    """All of them, and as many as a sample has."""
    for most in (1_000, 5):
        found = read_timers(target, most)
        assert all(group.pending > 0 and group.next_in_ns >= 0 for group in found.groups)


def main() -> None:
    """Runs the examples."""
    Programs(process, PROGRAMS, STRUCTURES, read).run("damaged timers", "timers")


if __name__ == "__main__":
    main()
