"""How much less work a process does while its memory is searched, in many short slices of fixed work.

The process has one core and the scanner another. Each slice begins behind a garbage collection and has none; it puts
the same number of new objects in place of old ones, and is timed by the process itself, by the clock and by its own CPU
time. Two slices without scans, four while one scan follows the other, and two without make a block, and each block
gives one value: so what drifts slowly cancels out. The slices without, compared with each other, show what can be
distinguished.
"""

import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from gosonde_agent.sources.memory.reachability.examining import scanner_of
from gosonde_agent.sources.memory.reachability.proving import SCANS, SECONDS
from gosonde_agent.sources.memory.reachability.scanner import Scanner
from gosonde_agent.sources.memory.target import opened

from benchmarks import quiet
from benchmarks.results import Row
from benchmarks.scanning import scanned
from tests.go_programs import GoProgram, build

CASE = "map of 100 MB"
ARGUMENTS = ("map", "100", "100", "100")
ON_ONE_P = {"GOMAXPROCS": "1"}
#: Of one slice: some 50 ms of work.
OBJECTS = 100_000
#: Slices without scans at each end of a block, and between them those with.
OUTER, INNER = 2, 4
CLOCKS = {"second": "wall_ns", "CPU second": "cpu_ns"}

Slice = dict[str, int]


def lost_work(blocks: int) -> Iterator[Row]:
    """Percent of its work that the process loses, for each second and for each CPU second of its own."""
    target_cpu, scanner_cpu = _two_cpus()
    with quiet.preferred(), opened_program(target_cpu) as (program, scanner), quiet.on_cpus({scanner_cpu}):
        measured = [_block(program, scanner) for _ in range(blocks + 1)][1:]
    for second, clock in CLOCKS.items():
        scanned = tuple(block.lost(clock) for block in measured)
        in_proof = tuple(lost * block.share for lost, block in zip(scanned, measured, strict=True))
        for what, values in (
            (f"lost per {second} while scanned", scanned),
            (f"lost per {second} during a proof", in_proof),
            (f"per {second}, no scan in either", tuple(block.drifted(clock) for block in measured)),
        ):
            yield Row("scans", f"work {what}, {CASE}", "%", values, compared=True)


def _two_cpus() -> tuple[int, int]:
    """One for the process, one for all else; the same where there is but one."""
    cpus = sorted(os.sched_getaffinity(0))
    return cpus[-1], cpus[0]


@contextmanager
def opened_program(cpu: int) -> Iterator[tuple[GoProgram, Scanner]]:
    """The process on its core, and who scans it."""
    with quiet.on_cpus({cpu}):
        program = GoProgram(build("searched"), *ARGUMENTS, env=ON_ONE_P)
    with program, opened(program.pid) as target:
        yield program, scanner_of(target)


@dataclass(frozen=True, slots=True)
class Block:
    """Slices in their order, and which part of the time of a proof its scans take."""

    before: Sequence[Slice]
    within: Sequence[Slice]
    after: Sequence[Slice]
    share: float

    def lost(self, clock: str) -> float:
        """Percent of the work that is not done in the same time while scans go on."""
        without = _mean([*self.before, *self.after], clock)
        return 100 * (1 - without / _mean(self.within, clock))

    def drifted(self, clock: str) -> float:
        """The same between slices that all had no scan."""
        return 100 * (1 - _mean(self.before, clock) / _mean(self.after, clock))


def _mean(slices: Sequence[Slice], clock: str) -> float:
    return sum(one[clock] for one in slices) / len(slices)


def _block(program: GoProgram, scanner: Scanner) -> Block:
    before = [program.ask(f"objects {OBJECTS}") for _ in range(OUTER)]
    with Scans(scanner) as scans:
        within = [program.ask(f"objects {OBJECTS}") for _ in range(INNER)]
    after = [program.ask(f"objects {OBJECTS}") for _ in range(OUTER)]
    took = sum(scans.took) / len(scans.took)
    return Block(before, within, after, SCANS * took / (SECONDS + took))


@dataclass(slots=True)
class Scans:
    """Scans in a thread, one behind the other, from before the context begins until after it ends.

    Attributes:
        took: How long each took by the clock, in seconds.
    """

    scanner: Scanner
    took: list[float] = field(default_factory=list)
    _begun: threading.Event = field(default_factory=threading.Event)
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> "Scans":
        self._thread = threading.Thread(target=self._scan)
        self._thread.start()
        self._begun.wait()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._thread is not None
        self._over.set()
        self._thread.join()

    def _scan(self) -> None:
        while not self._over.is_set():
            began = time.monotonic()
            self._begun.set()
            scanned(self.scanner, len(self.took))
            self.took.append(time.monotonic() - began)
