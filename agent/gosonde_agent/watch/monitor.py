"""Follows the Go processes of this host: finds them, keeps them, reads them, and says what is known of them.

The monitor does nothing by itself: its parts are called by whoever runs it (the service, or `gosonde trace`), all from
one thread (the service's is a `Desk`).
"""

import time
from collections.abc import Collection, Iterable
from dataclasses import replace

from gosonde_common.values.levels import Level
from gosonde_common.values.observation import Observation, Process, ProcessKey

from gosonde_agent.accounting.aggregation import Aggregation
from gosonde_agent.accounting.precision import note_precision
from gosonde_agent.accounting.processes import GoProcess, Processes
from gosonde_agent.accounting.short_lived import ShortLived
from gosonde_agent.accounting.site_names import SiteNames
from gosonde_agent.discovery.limits import Limits
from gosonde_agent.discovery.selection import Selection
from gosonde_agent.model.budget import Budget
from gosonde_agent.overhead.governor import Governor
from gosonde_agent.overhead.metering import Meter
from gosonde_agent.overhead.onset import Onset
from gosonde_agent.overhead.parking import ParkSampler
from gosonde_agent.overhead.precheck import BudgetPrecheck
from gosonde_agent.overhead.sampling import SiteSampler
from gosonde_agent.sources.counters import Counters, Image
from gosonde_agent.sources.events import EVENT_EXEC, EVENT_EXIT, EVENT_HIT, Event
from gosonde_agent.sources.hit_costs import HitCosts
from gosonde_agent.sources.protocol import Source
from gosonde_agent.watch.costs import Costs
from gosonde_agent.watch.files import ProbedFiles
from gosonde_agent.watch.finder import Finder
from gosonde_agent.watch.paces import Paces
from gosonde_agent.watch.quiet import Quiet
from gosonde_agent.watch.readings import Readings
from gosonde_agent.watch.reconciliation import Reconciler
from gosonde_agent.watch.roster import Roster
from gosonde_agent.watch.stepping import Stepper

#: So long after the end of a process was seen, none of its threads can be on its way through a probe any more.
SETTLE_NS = 20_000_000
#: When so many processes of the host have ended, what was counted of them is summed, and its room freed.
MAX_UNSETTLED = 1_024

#: Loss counter of the steps that were left out for one process.
STEPS_FAILED = "process_steps_failed"


class Monitor:
    """The Go processes that `selection` selects, counted by `source`.

    With `sums_short_lived`, processes that end before an observation reports them are reported as one row for each
    file; else each has a row of its own.

    With `starts_low`, a file begins with the probes that its processes can afford, by what they do just before; else
    with those of level full. Where the source has no probes, it begins at level memory and stays there.

    Processes that are `standing` before their first instruction are counted from their start once they are found.

    Attributes:
        source: What counts.
        processes: All process images that are known.
        files: What has probes.
        finder: Finds processes.
        readings: What is read of memory.
        costs: What the probes cost.
    """

    def __init__(
        self,
        source: Source,
        selection: Selection,
        reconcile_seconds: float = 0.0,
        costs: HitCosts | None = None,
        budget: Budget | None = None,
        *,
        parks: bool = False,
        limits: Limits | None = None,
        sums_short_lived: bool = False,
        starts_low: bool = False,
        standing: Collection[int] = (),
    ) -> None:
        self.processes = Processes()
        self.source = source
        self._names = SiteNames()
        self._short_lived = ShortLived(source, self._names) if sums_short_lived else None
        self._aggregation = Aggregation(source, self.processes, self._names)
        self._quiet = Quiet(source, self.processes)
        meter = Meter(costs or HitCosts(), self.processes)
        governor = Governor(budget or Budget(), meter)
        reconciler = Reconciler(source, self.processes, meter, reconcile_seconds)
        stepper = Stepper(source, self.processes, reconciler, governor)
        sampler = ParkSampler(source, self.processes, governor, meter) if parks else None
        looks_first = starts_low and source.kind.level is Level.FULL
        paces = Paces(Onset(governor, meter), lambda: reconciler.binaries) if looks_first else None
        self.files = ProbedFiles(source, selection, stepper, limits or Limits(), paces=paces)
        self._roster = Roster(source, self.processes, stepper, self._quiet, standing)
        self.finder = Finder(source, self.processes, self.files, self._roster)
        self.readings = Readings(self.processes, reconciler, self._aggregation, self._quiet)
        self.costs = Costs(
            *(source, meter, governor, stepper, BudgetPrecheck(self.processes, meter, governor)),
            sites=SiteSampler(source, self.processes, governor, meter),
            parks=sampler,
        )

    # --- finding and keeping processes -------------------------------------------------------------------------------

    def scan(self) -> None:
        """Handles what happened, and finds every process that runs now and is not known yet."""
        self.poll()
        self.finder.scan()

    def poll(self) -> None:
        """Handles what happened: files that somebody waits for, execs, exits, pauses, GC cycles."""
        self.files.attachments.release_requested()
        events = self.source.events()
        over = {(event.tgid, event.epoch) for event in events if event.kind == EVENT_EXIT}
        for event in events:
            with self.processes.alone(event.tgid, "take an event"):
                self._take(event, is_over=(event.tgid, event.epoch) in over)
        if self.finder.nameless.is_due:
            self.finder.scan()

    def _take(self, event: Event, *, is_over: bool) -> None:
        """`is_over`: the process has ended meanwhile, and /proc has nothing to say of it any more."""
        if event.kind == EVENT_EXEC:
            self._roster.on_exec(event)
            if not is_over:
                self.finder.consider(event.tgid, event.epoch)
        elif event.kind == EVENT_EXIT:
            self._roster.on_exit(event)
        elif event.kind == EVENT_HIT:
            self._quiet.happened()
        else:
            self._aggregation.add_event(event)

    def select(self, selection: Selection) -> None:
        """Selects other processes from now on.

        What is watched and not selected any more is reported one last time, by the next observation. Its probes are
        detached, unless another process that is selected runs the same file.
        """
        self.files.selection = selection
        self.finder.forget_unknown()  # `scan` finds them again
        for (pid, epoch), process in self.processes.items():
            if not process.has_ended and not selection.selects(pid, process.description.exe):
                self._roster.detach_deselected(pid, epoch, process)
        running = {process.image.binary for process in self.processes if process.image and not process.has_ended}
        self.files.detach_deselected(running)
        self.scan()

    def watches(self, key: ProcessKey) -> bool:
        """Whether a process image is known and runs now: its pid has not been given to another, nor has it run exec."""
        return self._roster.watches(key)

    def has_run_exec(self, key: ProcessKey) -> bool:
        """Whether a process image was seen to become another one; by some sources that is not seen."""
        return self._roster.exec_seen_after(key.pid, key.exec_epoch)

    # --- probes ------------------------------------------------------------------------------------------------------

    @property
    def is_closing(self) -> bool:
        """Whether probes that were detached can still be hit."""
        return self.files.attachments.is_closing

    def is_closing_for(self, pid: int | None) -> bool:
        """The same of the file that a process runs; of any file without a process."""
        if pid is None:
            return self.is_closing
        numbers = {process.image.binary for _, process in self.processes.of_pid(pid) if process.image}
        return any(map(self.source.is_closing, numbers))

    def switch(self, pid: int | None, *, on: bool) -> list[Process]:
        """Detaches all probes from the file that a process runs, or (None) from all files, or attaches them again.

        Raises:
            NotFoundError: No such process is watched.
        """
        return self.costs.switch(pid, self.files.attachments.numbers(), on=on)

    # --- sleeping ----------------------------------------------------------------------------------------------------

    @property
    def is_quiet(self) -> bool:
        """Whether nothing has happened for a while."""
        return self._quiet.lasts and not self.finder.has_unknown

    def may_sleep(self) -> bool:
        """Whether nothing happens, and whatever does next makes the source's `event_fd` readable."""
        attachments = self.files.attachments
        return self.is_quiet and not attachments.is_closing and not attachments.leaving and self._quiet.begin()

    # --- observing ---------------------------------------------------------------------------------------------------

    def observe(self) -> Observation:
        """Everything that is known now. A process that has ended appears one last time, with its final totals."""
        if self._roster.end_those_gone():
            self.poll()  # its last stop-the-world pauses: when its totals are reported, nobody asks for them any more
        self._quiet.look()
        settled_at = time.monotonic_ns() - SETTLE_NS
        counters = self.source.counters()
        self.costs.measure(counters.hits)  # at once: CPU times are read to it
        self._settle(counters, settled_at)
        note_precision(self.processes, counters, self._aggregation.has_dropped)
        losses = {**counters.losses, **self._roster.losses, **self.readings.losses}
        observation = self.costs.added_to(self._aggregation.observe(counters, losses))
        if self._short_lived is not None:
            observation = self._short_lived.added_to(observation)
        observation = replace(observation, losses={**observation.losses, STEPS_FAILED: self.processes.steps_failed})
        self._forget_ended(counters)
        self._roster.forget_exits(settled_at)
        self._roster.forget_unreported(counters.losses)
        return observation

    def settle(self) -> None:
        """Sums the processes that have ended since, when they are many: what they were counted by has little room."""
        if self._short_lived is not None and self._roster.exits_to_settle >= MAX_UNSETTLED:
            settled_at = time.monotonic_ns() - SETTLE_NS
            self._settle(self.source.counters(), settled_at)
            self._roster.forget_exits(settled_at)

    def _settle(self, counters: Counters, settled_at: int) -> None:
        """Finds every process that is in the counters; those that need no row of their own are summed.

        Args:
            settled_at: Whatever had ended by then (CLOCK_MONOTONIC, ns) is counted in full.
        """
        unknown = [
            image
            for (tgid, epoch), images in counters.images().items()
            if (tgid, epoch) not in self._roster.deselected and self.processes.get(tgid, epoch) is None
            for image in images
        ]
        self.source.forget([image for image in unknown if not self._is_learnt(image, settled_at)])
        if self._short_lived is not None:
            self._sum(self._short_lived, counters)

    def _is_learnt(self, image: Image, settled_at: int) -> bool:
        with self.processes.alone(image.tgid, "learn"):
            return self._register_unseen(image, settled_at)
        return False

    def _register_unseen(self, image: Image, settled_at: int) -> bool:
        """Registers a process that was counted already; False when nobody will ever know what it was."""
        if self._short_lived is None:
            return self.finder.learn(image)
        if (self._roster.exit_seen_at(image.tgid, image.epoch) or 0) >= settled_at:
            return True
        is_known = self.finder.learn(image)
        self._roster.end_seen(image.tgid, image.epoch)
        return is_known

    def _sum(self, short_lived: ShortLived, counters: Counters) -> None:
        """Moves every process into the sum of its file that has ended and that no observation has reported."""
        over = {key: process for key, process in self.processes.items() if self._is_summed(process)}
        for process in over.values():
            with self.processes.alone(process.key.pid, "sum"):
                image = process.image
                if image is not None:
                    process.has_lost = counters.has_lost(image, process.since_ns)
                    short_lived.add(process, counters.sites.get(image, ()), counters.worlds.get(image))
        self._forget(over, counters)

    def _is_summed(self, process: GoProcess) -> bool:
        if process.is_reported or not process.has_ended:
            return False
        image = process.image
        return image is None or (process.description.counted_from_start and self.files.counts_all(image.binary))

    def _forget_ended(self, counters: Counters) -> None:
        self._forget([key for key, process in self.processes.items() if process.has_ended], counters)
        for process in self.processes:
            process.is_reported = True
        self.files.keep_used({process.image.binary for process in self.processes if process.image is not None})
        numbers = self.files.attachments.numbers()
        self._roster.deselected.forget_unused(counters, numbers)
        self.costs.forget_files(numbers)
        self.finder.try_again()
        self._names.keep(numbers)
        if self._short_lived is not None:
            self._short_lived.keep(numbers)

    def _forget(self, keys: Iterable[tuple[int, int]], counters: Counters) -> None:
        for image in self._roster.forget(keys, counters):
            self._aggregation.forget(image)
            self.costs.forget(image)

    def leave(self) -> None:
        """Detaches all probes; returns before they are detached."""
        self.files.attachments.leave_all()

    def left(self) -> int:
        """How many programs still have probes after `leave`."""
        self.files.attachments.release_requested()
        return self.files.attachments.leaving

    def close(self) -> None:
        """Detaches all probes, and returns when they are."""
        self.files.attachments.close()
        self.readings.close()
        self.source.close()
