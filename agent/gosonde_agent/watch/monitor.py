"""Follows the Go processes of this host: finds them, keeps them, reads them, and says what is known of them.

The monitor does nothing by itself: its parts are called by whoever runs it (the service, or `gosonde trace`), all from
one thread (the service's is a `Desk`).
"""

from dataclasses import replace

import structlog
from gosonde_common.values.observation import Observation, Process, ProcessKey

from gosonde_agent.accounting.aggregation import Aggregation
from gosonde_agent.accounting.processes import Processes
from gosonde_agent.discovery.limits import Limits
from gosonde_agent.discovery.selection import Selection
from gosonde_agent.model.budget import Budget
from gosonde_agent.overhead.governor import Governor
from gosonde_agent.overhead.metering import Meter
from gosonde_agent.overhead.parking import ParkSampler
from gosonde_agent.overhead.precheck import BudgetPrecheck
from gosonde_agent.sources.counters import Counters
from gosonde_agent.sources.events import EVENT_EXEC, EVENT_EXIT, EVENT_HIT
from gosonde_agent.sources.hit_costs import HitCosts
from gosonde_agent.sources.protocol import Source
from gosonde_agent.watch.costs import Costs
from gosonde_agent.watch.files import ProbedFiles
from gosonde_agent.watch.finder import Finder
from gosonde_agent.watch.quiet import Quiet
from gosonde_agent.watch.readings import Readings
from gosonde_agent.watch.reconciliation import Reconciler
from gosonde_agent.watch.roster import Roster
from gosonde_agent.watch.stepping import Stepper

log = structlog.get_logger(__name__)


class Monitor:
    """The Go processes that `selection` selects, counted by `source`.

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
    ) -> None:
        hit_costs = costs or HitCosts()
        self.processes = Processes()
        self.source = source
        self._aggregation = Aggregation(source, self.processes)
        self._quiet = Quiet(source, self.processes)
        meter = Meter(hit_costs, self.processes)
        governor = Governor(budget or Budget(), meter)
        reconciler = Reconciler(source, self.processes, meter, reconcile_seconds)
        stepper = Stepper(source, self.processes, reconciler, governor)
        sampler = ParkSampler(source, self.processes, governor, meter, hit_costs) if parks else None
        self.files = ProbedFiles(source, selection, stepper, limits or Limits())
        self._roster = Roster(source, self.processes, stepper, self._quiet)
        self.finder = Finder(source, self.processes, self.files, self._roster)
        self.readings = Readings(self.processes, reconciler, self._aggregation, self._quiet)
        self.costs = Costs(
            source, meter, governor, stepper, BudgetPrecheck(self.processes, meter, governor), parks=sampler
        )

    # --- finding and keeping processes -------------------------------------------------------------------------------

    def scan(self) -> None:
        """Handles what happened, and finds every process that runs now and is not known yet."""
        self.poll()
        self.finder.scan()

    def poll(self) -> None:
        """Handles what happened: files that somebody waits for, execs, exits, pauses, GC cycles."""
        self.files.attachments.release_requested()
        for event in self.source.events():
            if event.kind == EVENT_EXEC:
                self._roster.on_exec(event)
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

    # --- probes ------------------------------------------------------------------------------------------------------

    @property
    def is_closing(self) -> bool:
        """Whether probes that were detached can still be hit."""
        return self.files.attachments.is_closing

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
        counters = self.source.counters()
        self._register_unseen(counters)
        self.costs.measure(counters.hits)
        self._note_precision(counters)
        losses = {**counters.losses, **self._roster.losses, **self.readings.losses}
        observation = self.costs.added_to(self._aggregation.observe(counters, losses))
        self._forget_ended(counters)
        return observation

    def _register_unseen(self, counters: Counters) -> None:
        unknown = [
            image
            for (tgid, epoch), images in counters.images().items()
            if (tgid, epoch) not in self._roster.deselected and self.processes.get(tgid, epoch) is None
            for image in images
        ]
        self.source.forget([image for image in unknown if not self.finder.learn(image)])

    def _note_precision(self, counters: Counters) -> None:
        for process in self.processes:
            image = process.image
            if image is None:
                continue
            has_lost = counters.has_lost(image, process.since_ns) or self._aggregation.has_dropped(image)
            if has_lost and not process.has_lost:
                process.has_lost = True
                log.warning("counts of a process were lost", pid=process.key.pid, exe=process.description.exe)
            if process.description.precise is not process.precise:
                process.description = replace(process.description, precise=process.precise)

    def _forget_ended(self, counters: Counters) -> None:
        for image in self._roster.forget_ended(counters):
            self._aggregation.forget(image)
            self.costs.forget(image)
        self.files.keep_used({process.image.binary for process in self.processes if process.image is not None})
        numbers = self.files.attachments.numbers()
        self._roster.deselected.forget_unused(counters, numbers)
        self.costs.forget_files(numbers)
        self.finder.try_again()

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
        self.source.close()
