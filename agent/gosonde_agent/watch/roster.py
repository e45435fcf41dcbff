"""The process images that are watched: how each begins, ends, and is forgotten."""

import time
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TypeVar

import structlog
from gosonde_common.errors import GosondeError
from gosonde_common.values.observation import Process, ProcessKey

from gosonde_agent.accounting.baseline import Baseline
from gosonde_agent.accounting.processes import GoProcess, Processes
from gosonde_agent.accounting.totals_check import TotalsCheck
from gosonde_agent.discovery.attachments import Attachment
from gosonde_agent.discovery.containers import container_of
from gosonde_agent.discovery.deselected import DESELECTED, Deselected
from gosonde_agent.host import procfs
from gosonde_agent.host.kernel import monotonic_to_unix_nano
from gosonde_agent.model.losses import AGENT_LOSSES
from gosonde_agent.sources.counters import Counters, Image
from gosonde_agent.sources.events import Event
from gosonde_agent.sources.protocol import Source
from gosonde_agent.watch.quiet import Quiet
from gosonde_agent.watch.stepping import Stepper

log = structlog.get_logger(__name__)

MAX_REMEMBERED_EXECS = 16_384
#: Where a thread that is not the first runs exec, the first one ends just before. No pid is given to
#: another process so soon after an end.
AT_ONCE_NS = 100_000_000
#: Of processes whose end was not reported, in one observation.
MAX_FORGOTTEN_EXECS = 4_096
#: Whether a process has ended is asked when the kernel has said so, and otherwise at each of so many observations.
TURNS = 5
#: Probe points without which stop-the-world pauses cannot be measured.
PAUSE_POINTS = frozenset({"started", "stopped"})

Key = TypeVar("Key")


class Roster:
    """Process images from the moment they are found until everything about them is reported.

    Attributes:
        deselected: Processes that the selection no longer selects.
        losses: What is lost of processes, by name: see gosonde_agent.model.losses.
        exits_to_settle: How many processes of the host have ended since `forget_exits`.
    """

    def __init__(
        self, source: Source, processes: Processes, stepper: Stepper, quiet: Quiet, standing: Collection[int] = ()
    ) -> None:
        self.deselected = Deselected(source)
        self.losses: dict[str, int] = dict.fromkeys(AGENT_LOSSES, 0)
        self._source = source
        self._processes = processes
        self._stepper = stepper
        self._quiet = quiet
        self._standing = frozenset(standing)
        self._boot_id = procfs.boot_id()
        self._execs: OrderedDict[tuple[int, int], int] = OrderedDict()
        #: By pid the number of its newest exec, and when each image became another one.
        self._newest: OrderedDict[int, int] = OrderedDict()
        self._became: OrderedDict[tuple[int, int], int] = OrderedDict()
        self._exits: dict[tuple[int, int], int] = {}
        # The pids whose end the kernel is asked to report at once.
        self._awaited: set[int] = set()
        self._turn = 0
        self._unreported = 0
        self.exits_to_settle = 0

    # --- what the kernel reports -------------------------------------------------------------------------------------

    def on_exec(self, event: Event) -> None:
        """An exec was seen: what the pid ran before has ended with it."""
        former = self._newest.get(event.tgid, 0)
        if event.at - self._exits.get((event.tgid, former), event.at) < AT_ONCE_NS:
            _remember(self._became, (event.tgid, former or self._source.first_epoch), event.at)
        _remember(self._newest, event.tgid, event.epoch)
        self._execs[event.tgid, event.epoch] = event.at
        if len(self._execs) > MAX_REMEMBERED_EXECS:
            self._execs.popitem(last=False)
        for epoch, process in self._processes.of_pid(event.tgid):
            if epoch != event.epoch:
                self._end(process, event.at)

    def on_exit(self, event: Event) -> None:
        """The end of a process was seen."""
        self._exits[event.tgid, event.epoch] = event.at
        self.exits_to_settle += 1
        if self._processes.get(event.tgid, event.epoch) is not None:
            self._quiet.happened()

    def exec_seen_at(self, pid: int, epoch: int) -> int | None:
        """When the exec of an image was seen (CLOCK_MONOTONIC, ns); None when it was before the agent."""
        return self._execs.get((pid, epoch))

    def exec_seen_after(self, pid: int, epoch: int) -> bool:
        """Whether an image was seen to become another one, also where that has ended, too."""
        return (pid, epoch) in self._became

    def exit_seen_at(self, pid: int, epoch: int) -> int | None:
        """When the end of an image was seen (CLOCK_MONOTONIC, ns); None while it was not."""
        return self._exits.get((pid, epoch))

    def has_gone(self, pid: int, epoch: int) -> bool:
        """Whether an image runs no more: its pid is free, or has gone on to another."""
        return self._source.epoch(pid) != epoch or procfs.has_ended(pid, 0)

    # --- beginning ---------------------------------------------------------------------------------------------------

    def register(self, pid: int, epoch: int, start: procfs.ProcessStart, attachment: Attachment, path: str) -> None:
        """Watches a process whose file has probes."""
        exec_at, since = self._execs.get((pid, epoch)), attachment.attached_ns
        if (pid, epoch) in self.deselected:
            try:
                epoch, since = self._source.restart_counting(pid), time.monotonic_ns()
            except GosondeError as error:
                log.warning("not watched again", pid=pid, reason=str(error))
                return
        watched = self._source.kind.watches_files and exec_at is not None and exec_at > since
        from_start = watched or (pid in self._standing and exec_at is None)
        to_unix = monotonic_to_unix_nano()
        started = start.unix_nano if exec_at is None else exec_at + to_unix
        description = Process(
            key=self._key(pid, epoch, start.ticks),
            exe=path,
            go_version=attachment.binary.go_version,
            build_id=attachment.binary.build_id,
            started_unix_nano=started,
            counted_since_unix_nano=started if from_start else since + to_unix,
            counted_from_start=from_start,
            container=container_of(pid, start.ticks),
        )
        process = GoProcess(
            Image(pid, epoch, attachment.number),
            attachment.binary,
            description,
            baseline=Baseline(known=from_start),
            totals=TotalsCheck(from_start=from_start),
            since_ns=exec_at if exec_at is not None and from_start else since,
        )
        self._keep(pid, epoch, process)
        if (ended_at := self._became.get((pid, epoch))) is not None:
            self._end(process, ended_at)
        self._stepper.join(process)
        if self._source.kind.sees_stops and not attachment.binary.points.keys() >= PAUSE_POINTS:
            self.losses["pauses_unmeasured"] += 1

    def register_refused(
        self, pid: int, epoch: int, start: procfs.ProcessStart, path: str, error: GosondeError
    ) -> None:
        """Keeps a process that cannot be watched, so that it can be said why."""
        key = self._key(pid, epoch, start.ticks)
        container = container_of(pid, start.ticks)
        description = Process(
            *(key, path, "", "", start.unix_nano, 0), counted_from_start=False, refusal=str(error), container=container
        )
        self._keep(pid, epoch, GoProcess(None, None, description))
        self.losses["processes_refused"] += 1

    def _keep(self, pid: int, epoch: int, process: GoProcess) -> None:
        self._processes.add(pid, epoch, process)
        if (pid, epoch) not in self._exits:
            self._awaited.add(pid)
            self._source.report_end(pid, enabled=True)
        self._quiet.happened()

    def _key(self, pid: int, epoch: int, start_ticks: int) -> ProcessKey:
        return ProcessKey(self._boot_id, pid, start_ticks, epoch or self._source.first_epoch)

    # --- running and ending ------------------------------------------------------------------------------------------

    def watches(self, key: ProcessKey) -> bool:
        """Whether a process image is known and runs now: its pid has not been given to another, nor has it run exec."""
        epoch = self._source.epoch(key.pid)
        process = self._processes.get(key.pid, epoch)
        return process is not None and process.key == key and not procfs.has_ended(key.pid, key.start_ticks)

    def detach_deselected(self, pid: int, epoch: int, process: GoProcess) -> None:
        """Watches a process no longer: it is reported once more, as one that ended."""
        if procfs.has_ended(pid, process.key.start_ticks):
            return
        self._end(process, time.monotonic_ns())
        process.description = replace(process.description, refusal=DESELECTED)
        process.generation += 1
        if process.image is not None:
            self.deselected.add(pid, epoch, process.key.start_ticks)
        log.info("no longer watched", pid=pid, exe=process.description.exe)

    def end_those_gone(self) -> bool:
        """Marks what runs no more, and whether there was any. What is read after this is final for what it marked."""
        ended = False
        self._turn = (self._turn + 1) % TURNS
        for (pid, epoch), process in self._processes.items():
            is_asked = (pid, epoch) in self._exits or pid % TURNS == self._turn
            with self._processes.alone(pid, "see the end"):
                if is_asked and not process.has_ended and procfs.has_ended(pid, process.key.start_ticks):
                    self._end(process, self._exits.get((pid, epoch), time.monotonic_ns()))
                    ended = True
        return ended

    def end_seen(self, pid: int, epoch: int) -> None:
        """Marks a process whose end was seen; everything that it did must have been counted by now."""
        process, at = self._processes.get(pid, epoch), self._exits.get((pid, epoch))
        if process is not None and at is not None:
            self._end(process, at)

    def _end(self, process: GoProcess, at: int) -> None:
        if not process.has_ended:
            process.description = replace(process.description, ended_unix_nano=at + monotonic_to_unix_nano())

    # --- forgetting --------------------------------------------------------------------------------------------------

    def forget(self, keys: Iterable[tuple[int, int]], counters: Counters) -> Iterator[Image]:
        """Forgets processes (pid, epoch) that have ended, and frees what the kernel side has counted of them.

        Yields:
            Their images, for whoever else keeps something of them.
        """
        images = counters.images()
        over: list[Image] = []
        for pid, epoch in keys:
            process = self._processes.get(pid, epoch)
            if (pid, epoch) not in self.deselected:
                over += images.get((pid, epoch), ())
            self._forget(pid, epoch)
            if process is not None and process.image is not None:
                yield process.image
        self._source.forget(over)

    def _forget(self, pid: int, epoch: int) -> None:
        self._processes.remove(pid, epoch)
        if pid in self._awaited and not self._processes.of_pid(pid):
            self._awaited.discard(pid)
            self._source.report_end(pid, enabled=False)

    def forget_exits(self, before: int) -> None:
        """Frees what is kept of processes that ended before a moment (CLOCK_MONOTONIC, ns), and of no later ones.

        What was counted of those is known by now.
        """
        self.exits_to_settle = 0
        for (pid, epoch), at in list(self._exits.items()):
            if at < before and self._processes.get(pid, epoch) is None and self.has_gone(pid, epoch):
                self._source.forget_exec(pid, epoch)
                self._execs.pop((pid, epoch), None)
                del self._exits[pid, epoch]

    def forget_unreported(self, losses: Mapping[str, int]) -> None:
        """Forgets execs of processes whose end was lost on its way here: nobody else would, and they take up room."""
        unreported = sum(losses.get(name, 0) for name in ("events_full", "images_full"))
        if unreported == self._unreported:
            return
        kept = self._source.execs()
        running = set(procfs.pids())  # looked at last: what runs by then stays
        gone = [(pid, epoch) for pid, epoch in kept if pid not in running and (pid, epoch) not in self._exits]
        for pid, epoch in gone[:MAX_FORGOTTEN_EXECS]:
            self._source.forget_exec(pid, epoch)
        if len(gone) <= MAX_FORGOTTEN_EXECS:
            self._unreported = unreported


def _remember(kept: "OrderedDict[Key, int]", key: Key, value: int) -> None:
    """Adds what is newest; the oldest goes where there is too much."""
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > MAX_REMEMBERED_EXECS:
        kept.popitem(last=False)
