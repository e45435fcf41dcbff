"""Damages connections of a stopped Go process: `python -m tests.fuzz.run_http SECONDS` or `--examples N`.

As in `run_memory`, some examples also damage the layout, and every example must end with a typed error or a result.
"""

import functools
from collections.abc import Mapping
from typing import Final

import numpy as np
from gosonde_agent.sources.memory.http.known import Known
from gosonde_agent.sources.memory.http.listing import read_http
from gosonde_agent.sources.memory.http.stacks import HttpStacks, http_goroutines
from gosonde_agent.sources.memory.reachability.headers import HeaderReader
from gosonde_agent.sources.memory.target import Target

from tests import go_programs
from tests.fuzz.programs import Programs
from tests.fuzz.run_memory import Process, heap_places
from tests.go_programs import GoProgram

PROGRAMS: Final = {"connected/bodies": ("4", "4"), "connected/served": ("2", "2", "4", "0")}
STRUCTURES: Final = ("g", "gobuf", "sudog", "hchan", "moduledata", "m")
FUNCTIONS: Final = {
    "net/http.(*persistConn).readLoop": "http.persistConn",
    "net/http.(*conn).serve": "http.conn",
}
#: Bytes of a connection, of a description of a type, and behind what a connection's words lead to.
CONNECTION, TYPE, BEHIND = 320, 128, 96


def places(target: Target) -> Mapping[str, tuple[int, int]]:
    """Where connections are, what leads to them, what they lead to, and what describes them."""
    found = dict(heap_places(target))
    known = Known(target)
    stacks = HttpStacks(target, http_goroutines(target, HeaderReader(target.runtime), known.meter), known.learnt)
    goroutines, size = stacks.goroutines, target.runtime.layout.size("g")
    for number in range(len(goroutines)):
        found[f"stack{number}"] = (int(goroutines.sp[number]), int(goroutines.high[number] - goroutines.sp[number]))
        found[f"g{number}"] = (int(goroutines.at[number]), size)
    begin, end = known.types.extent()
    found["types"] = (begin, end - begin)
    for function, name in FUNCTIONS.items():
        struct = known.struct("net/http", name, ())
        if struct is None:  # the linker leaves out what a program does not use
            continue
        for number, field in enumerate(struct.type.fields):
            found[f"{name} type{number}"] = (field.type, TYPE)
        for number, at in enumerate(stacks.of(function).argument.tolist()):
            found[f"{name}{number}"] = (at, CONNECTION)
            words = np.frombuffer(known.memory.read(at, CONNECTION), "<u8").astype(np.uint64)
            _data, whole = known.memory.read_each(words, BEHIND)
            led = words[whole].tolist()
            found |= {f"{name}{number} to{place}": (word, BEHIND) for place, word in enumerate(led)}
    return found


@functools.cache
def process(version: str, program: str) -> Process:
    """A program that has connections, built by a version."""
    built = go_programs.build(program, version)
    return Process(GoProgram(built, *PROGRAMS[program]).__enter__(), places)


def read(target: Target) -> None:
    """All of them, and as many as are read at most."""
    for most in (1_000, 3):
        found = read_http(target, most)
        assert all(group.connections > 0 and (group.oldest_ns or 0) >= 0 for group in found.groups)
        assert all(group.host.isprintable() and len(group.host) <= 300 for group in found.groups)


def main() -> None:
    """Runs the examples."""
    Programs(process, tuple(PROGRAMS), STRUCTURES, read).run("damaged connections", "http")


if __name__ == "__main__":
    main()
