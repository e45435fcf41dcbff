"""Turns what the kernel counted into what is reported: sites with names, pauses with reasons, processes with totals."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog
from gosonde_common.clock import steady_unix_nano
from gosonde_common.values.observation import (
    GcCycle,
    GcTotal,
    Observation,
    Pause,
    RuntimeReading,
    Site,
    SiteCount,
)

from gosonde_agent.accounting.correction import Correction
from gosonde_agent.accounting.pending_events import PendingEvents
from gosonde_agent.accounting.processes import GoProcess, Processes
from gosonde_agent.accounting.site_names import SiteNames, is_inside, nowhere
from gosonde_agent.golang.binary import GoBinary
from gosonde_agent.golang.layouts import stop_reason
from gosonde_agent.host.kernel import monotonic_to_unix_nano
from gosonde_agent.sources.counters import UNATTRIBUTED, Counters, Image, SiteTotal, by_site
from gosonde_agent.sources.events import EVENT_CYCLE, EVENT_PAUSE, Event
from gosonde_agent.sources.memory.heap import CycleHeap
from gosonde_agent.sources.protocol import Source

log = structlog.get_logger(__name__)

#: The loss of sites that cannot be: a process can call itself whatever it likes.
OUTSIDE = "sites_outside"
#: The loss of what could not be made of a process that contradicts itself.
UNREPORTED = "observations_failed"
#: The loss of events of a process that has too many.
DROPPED = "events_dropped"


@dataclass(frozen=True, slots=True)
class _Kept:
    """The rows of an image, and what they were made of: the same gives the same."""

    totals: Sequence[SiteTotal]
    of: tuple[int, int | None]
    rows: list[SiteCount]

    def after(self, found: Sequence[SiteTotal]) -> list[SiteCount] | None:
        """The rows when only counters have changed, which are of the first rows in order; None otherwise."""
        if len(found) != len(self.totals):
            return None
        rows: list[SiteCount] = []
        for row, before, now in zip(self.rows, self.totals, found, strict=False):
            if now == before:
                rows.append(row)
            elif now.pc == before.pc:
                rows.append(SiteCount(row.process, row.site, now.created, now.exited, row.baseline, row.mismatch))
            else:
                return None
        return rows + self.rows[len(found) :]


class Aggregation:
    """Names and sums what `source` counted for `processes`."""

    def __init__(self, source: Source, processes: Processes, names: SiteNames) -> None:
        self._source = source
        self._processes = processes
        self._names = names
        self._sites: dict[Image, dict[int, Site]] = defaultdict(dict)
        self._kept: dict[Image, _Kept] = {}
        self._events = PendingEvents()
        self._heaps: Mapping[Image, CycleHeap] = {}
        self._outside: set[Image] = set()
        self._has_foreign_code: set[Image] = set()
        self._lost = 0
        self._unreported = 0

    def add_event(self, event: Event) -> None:
        """Keeps a pause or a GC cycle for the next observation."""
        self._events.add(event)

    def has_dropped(self, image: Image) -> bool:
        """Whether events of an image were not kept, for it had too many between two observations, or none came.

        The code of a plugin has a runtime of its own that has no probes: only memory shows its goroutines.
        """
        return image in self._events.short or image in self._has_foreign_code

    def cycling(self) -> set[Image]:
        """The images that had a GC cycle since the last observation."""
        return self._events.of_kind(EVENT_CYCLE)

    def add_heaps(self, heaps: Mapping[Image, CycleHeap]) -> None:
        """What was read of the cycles that ended last, for the next observation."""
        self._heaps = heaps

    def observe(self, counters: Counters, losses: Mapping[str, int]) -> Observation:
        """The totals of every known process, and the pauses and cycles since the last call."""
        to_unix = monotonic_to_unix_nano()
        pauses, cycles = self._take_events(to_unix)
        watched = [process for process in self._processes if process.image is not None]
        rows = tuple(count for process in watched for count in self._told_of(process, counters))
        return Observation(
            taken_unix_nano=steady_unix_nano(),
            processes=tuple(process.description for process in self._processes),
            site_counts=rows,
            pauses=pauses,
            gc_cycles=cycles,
            gc_totals=tuple(_gc_total(process, counters) for process in watched),
            runtimes=tuple(
                RuntimeReading(process.key, process.runtime_figures)
                for process in watched
                # After an exec, what was read may have been another program's.
                if process.runtime_figures and not process.has_ended
            ),
            losses={
                **losses,
                OUTSIDE: self._lost,
                UNREPORTED: self._unreported,
                DROPPED: self._events.dropped,
            },
        )

    def _told_of(self, process: GoProcess, counters: Counters) -> list[SiteCount]:
        """The rows of a process; none when they cannot be made, so that all others are reported."""
        try:
            return self._site_counts(process, counters)
        except Exception as error:  # a fault of ours in what one process says must not cost the others
            if not self._unreported:
                log.exception("a process could not be reported", pid=process.key.pid, reason=str(error))
            self._unreported += 1
            return []

    def _site_counts(self, process: GoProcess, counters: Counters) -> list[SiteCount]:
        image = process.image
        if image is None or process.binary is None:
            return []
        if process.correction is not None:
            return self._corrected_counts(process, image, process.binary, process.correction, counters)
        found = counters.sites.get(image, ())
        kept = self._kept.get(image)
        of = (process.baseline.version, process.bias)
        same = kept if kept is not None and kept.of == of else None
        if same is not None and same.totals is found:
            return same.rows
        rows = (same.after(found) if same else None) or self._counted(process, image, process.binary, found)
        # The first name may have shown the bias.
        if image in self._outside or process.baseline.uncertain:
            # Rows that stand for several totals do not follow them, nor does a baseline while it is uncertain.
            self._kept.pop(image, None)
        else:
            self._kept[image] = _Kept(found, (process.baseline.version, process.bias), rows)
        return rows

    def _counted(
        self, process: GoProcess, image: Image, binary: GoBinary, found: Sequence[SiteTotal]
    ) -> list[SiteCount]:
        """The rows of a process that was always probed in full."""
        sites = self._sites[image]
        totals = by_site(found, 0)
        if process.bias is not None:
            born_before = (pc + process.bias for pc in process.baseline.shown())
            totals |= {pc: (0, 0) for pc in born_before if pc not in totals}
        rows: list[SiteCount] = []
        for pc, (created, exited) in totals.items():
            site = sites.get(pc)
            if site is None:
                site = sites[pc] = self._name(process, image, binary, pc)
            linked = pc - (process.bias or 0) if pc != UNATTRIBUTED else pc
            baseline = process.baseline.of(linked, (created, exited)), process.baseline.mismatch(linked)
            rows.append(SiteCount(process.key, site, created, exited, *baseline))
        return self._with_outside_summed(rows) if image in self._outside else rows

    def _corrected_counts(
        self, process: GoProcess, image: Image, binary: GoBinary, correction: Correction, counters: Counters
    ) -> list[SiteCount]:
        """The rows of a process that was not always probed in full."""
        sites = self._sites[image]
        rows: list[SiteCount] = []
        for link_time_pc, reported in process.reported(counters.sites.get(image, ())).items():
            pc = link_time_pc + (process.bias or 0) if link_time_pc != UNATTRIBUTED else UNATTRIBUTED
            site = sites.get(pc)
            if site is None:
                site = sites[pc] = self._name(process, image, binary, pc)
            rows.append(SiteCount(process.key, site, *reported, process.baseline.mismatch(site.pc)))
        if correction.unattributed:
            rows.append(SiteCount(process.key, nowhere(binary), correction.unattributed, correction.unattributed))
        return self._with_outside_summed(rows) if image in self._outside else rows

    @staticmethod
    def _with_outside_summed(rows: list[SiteCount]) -> list[SiteCount]:
        """What was counted at addresses outside the program's text, as one row: no `go` statement is there."""
        outside = [row for row in rows if row.site.pc == UNATTRIBUTED]
        if len(outside) < 2:
            return rows
        columns = zip(*((row.created, row.exited, row.baseline, row.mismatch) for row in outside), strict=True)
        summed = SiteCount(outside[0].process, outside[0].site, *map(sum, columns))
        return [row for row in rows if row.site.pc != UNATTRIBUTED] + [summed]

    def _name(self, process: GoProcess, image: Image, binary: GoBinary, pc: int) -> Site:
        if pc == UNATTRIBUTED:
            self._outside.add(image)
            return nowhere(binary)
        origin = self._source.origin(image, pc)
        process.find_bias(origin)
        bias = process.bias or 0
        if not is_inside(binary, pc - bias, is_sure=process.bias is not None):
            self._outside.add(image)
            self._has_foreign_code.add(image)
            self._lost += 1
            return nowhere(binary)
        start_pc = origin.start_pc - bias if origin is not None else process.start_pcs.get(pc - bias)
        return self._names.of(image.binary, binary, pc - bias, start_pc)

    def _take_events(self, to_unix: int) -> tuple[tuple[Pause, ...], tuple[GcCycle, ...]]:
        pauses: list[Pause] = []
        cycles: list[GcCycle] = []
        for event in self._events.take({process.image for process in self._processes}):
            process = self._processes.get(event.tgid, event.epoch)
            if process is None or process.image is None or process.image.binary != event.binary:
                continue
            at = event.at + to_unix
            if event.kind == EVENT_PAUSE:
                pauses.append(Pause(process.key, event.ordinal, at, event.duration, stop_reason(event.reason)))
            else:
                began = event.started_at + to_unix if event.started_at else 0
                read = self._read_of(process.image, event.at)
                number = process.number_of_cycle(event.ordinal, read.number if read else 0)
                cycles.append(GcCycle(process.key, event.ordinal, began, at, read.heap if read else None, number))
        self._heaps = {}
        return tuple(pauses), tuple(cycles)

    def _read_of(self, image: Image, terminated_at: int) -> CycleHeap | None:
        """What was read of the cycle whose mark termination was seen at a moment, when that was the one."""
        found = self._heaps.get(image)
        is_it = found is not None and found.terminated_at <= terminated_at <= found.ended_at
        return found if is_it else None

    def forget(self, image: Image) -> None:
        """Forgets the rows of an image."""
        self._kept.pop(image, None)
        self._sites.pop(image, None)
        self._outside.discard(image)
        self._has_foreign_code.discard(image)


def _gc_total(process: GoProcess, counters: Counters) -> GcTotal:
    total = counters.worlds.get(process.image) if process.image is not None else None
    return GcTotal(process.key, *total) if total is not None else GcTotal(process.key, 0, 0, 0)
