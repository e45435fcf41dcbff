"""Makes the steps from level to level: those that the budget asks for, and those that the operator does.

Probes belong to a file (or, where only one process of it is selected, to that process), and so do levels.
"""

import time
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace

import structlog
from gosonde_common.clock import steady_unix_nano
from gosonde_common.errors import GosondeError, NotFoundError, UnsupportedError
from gosonde_common.values.levels import (
    MAX_STEPS,
    PROBES,
    Level,
    Reason,
    Step,
)

from gosonde_agent.accounting.baseline import Baseline
from gosonde_agent.accounting.correction import Correction
from gosonde_agent.accounting.processes import GoProcess, Processes
from gosonde_agent.overhead.governor import FIRST_SECONDS, Decision, Governor
from gosonde_agent.sources.counters import Hits, Image, SiteTotal
from gosonde_agent.sources.protocol import Source
from gosonde_agent.watch.reconciliation import Reconciler

log = structlog.get_logger(__name__)


class Stepper:
    """The levels of all files that have probes, by their number."""

    def __init__(self, source: Source, processes: Processes, reconciler: Reconciler, governor: Governor) -> None:
        self._source = source
        self._processes = processes
        self._reconciler = reconciler
        self._governor = governor
        self._newest: dict[int, Step] = {}
        self._all_off = False
        self._joined_at = float("-inf")

    @property
    def has_newcomers(self) -> bool:
        """Whether a process was found a moment ago whose creations are probed: what it pays is not known yet."""
        return time.monotonic() - self._joined_at < FIRST_SECONDS

    def begin(self, number: int, first: Step | None) -> None:
        """A file has got its probes, those of level full unless a first step says others.

        Takes them out again when the operator wants none.
        """
        if first is not None:
            self._newest[number] = first
        if first is not None and first.reason is Reason.BUDGET:
            log.info("level begun with", level=first.level, reason=first.reason, target_ppm=first.target_ppm)
        if self._all_off:
            self._source.set_probes(number, PROBES[Level.OFF])
            self._newest[number] = Step(steady_unix_nano(), Level.OFF, Reason.OPERATOR, 0)

    def _level(self, number: int) -> Level:
        step = self._newest.get(number)
        return step.level if step else self._source.kind.level

    def join(self, process: GoProcess) -> None:
        """A process was found: it runs at the level of its file."""
        level = self._level(process.image.binary) if process.image else Level.FULL
        if "created" in PROBES[level]:
            self._joined_at = time.monotonic()
        if level is Level.FULL:
            process.creation_offset = (0, 0) if process.description.counted_from_start else None
            return
        known = process.description.counted_from_start
        process.correction = Correction((0, 0) if known else None, frozen={}, fresh=not known, incomplete=not known)
        steps = self._steps_for(process)
        process.description = replace(process.description, level=level, precise=False, steps=steps)
        self._reconciler.hurry(process)

    def _steps_for(self, process: GoProcess) -> tuple[Step, ...]:
        """Why a process that was just found does not run at level full: the newest step of its file."""
        step = self._newest.get(process.image.binary) if process.image else None
        if step is None:
            return ()
        return (replace(step, at_unix_nano=max(step.at_unix_nano, process.description.counted_since_unix_nano)),)

    def forget(self, numbers: set[int]) -> None:
        """Forgets every file but these."""
        self._newest = {number: step for number, step in self._newest.items() if number in numbers}
        self._governor.forget(numbers)

    def govern(self, steady: Container[Image]) -> None:
        """Makes the steps that the budget asks for; `steady` as in `Governor.decide`."""
        files = self._by_file()
        decisions: dict[int, Decision] = {}
        for number, processes in files.items():
            with self._processes.alone(processes[0].key.pid, "decide on a level"):
                if decision := self._decision(number, processes, steady):
                    decisions[number] = decision
        costliest_first = sorted(decisions, key=lambda number: -decisions[number].target_ppm)
        self._make({number: decisions[number] for number in costliest_first}, files)

    def _decision(self, number: int, processes: Sequence[GoProcess], steady: Container[Image]) -> Decision | None:
        """A step up waits until no probe is being closed, since a new one beside it would count twice; no step down."""
        level = self._level(number)
        if level is Level.OFF or self._source.kind.level is not Level.FULL:
            return None
        may_rise = not self._source.is_closing(number)
        return self._governor.decide(number, level, processes, steady, may_rise=may_rise)

    def switch(self, pid: int | None, numbers: Iterable[int], *, on: bool) -> list[GoProcess]:
        """Detaches all probes from the file that a process runs, or from every file, or attaches them again.

        Args:
            numbers: Of every file that has probes. No process may run one of them now, and one may later.

        Returns:
            The processes that this was done to: all that share the file.

        Raises:
            NotFoundError: No such process is watched.
            UnsupportedError: There are no probes.
        """
        if self._source.kind.level is Level.MEMORY:
            raise UnsupportedError("this agent may place no probes on this host: `gosonde doctor` there says why")
        files = self._by_file()
        if pid is None:
            self._all_off = not on
            files = {number: files.get(number, []) for number in {*numbers, *files}}
        else:
            files = {number: own for number, own in files.items() if any(p.key.pid == pid for p in own)}
            if not files:
                raise NotFoundError(f"the agent does not watch process {pid}, or refused it")
        # The most expensive first: the kernel takes its time for each.
        hits = self._source.hits()
        costliest_first = sorted(files, key=lambda number: -_sum(hits, files[number]))
        step = Decision(self._source.kind.level if on else Level.OFF, Reason.OPERATOR, 0)
        self._make({n: step for n in costliest_first if (self._level(n) is Level.OFF) == on}, files)
        return [process for own in files.values() for process in own]

    def _by_file(self) -> Mapping[int, list[GoProcess]]:
        files: defaultdict[int, list[GoProcess]] = defaultdict(list)
        for process in self._processes:
            if process.image is not None and not process.has_ended:
                files[process.image.binary].append(process)
        return files

    def _make(self, decisions: Mapping[int, Decision], files: Mapping[int, list[GoProcess]]) -> None:
        """Makes the steps of some files, in this order. The counters are read once for all of them."""
        if decisions:
            totals = self._source.counters().sites
            for number, decision in decisions.items():
                self._step(number, decision, files[number], totals)

    def _step(
        self, number: int, decision: Decision, processes: list[GoProcess], totals: Mapping[Image, Sequence[SiteTotal]]
    ) -> None:
        for process in processes:
            self._freeze(process, totals.get(process.image, ()) if process.image else ())
        try:
            if decision.level is Level.OFF:
                self._source.end_parks(number)
            self._source.set_probes(number, PROBES[decision.level])
        except GosondeError as error:
            log.warning("the level could not be changed", reason=str(error))
            return
        step = Step(steady_unix_nano(), decision.level, decision.reason, decision.target_ppm)
        self._newest[number] = step
        for process in processes:
            self._enter(process, step)
        pids = [process.key.pid for process in processes]
        log.info("level changed", level=step.level, reason=step.reason, target_ppm=step.target_ppm, pids=pids)

    def _freeze(self, process: GoProcess, totals: Sequence[SiteTotal]) -> None:
        if process.bias is None and process.image is not None and totals:
            process.find_bias(self._source.origin(process.image, totals[0].pc))
        process.freeze(totals)

    def _enter(self, process: GoProcess, step: Step) -> None:
        process.generation += 1
        process.baseline = Baseline(known=False, signed=True)
        steps = (*process.description.steps, step)[-MAX_STEPS:]
        process.description = replace(process.description, level=step.level, precise=False, steps=steps)
        self._reconciler.hurry(process)


def _sum(hits: Mapping[Image, Hits], processes: list[GoProcess]) -> int:
    return sum(sum(hits.get(process.image, Hits())) for process in processes if process.image)
