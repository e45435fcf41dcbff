"""Damages the memory of a stopped Go process and reads it: `python -m tests.fuzz.run_memory SECONDS` or `--examples N`.

Some examples also damage the layout by which it is read, which may be that of somebody else's DWARF. As in `run`, every
example must end with a typed error or a result.
"""

import atexit
import contextlib
import functools
import json
import os
import random
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from gosonde_agent.golang import dwarf
from gosonde_agent.sources.memory.reachability.headers import HeaderReader
from gosonde_agent.sources.memory.reachability.limits import Limits, Meter
from gosonde_agent.sources.memory.reachability.paths import Paths
from gosonde_agent.sources.memory.reachability.scanner import Scanner
from gosonde_agent.sources.memory.target import (
    KnownBinaries,
    KnownBinary,
    Target,
    opened,
)
from gosonde_common.errors import GosondeError

from tests import go_programs
from tests.fuzz.harness import CORPUS, Subject
from tests.fuzz.naming import name_ways
from tests.go_programs import GoProgram

VERSIONS = ("1.19.8", "1.27.3")
#: Goroutines and stacks that are damaged.
SOME = 24
#: Spans that are damaged.
SPANS = 64
STACK_BYTES = 1_024
#: Of one search: whatever is claimed, it ends within the patience of the harness.
LIMITS = Limits(cpu_seconds=2.0)
#: Numbers that are written over pointers, lengths and offsets.
WORDS = (0, 1, 7, 8, 0xFF, 0xFFF, 0x7FFFFFFF, 0xFFFFFFFF, (1 << 26) - 1, 1 << 40, (1 << 47) - 8, 1 << 63, -1)
STRUCTURES = (
    *("g", "m", "p", "schedt", "mstats", "heapStatsDelta", "gcControllerState", "workType"),
    *("mheap", "mspan", "special", "finBlock", "finblock", "finalizer", "cleanupQueue", "cleanupBlock"),
    *("sudog", "notifyList", "moduledata", "specialfinalizer", "specialCleanup", "wbBuf", "cleanupFn"),
)


@dataclass(frozen=True)
class Damage:
    """What is changed.

    Attributes:
        version: Of Go, that the process was built by.
        is_late: The memory changes after the runtime was located.
        patches: (place, offset, what is written there: bytes as hexadecimal digits, or "@" and a place's name for its
            address).
        fields: (structure, field, where it is said to be).
    """

    version: str
    is_late: bool
    patches: tuple[tuple[str, int, str], ...]
    fields: tuple[tuple[str, str, int], ...]

    def to_json(self) -> str:
        """For the corpus."""
        return json.dumps([self.version, self.is_late, self.patches, self.fields])

    @classmethod
    def from_json(cls, text: str) -> "Damage":
        """Of the corpus."""
        version, is_late, patches, fields = json.loads(text)
        return cls(version, is_late, tuple(map(tuple, patches)), tuple(map(tuple, fields)))


class Process:
    """A stopped Go process, and where in it is what the readers read.

    Attributes:
        places: (address, size) by name.
    """

    def __init__(self, program: GoProgram, places: Callable[[Target], Mapping[str, tuple[int, int]]]) -> None:
        """Stops a program that is ready; it is killed at exit."""
        self._program = program
        atexit.register(self._program.kill)
        self.pid = self._program.pid
        os.kill(self.pid, signal.SIGSTOP)
        self._fd = os.open(f"/proc/{self.pid}/mem", os.O_RDWR)
        known = KnownBinaries()
        with opened(self.pid, known) as target:
            self.places = places(target)
        with Path(f"/proc/{self.pid}/exe").open("rb") as file:
            self.known = known.of(file.fileno())

    def with_fields(self, fields: tuple[tuple[str, str, int], ...]) -> "Fixed":
        """What is known of the binary, with some fields in other places."""
        structures = {name: dict(found) for name, found in self.known.layout.structures.items()}
        for structure, field, offset in fields:
            structures.setdefault(structure, {})[field] = offset
        layout = replace(self.known.layout, structures=structures)
        return Fixed(replace(self.known, layout=layout))

    @contextlib.contextmanager
    def patched(self, patches: tuple[tuple[str, int, str], ...]) -> Iterator[None]:
        """Writes over its memory, and puts back what was there."""
        kept = []
        try:
            for place, offset, what in patches:
                start, size = self.places[place]
                address = start + offset % size
                data = self.places[what[1:]][0].to_bytes(8, "little") if what[0] == "@" else bytes.fromhex(what)
                kept.append((address, os.pread(self._fd, len(data), address)))
                os.pwrite(self._fd, data, address)
            yield
        finally:
            for address, data in reversed(kept):
                os.pwrite(self._fd, data, address)


class Fixed(KnownBinaries):
    """Knows one binary already."""

    def __init__(self, binary: KnownBinary) -> None:
        super().__init__()
        self._binary = binary

    def of(self, _fd: int) -> KnownBinary:
        """It."""
        return self._binary


def places(target: Target) -> Mapping[str, tuple[int, int]]:
    """Where is what the readers read."""
    assert sum(1 for _ in target.goroutines()) > SOME
    runtime, layout, at = target.runtime, target.runtime.layout, target.runtime.addresses
    reasons, count = at.wait_reasons
    found = {
        "allgs": (at.allgs, 24),
        "allglen": (at.allglen, 8),
        "allp": (at.allp, 24),
        "sched": (at.sched, 512),
        "memstats": (at.memstats + layout.offset("mstats", "last_gc_unix"), 4_200),
        "heap totals": (
            at.memstats + layout.offset("mstats", "heapStats.stats"),
            3 * layout.size("heapStatsDelta") + 4,
        ),
        "controller": (at.controller, layout.size("gcControllerState")),
        "work": (at.t_end - 160, 208),
        "wait reasons": (reasons, count * 16),
    }
    found = {name: (address + runtime.bias, size) for name, (address, size) in found.items() if address > 0}
    found |= heap_places(target)
    length, first = runtime.number(at.allglen), runtime.number(at.allgs)
    found["list"] = (first, length * 8)
    moduledata = target.pclntab.moduledata
    types = runtime.number(moduledata + layout.offset("moduledata", "types"))
    found["moduledata"] = (moduledata + runtime.bias, layout.size("moduledata"))
    found["types"] = (types, runtime.number(moduledata + layout.offset("moduledata", "etypes")) - types)
    variables = target.image.sections[".data"]
    found["variables"] = (variables.vaddr + runtime.bias, variables.size + 4_096)
    processors = runtime.memory.read(runtime.number(at.allp), 8)
    found["p"] = (int.from_bytes(processors, "little"), 4_096)
    for index, address in enumerate(np.frombuffer(runtime.memory.read(first, length * 8), "<u8")[:SOME].tolist()):
        found[f"g{index}"] = (address, layout.size("g"))
        sp = int.from_bytes(runtime.memory.read(address + layout.offset("g", "sched.sp"), 8), "little")
        if sp:
            found[f"stack{index}"] = (sp, STACK_BYTES)
    return found


def heap_places(target: Target) -> Mapping[str, tuple[int, int]]:
    """Where is what locates the heap."""
    runtime, layout, at = target.runtime, target.runtime.layout, target.heap_addresses()
    allspans = at.mheap + runtime.bias + layout.offset("mheap", "allspans")
    pointer = runtime.number(allspans - runtime.bias)
    found = {"allspans": (allspans, 24), "spans": (pointer, SPANS * 8), "allfin": (at.allfin + runtime.bias, 8)}
    if at.cleanups:
        found["cleanups"] = (at.cleanups + runtime.bias, layout.size("cleanupQueue"))
    found["moduledata"] = (target.pclntab.moduledata + runtime.bias, layout.size("moduledata"))
    for index, span in enumerate(np.frombuffer(runtime.memory.read(pointer, SPANS * 8), "<u8").tolist()):
        found[f"span{index}"] = (span, layout.size("mspan"))
    return found


@functools.cache
def process(version: str) -> Process:
    """The one of a version."""
    program = GoProgram(go_programs.build("parked", version), "50").__enter__()
    program.ask("gc 3")
    return Process(program, places)


def random_damage(chance: random.Random) -> Damage:
    """Some patches at places that matter."""
    version = chance.choice(VERSIONS)
    return damage_to(process(version), version, STRUCTURES, chance)


def damage_to(stopped: Process, version: str, structures: Sequence[str], chance: random.Random) -> Damage:
    """Some patches of a process, and some of these structures changed."""
    there = stopped.places
    kinds = sorted({name.rstrip("0123456789") for name in there})
    patches = []
    for _ in range(chance.choice((0, 1, 1, 2, 4, 16))):
        kind = chance.choice(kinds)
        place = chance.choice([name for name in there if name.rstrip("0123456789") == kind])
        offset = chance.randrange(there[place][1]) & ~7
        word = (chance.choice((*WORDS, chance.getrandbits(64))) % (1 << 64)).to_bytes(8, "little")
        something = (word.hex(), word[: chance.choice((1, 2, 4))].hex(), f"@{chance.choice(list(there))}")
        patches.append((place, offset, chance.choice(something)))
    fields = []
    for _ in range(chance.choice((0, 0, 0, 1, 3)) if patches else 1):
        structure = chance.choice(structures)
        known = list(stopped.known.layout.fields(structure))
        if not known:
            continue
        limit = dwarf.MAX_SIZES.get(structure, dwarf.MAX_SIZE)
        fields.append((structure, chance.choice(known), chance.choice((chance.randrange(limit), limit))))
    return Damage(version, chance.random() < 0.7, tuple(patches), tuple(fields))


def exercise(damage: Damage) -> None:
    """Reads everything; only typed errors may come out, and they are swallowed here one by one."""
    stopped = process(damage.version)
    read_damaged(stopped, damage, lambda target: read_all(target, [at for at, _size in stopped.places.values()]))


def read_damaged(stopped: Process, damage: Damage, read: Callable[[Target], None]) -> None:
    """Reads a process with that damage."""
    known = stopped.with_fields(damage.fields)
    with contextlib.suppress(GosondeError), contextlib.ExitStack() as stack:
        if not damage.is_late:
            stack.enter_context(stopped.patched(damage.patches))
        target = stack.enter_context(opened(stopped.pid, known))
        if damage.is_late:
            stack.enter_context(stopped.patched(damage.patches))
        read(target)


def read_all(target: Target, addresses: list[int]) -> None:
    """What can be asked of a process whose runtime was taken for good; ways are named from some addresses on."""

    def reported() -> None:
        last = target.gc().last
        if last is not None:
            last.gctrace()

    def named() -> None:
        goroutines = HeaderReader(target.runtime).read(Meter(Limits()))
        name_ways(target, goroutines, addresses)

    parts: tuple[Callable[[], object], ...] = (
        named,
        lambda: list(target.goroutines()),
        lambda: list(target.blocks(stacks=False)),
        target.wait_reasons,
        target.totals,
        lambda: target.figures_reader().read(target.runtime.memory),
        target.heap_addresses,
        reported,
        lambda: searched(target),
    )
    for part in parts:
        with contextlib.suppress(GosondeError):
            part()


def searched(target: Target) -> None:
    """Searches for who can wake its goroutines, and says who that is."""
    scan = Scanner(target, target.heap_addresses(), LIMITS).scan()
    paths = Paths(scan)
    for row in np.flatnonzero(scan.blocked).tolist():
        paths.of(row)


def main() -> None:
    """Runs the examples."""
    for version in VERSIONS:
        process(version)
    Subject("damaged processes", CORPUS / "memory", Damage.from_json, random_damage, exercise).run(sys.argv[1:])


if __name__ == "__main__":
    main()
