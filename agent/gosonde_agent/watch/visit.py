"""One visit to a process's memory: some readings of its goroutines, between readings of the event counters."""

import contextlib
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import structlog
from gosonde_common.errors import GosondeError
from gosonde_common.values.runtime import RuntimeFigures

from gosonde_agent.accounting.baseline import Count, Reading
from gosonde_agent.accounting.processes import GoProcess
from gosonde_agent.accounting.totals_check import TotalsReading
from gosonde_agent.sources.counters import Image, by_site
from gosonde_agent.sources.memory.figures import FiguresReader
from gosonde_agent.sources.memory.heap import HeapReader
from gosonde_agent.sources.memory.live import LiveCounter
from gosonde_agent.sources.memory.target import KnownBinaries, Target, opened
from gosonde_agent.sources.memory.totals import GoroutineTotals
from gosonde_agent.sources.protocol import Source

log = structlog.get_logger(__name__)

#: How long a creation or an exit takes from its probe until memory shows it, unless its thread is interrupted there.
SETTLE_SECONDS = 0.000_2
#: The time between two readings of a later visit: a disagreement counts when all of them show it, and a thread that is
#: interrupted between a probe and its goroutine's place in memory goes on meanwhile.
LATER_PAUSE_SECONDS = 0.05
#: A visit makes no further reading after that long.
VISIT_SECONDS = 0.2


@dataclass(slots=True)
class Scan:
    """One visit to a process's memory. `run` may be called from any thread; it raises nothing.

    Attributes:
        wanted: How many readings to make, as far as VISIT_SECONDS allow.
        pause_seconds: Between two of them.
        first: Whether the process waits for its baseline, or for the first figures at its level.
        suspected: Whether it is read because it may grow; then it has a part of its own of what readings may take.
        wants_counter: Whether `counter` is to be made.
        counter: What counts its goroutines from now on; whoever takes the visit closes it.
    """

    process: GoProcess
    image: Image
    source: Source
    known: KnownBinaries
    wanted: int
    generation: int
    pause_seconds: float
    first: bool
    suspected: bool
    wants_counter: bool
    counter: LiveCounter | None = None
    bias: int = 0
    heaps: HeapReader | None = None
    figures: FiguresReader | None = None
    runtime_figures: RuntimeFigures | None = None
    readings: list[Reading] = field(default_factory=list)
    totals: list[TotalsReading] = field(default_factory=list)
    starts: dict[int, int] = field(default_factory=dict)
    losses: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    has_ended: bool = False
    error: GosondeError | None = None
    _paused: float = 0.0

    def run(self) -> None:
        """Counts the live goroutines of each site, as often as planned."""
        began, cpu_began = time.monotonic(), time.thread_time()
        try:
            with opened(self.image.tgid, self.known) as target:
                self.bias = target.runtime.bias
                self.heaps = target.heap_reader()
                self.figures = target.figures_reader()
                self._read(target)
                self.runtime_figures = self.figures.read(target.runtime.memory)
                self._make_counter(target)
                while self._wants_more() and time.monotonic() - began < VISIT_SECONDS:
                    self._pause()
                    self._read(target)
        except GosondeError as error:
            self.error = error
        except Exception as error:  # a fault of ours in reading what others control must not end the agent
            log.exception("memory could not be read", pid=self.image.tgid)
            self.error = GosondeError(f"reading memory failed: {type(error).__name__}: {error}")
        self.seconds = time.monotonic() - began - self._paused
        self.cpu_seconds = time.thread_time() - cpu_began
        self.has_ended = True

    def _make_counter(self, target: Target) -> None:
        if self.wants_counter:
            with contextlib.suppress(GosondeError):  # then it is read as a whole, and no more often
                self.counter = target.live_counter()

    def _wants_more(self) -> bool:
        """A reading in which nothing happened, and which contradicts nothing, says it all."""
        newest = self.readings[-1]
        quiet = newest.before == newest.after and self.process.baseline.agrees(newest)
        agrees = all(self.process.totals.agrees(reading) for reading in self.totals[-1:])
        return len(self.readings) < self.wanted and not (quiet and agrees and not self._stands_alone())

    def _stands_alone(self) -> bool:
        """Whether only the newest reading says what it says of a process of which nothing else is known.

        A thread may have been interrupted between a probe and its goroutine's place in memory, where a probe was hit.
        """
        *earlier, newest = self.readings
        repeats = any(one.live == newest.live and one.after == newest.before for one in earlier)
        return not self.process.baseline.known and bool(newest.before) and not repeats

    def _pause(self) -> None:
        """Between two readings: those of a busy process follow each other, unless one is to check the other."""
        newest = self.readings[-1]
        checks = newest.before == newest.after and self._stands_alone()
        pause = max(self.pause_seconds, LATER_PAUSE_SECONDS if checks else 0.0)
        time.sleep(pause)
        self._paused += pause

    def _read(self, target: Target) -> None:
        before = self._counts()
        time.sleep(SETTLE_SECONDS)
        totals = _totals(target)
        live: Counter[int] = Counter()
        foreign: list[npt.NDArray[np.uint64]] = []
        for block in target.blocks(stacks=False):
            pcs, first, counts = np.unique(block.gopc, return_index=True, return_counts=True)
            starts = block.start_pc[first].tolist()
            for pc, start, count in zip(pcs.tolist(), starts, counts.tolist(), strict=True):
                live[pc] += count
                self.starts.setdefault(pc, start)
            foreign.append(block.foreign)
        after = self._counts()
        live.pop(0, None)  # threads that C made have no go statement
        every = np.concatenate(foreign)
        totals = totals.without(every) if totals else None
        self.losses = self.source.losses()
        later = _totals(target) if self.process.correction is not None and self.process.correction.fresh else None
        later = later.without(every) if later else None
        created = totals.created if totals else None
        reading = Reading(before, live, after, created, later.created if later else None, target.most_at_once())
        self.readings.append(reading)
        if totals:
            self.totals.append(TotalsReading.of(reading, totals))

    def _counts(self) -> Mapping[int, Count]:
        return by_site(self.source.site_totals(self.image), self.bias)


def _totals(target: Target) -> GoroutineTotals | None:
    try:
        return target.totals()
    except GosondeError:
        return None
