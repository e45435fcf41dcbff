"""The Go processes that are watched or refused, each under the identity that the kernel side counts it by."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import structlog
from gosonde_common.ratelimit import MessageLimiter
from gosonde_common.values.levels import Level
from gosonde_common.values.observation import Process, ProcessKey
from gosonde_common.values.runtime import RuntimeFigures

from gosonde_agent.accounting.baseline import (
    NOTHING,
    Baseline,
    Count,
    Interval,
    Reading,
)
from gosonde_agent.accounting.correction import (
    Before,
    Correction,
    Reported,
    creation_offset_of,
    narrowed,
)
from gosonde_agent.accounting.totals_check import TotalsCheck
from gosonde_agent.golang.binary import GoBinary
from gosonde_agent.sources.counters import PROBE_CREATED, PROBE_IDS_TAKEN, Image, Origin, SiteTotal, by_site
from gosonde_agent.sources.memory.figures import FiguresReader
from gosonde_agent.sources.memory.heap import HeapReader

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class GoProcess:
    """One process image.

    Attributes:
        image: How the kernel side names it; None for a refused process.
        bias: Runtime address less link-time address; None until a first hit has shown it.
        description: What is reported for it.
        baseline: How many goroutines of each site it had before it was counted.
        totals: The runtime's own totals against the events'.
        start_pcs: Where a goroutine of a site begins, both link-time addresses; of sites that memory has shown.
        creation_offset: The runtime's count of created goroutines less the probes'; constant at full and creation.
        correction: What the probes missed; None while they have always seen everything.
        heaps: Reads the heap's figures; None until its memory was read, and where they are not known.
        figures: Reads what its runtime says of itself; None until its memory was read.
        runtime_figures: What that said last.
        since_ns: When counting it began, CLOCK_MONOTONIC.
        has_lost: The kernel side had no room for something of it, or may not have had; or its memory showed that
            something was not counted.
        generation: How often the level has changed: a reading of memory is of one level.
        cycles_before: (generation, GC cycles before the first that was counted), as far as memory has shown them.
        is_reported: Whether an observation has reported it.
    """

    image: Image | None
    binary: GoBinary | None
    description: Process
    bias: int | None = None
    baseline: Baseline = field(default_factory=lambda: Baseline(known=True))
    totals: TotalsCheck = field(default_factory=lambda: TotalsCheck(from_start=False))
    start_pcs: dict[int, int] = field(default_factory=dict)
    creation_offset: Interval | None = None
    correction: Correction | None = None
    heaps: HeapReader | None = None
    figures: FiguresReader | None = None
    runtime_figures: RuntimeFigures | None = None
    since_ns: int = 0
    has_lost: bool = False
    generation: int = 0
    cycles_before: tuple[int, int] | None = None
    is_reported: bool = False

    @property
    def key(self) -> ProcessKey:
        """Its identity outside this host's kernel."""
        return self.description.key

    @property
    def level(self) -> Level:
        """What is probed."""
        return self.description.level

    @property
    def precise(self) -> bool:
        """Whether everything since counting began was counted at its place, or memory shows exactly what was missed."""
        if self.has_lost:
            return False
        if (correction := self.correction) is None:
            return True
        has_gaps = correction.frozen is not None or correction.creations_missed or correction.incomplete
        return not (has_gaps or self.baseline.uncertain)

    def number_of_cycle(self, ordinal: int, read: int) -> int:
        """The runtime's number of a cycle that was counted as the `ordinal`th, from 0; 0 where it is not known.

        Args:
            read: Its number as memory has it; 0 where that was not read.
        """
        if read:
            self.cycles_before = self.generation, read - ordinal - 1
        from_start = (0, 0) if self.description.counted_from_start else None
        generation, before = self.cycles_before or from_start or (-1, 0)
        return ordinal + 1 + before if generation == self.generation else 0

    def reported(self, totals: Sequence[SiteTotal]) -> dict[int, Reported]:
        """What is reported for each site when the counters say `totals`, by link-time pc."""
        correction = self.correction
        if correction is not None and correction.frozen is not None and not self.has_ended:
            return correction.frozen
        counts = self._counts(totals)
        if correction is None:
            pcs = {*counts, *self.baseline.shown()}
            found = {pc: counts.get(pc, NOTHING) for pc in pcs}
            return {pc: Reported(*count, self.baseline.of(pc, count)) for pc, count in found.items()}
        if correction.frozen is not None:
            return {pc: correction.at_end(pc, counts.get(pc, NOTHING)) for pc in {*counts, *correction.known()}}
        pcs = {*counts, *self.baseline.shown(), *correction.known()}
        return {pc: correction.after(pc, counts.get(pc, NOTHING), self.baseline) for pc in pcs}

    def find_bias(self, origin: Origin | None) -> None:
        """Finds the bias from the first hit of any site, unless it is known."""
        if self.bias is None and origin is not None and self.binary is not None:
            if origin.probe == PROBE_IDS_TAKEN and self.binary.refill is not None:
                self.bias = origin.ip - self.binary.refill.vaddr
                return
            probe = "created" if origin.probe == PROBE_CREATED else "exited"
            self.bias = origin.ip - self.binary.points[probe].vaddr

    def _counts(self, totals: Sequence[SiteTotal]) -> dict[int, Count]:
        """What the counters say of each site, by link-time pc."""
        return by_site(totals, self.bias or 0)

    def ensure_correction(self) -> Correction:
        """What carries its totals over a step of the level, which is about to be made.

        Where memory has not been read yet, nobody knows how many goroutines lived before counting began. They are
        found by the first reading, as if counting began there, and what happened between the step and it is missed.
        """
        if self.correction is None:
            sites = self.baseline.sites
            before = {pc: Before(*self.baseline.bounds(pc), self.baseline.of(pc)) for pc in sites}
            fresh, incomplete = not self.baseline.known, self.baseline.uncertain
            self.correction = Correction(self.creation_offset, before, fresh=fresh, incomplete=incomplete)
        return self.correction

    @property
    def is_frozen(self) -> bool:
        """Whether what is reported stands still until memory has been read."""
        return self.correction is not None and self.correction.frozen is not None

    def freeze(self, totals: Sequence[SiteTotal]) -> None:
        """A step of the level is about to be made at these `totals`: what is reported now holds meanwhile."""
        self.ensure_correction().freeze(self.reported(totals), self._counts(totals), self.level)

    def take(self, readings: Sequence[Reading]) -> int:
        """Records the readings of one visit to its memory.

        Returns:
            By how many goroutines memory and events have newly come to disagree; 0 where not all probes are there.
        """
        correction = self.correction
        if correction is not None and self.level is not Level.FULL:
            correction.take(readings[-1], self.level)
            return 0
        if correction is not None and correction.is_blind:
            self.baseline, correction.is_blind = Baseline(known=False, signed=True), False
        grown = self.baseline.take(readings)
        if correction is not None:
            correction.resume(readings, self.baseline)
        else:
            for reading in readings:
                self.creation_offset = narrowed(self.creation_offset, creation_offset_of(reading))
        return grown

    def go_on(self) -> None:
        """Its memory cannot be read: what stood still goes on with what the probes count from the step up on."""
        if self.correction is not None:
            self.baseline = self.correction.go_on()

    @property
    def has_ended(self) -> bool:
        """Whether it is known that it runs no more."""
        return self.description.ended_unix_nano != 0


class _Alone(AbstractContextManager[None]):
    """See Processes.alone; a generator would take three times as long, for each process many times a second."""

    __slots__ = ("_processes", "_step", "_tgid")

    def __init__(self, processes: "Processes", tgid: int, step: str) -> None:
        self._processes, self._tgid, self._step = processes, tgid, step

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> bool:
        if not isinstance(error, Exception):
            return False
        # A fault of ours in what one process shows must not cost the others.
        self._processes.note_failure(self._tgid, self._step, error)
        return True


class Processes:
    """All process images that are known, by (tgid, epoch). The epoch is the kernel's: 0 before the agent.

    Attributes:
        steps_failed: Steps that were left out for one process, since the start.
    """

    def __init__(self) -> None:
        self.steps_failed = 0
        self._message_limiter = MessageLimiter()
        self._by_image: dict[tuple[int, int], GoProcess] = {}
        self._epochs: defaultdict[int, list[int]] = defaultdict(list)

    def alone(self, tgid: int, step: str) -> AbstractContextManager[None]:
        """Around a step for one process of many: whatever goes wrong in it costs the others nothing, and is counted."""
        return _Alone(self, tgid, step)

    def note_failure(self, tgid: int, step: str, error: Exception) -> None:
        """A step was left out for one process."""
        self.steps_failed += 1
        if self._message_limiter.allows(step):
            log.error("a step was left out for one process", step=step, pid=tgid, exc_info=error)

    def add(self, tgid: int, epoch: int, process: GoProcess) -> None:
        """Keeps a process image."""
        if (tgid, epoch) not in self._by_image:
            self._epochs[tgid].append(epoch)
        self._by_image[tgid, epoch] = process

    def get(self, tgid: int, epoch: int) -> GoProcess | None:
        """A process image; None when it is not known."""
        return self._by_image.get((tgid, epoch))

    def of_pid(self, tgid: int) -> list[tuple[int, GoProcess]]:
        """(epoch, process) of every image of a pid that is still kept."""
        return [(epoch, self._by_image[tgid, epoch]) for epoch in self._epochs.get(tgid, ())]

    def remove(self, tgid: int, epoch: int) -> None:
        """Forgets a process image."""
        if self._by_image.pop((tgid, epoch), None) is not None:
            self._epochs[tgid].remove(epoch)
            if not self._epochs[tgid]:
                del self._epochs[tgid]

    def __iter__(self) -> Iterator[GoProcess]:
        return iter(list(self._by_image.values()))

    def items(self) -> list[tuple[tuple[int, int], GoProcess]]:
        """((tgid, epoch), process) of all."""
        return list(self._by_image.items())

    def __len__(self) -> int:
        return len(self._by_image)
