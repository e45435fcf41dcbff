"""Follows the Go processes of this host: which there are, which files need probes, and which have ended.

The monitor does nothing by itself: `scan`, `poll`, `load_next` and `observe` are called by whoever runs it (the
service, or `gosonde trace`), all from one thread.
"""

import time
from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import replace

import structlog
from gosonde_common.errors import GosondeError
from gosonde_common.values.observation import Observation, Process, ProcessKey

from gosonde_agent.accounting.aggregation import Aggregation
from gosonde_agent.accounting.baseline import Baseline
from gosonde_agent.accounting.processes import GoProcess, Processes
from gosonde_agent.accounting.totals_check import TotalsCheck
from gosonde_agent.discovery.attachments import Attachment, Attachments
from gosonde_agent.discovery.dismissed import DISMISSED, Dismissed
from gosonde_agent.discovery.selection import Selection
from gosonde_agent.golang import binary as golang
from gosonde_agent.golang.known import KnownBinaries
from gosonde_agent.host import procfs
from gosonde_agent.host.kernel import monotonic_to_unix_nano
from gosonde_agent.model.budget import Budget
from gosonde_agent.model.errors import (
    MalformedBinaryError,
    NoSuchProcessError,
    NotGoError,
    UnguardedFileError,
)
from gosonde_agent.model.losses import AGENT_LOSSES
from gosonde_agent.overhead.glance import Glance
from gosonde_agent.overhead.governor import Governor
from gosonde_agent.overhead.metering import Meter
from gosonde_agent.overhead.parking import Parking, ParkSampler
from gosonde_agent.sources.ebpf.hit_costs import HitCosts
from gosonde_agent.sources.ebpf.records import (
    EVENT_EXEC,
    EVENT_EXIT,
    EVENT_HIT,
    Event,
)
from gosonde_agent.sources.protocol import (
    Counters,
    Hits,
    Image,
    Source,
)
from gosonde_agent.watch.heaps import HeapReading, Heaps
from gosonde_agent.watch.quiet import Quiet
from gosonde_agent.watch.reconciliation import Reconciler, Scan
from gosonde_agent.watch.stepping import Stepper

log = structlog.get_logger(__name__)

MAX_REMEMBERED_EXECS = 16_384
MAX_UNKNOWN = 1_024
#: Whether a process has ended is asked when the kernel has said so, and otherwise at each of so many observations.
TURNS = 5


class Monitor:
    """The Go processes that `selection` means, counted by `source`."""

    def __init__(
        self,
        source: Source,
        selection: Selection,
        reconcile_seconds: float = 0.0,
        costs: HitCosts | None = None,
        budget: Budget | None = None,
        *,
        parks: bool = False,
    ) -> None:
        self._source = source
        self._selection = selection
        self._attachments = Attachments(source)
        self._dismissed = Dismissed(source)
        self._known = KnownBinaries()
        self._processes = Processes()
        self._meter = Meter(costs or HitCosts(), self._processes)
        self._aggregation = Aggregation(source, self._processes)
        self._reconciler = Reconciler(source, self._processes, self._meter, reconcile_seconds)
        self._governor = Governor(budget or Budget(), self._meter)
        self._quiet = Quiet(source, self._processes)
        self._heaps = Heaps(self._processes)
        self._glance = Glance(self._processes, self._meter, self._governor)
        self._stepper = Stepper(source, self._processes, self._reconciler, self._governor)
        sampler = ParkSampler(source, self._processes, self._governor, self._meter, costs or HitCosts())
        self._parks = sampler if parks else None
        self._boot_id = procfs.boot_id()
        self._execs: OrderedDict[tuple[int, int], int] = OrderedDict()
        self._exits: dict[tuple[int, int], int] = {}
        self._unknown: deque[tuple[int, int]] = deque(maxlen=MAX_UNKNOWN)
        self._losses: dict[str, int] = dict.fromkeys(AGENT_LOSSES, 0)
        self._turn = 0

    def select(self, selection: Selection) -> None:
        """Means other processes from now on.

        What is watched and not meant any more is told of one last time, by the next observation. Its probes are taken
        out, unless another process that is meant runs the same file.
        """
        self._selection = selection
        self._unknown.clear()  # `scan` finds them again
        for (pid, epoch), process in self._processes.items():
            if not process.has_ended and not selection.means(pid, process.description.exe):
                self._dismiss(pid, epoch, process)
        running = {process.image.binary for process in self._processes if process.image and not process.has_ended}
        self._attachments.dismiss(running, selection.by_file)
        self.scan()

    def _dismiss(self, pid: int, epoch: int, process: GoProcess) -> None:
        if procfs.has_ended(pid, process.key.start_ticks):
            return
        self._end(process, time.monotonic_ns())
        process.description = replace(process.description, refusal=DISMISSED)
        process.generation += 1
        if process.image is not None:
            self._dismissed.add(pid, epoch, process.key.start_ticks)
        log.info("no longer watched", pid=pid, exe=process.description.exe)

    # --- finding processes -------------------------------------------------------------------------------------------

    def scan(self) -> None:
        """Looks at every process that runs now and is not known yet."""
        self.poll()
        for pid in procfs.pids():
            epoch = self._source.epoch(pid)
            if self._processes.get(pid, epoch) is None:
                self._consider(pid, epoch)

    def poll(self) -> None:
        """Takes in what happened: files that somebody waits for, execs, exits, pauses, GC cycles."""
        self._attachments.release_wanted()
        for event in self._source.events():
            if event.kind == EVENT_EXEC:
                self._on_exec(event)
            elif event.kind == EVENT_EXIT:
                self._exits[event.tgid, event.epoch] = event.at
                if self._processes.get(event.tgid, event.epoch) is not None:
                    self._quiet.happened()
            elif event.kind == EVENT_HIT:
                self._quiet.happened()
            else:
                self._aggregation.add_event(event)

    def _on_exec(self, event: Event) -> None:
        self._execs[event.tgid, event.epoch] = event.at
        if len(self._execs) > MAX_REMEMBERED_EXECS:
            self._execs.popitem(last=False)
        for epoch, process in self._processes.of_pid(event.tgid):
            if epoch != event.epoch:
                self._end(process, event.at)
        self._consider(event.tgid, event.epoch)

    def _consider(self, pid: int, epoch: int) -> None:
        try:
            with procfs.executable(pid) as (fd, path):
                identity = golang.FileIdentity.of(fd)
                scope = self._scope(pid, path)
                found = self._attachments.find(identity, scope) or self._attachments.find(identity, pid)
                is_meant = self._selection.means(pid, path)
            start = procfs.start_of(pid)
        except GosondeError:
            return  # it has ended, or cannot be looked at; if it was counted, _learn says so
        if not is_meant and self._attachments.counts(identity):
            self._dismissed.add(pid, epoch, start.ticks)
        if not is_meant or isinstance(found, NotGoError) or self._dismissed.is_past(pid, epoch):
            return
        if isinstance(found, Attachment):
            self._register(pid, epoch, start, found, path)
        elif found is not None:
            self._register_refused(pid, epoch, start, path, found)
        else:
            self._unknown.append((pid, epoch))

    def _scope(self, pid: int, path: str) -> int | None:
        """Probes for one process where only that one is meant, so that the others of the file pay nothing."""
        return None if self._selection.by_file(path) else pid

    @property
    def has_unknown(self) -> bool:
        """Whether `load_next` has something to do."""
        return bool(self._unknown)

    def load_next(self) -> None:
        """Reads and probes the file of one process that runs an unknown file. May take some 100 ms."""
        pid, epoch = self._unknown.popleft()
        try:
            self.watch_file_of(pid)
        except GosondeError as error:
            log.debug("not watched", pid=pid, reason=str(error))
            if isinstance(error, NoSuchProcessError):
                return
        self._consider(pid, epoch)

    def watch(self, pid: int) -> None:
        """Probes the file of one process now.

        Raises:
            GosondeError: Why it cannot be watched.
        """
        self.watch_file_of(pid)
        self._consider(pid, self._source.epoch(pid))

    def watch_file_of(self, pid: int) -> None:
        """Probes the file that a process runs: for all its processes where that is meant and safe, else for this one.

        Raises:
            GosondeError: Why it cannot be watched.
        """
        with procfs.executable(pid) as (fd, path):
            try:
                self.attach_file(fd, path, self._scope(pid, path))
            except UnguardedFileError as error:
                log.debug("watched for one process only", path=path, reason=str(error))
                self.attach_file(fd, path, pid)

    def attach_file(self, fd: int, path: str, pid: int | None) -> Attachment:
        """Reads and probes an open file, unless that was done already.

        Raises:
            GosondeError: Why it cannot be watched; remembered for the file.
        """
        identity = golang.FileIdentity.of(fd)
        found = self._attachments.find(identity, pid)
        if isinstance(found, GosondeError):
            raise found
        if found is not None:
            return found
        try:
            attachment = self._attachments.attach(fd, lambda: golang.load(fd, path, self._known), pid)
        except (NoSuchProcessError, UnguardedFileError):
            raise
        except GosondeError as error:
            self._attachments.refuse(identity, error)
            raise
        except Exception as error:  # a fault of ours in reading what others control must not end the agent
            log.exception("a file could not be read", path=path)
            refusal = MalformedBinaryError(f"reading {path} failed: {type(error).__name__}: {error}")
            self._attachments.refuse(identity, refusal)
            raise refusal from error
        self._stepper.begin(attachment.number)
        return attachment

    # --- keeping processes -------------------------------------------------------------------------------------------

    def _register(self, pid: int, epoch: int, start: procfs.ProcessStart, attachment: Attachment, path: str) -> None:
        exec_at, since = self._execs.get((pid, epoch)), attachment.attached_ns
        to_unix = monotonic_to_unix_nano()
        started = start.unix_nano if exec_at is None else exec_at + to_unix
        if (pid, epoch) in self._dismissed:
            try:
                epoch, since = self._source.begin_anew(pid), time.monotonic_ns()
            except GosondeError as error:
                log.warning("not watched again", pid=pid, reason=str(error))
                return
        from_start = exec_at is not None and exec_at > since
        description = Process(
            key=self._key(pid, epoch, start.ticks),
            exe=path,
            go_version=attachment.binary.go_version,
            build_id=attachment.binary.build_id,
            started_unix_nano=started,
            counted_since_unix_nano=started if from_start else since + to_unix,
            counted_from_start=from_start,
        )
        image = Image(pid, epoch, attachment.number)
        process = GoProcess(
            image,
            attachment.binary,
            description,
            baseline=Baseline(known=from_start),
            totals=TotalsCheck(from_start=from_start),
        )
        self._keep(pid, epoch, process)
        self._stepper.join(process)
        if not {"started", "stopped"} <= attachment.binary.points.keys():
            self._losses["pauses_unmeasured"] += 1

    def _register_refused(
        self, pid: int, epoch: int, start: procfs.ProcessStart, path: str, error: GosondeError
    ) -> None:
        key = self._key(pid, epoch, start.ticks)
        description = Process(key, path, "", "", start.unix_nano, 0, counted_from_start=False, refusal=str(error))
        self._keep(pid, epoch, GoProcess(None, None, description))
        self._losses["processes_refused"] += 1

    def _keep(self, pid: int, epoch: int, process: GoProcess) -> None:
        self._processes.add(pid, epoch, process)
        self._source.report_end(pid, wanted=True)
        self._quiet.happened()

    def _forget(self, pid: int, epoch: int) -> None:
        self._processes.remove(pid, epoch)
        if not self._processes.of_pid(pid):
            self._source.report_end(pid, wanted=False)

    def _key(self, pid: int, epoch: int, start_ticks: int) -> ProcessKey:
        return ProcessKey(self._boot_id, pid, start_ticks, epoch or self._source.first_epoch)

    def _learn(self, image: Image) -> None:
        """Registers a process that was counted before it was looked at; one that has ended by what its probes know."""
        self._consider(image.tgid, image.epoch)
        if self._processes.get(image.tgid, image.epoch) is not None or not procfs.has_ended(image.tgid, 0):
            return
        exec_at = self._execs.get((image.tgid, image.epoch))
        if exec_at is None or not self._is_sure(image.binary):
            self._losses["processes_unseen"] += 1
            self._source.forget(image, ())
            return
        attachment = self._attachments[image.binary]
        start = procfs.ProcessStart(0, exec_at + monotonic_to_unix_nano())
        self._register(image.tgid, image.epoch, start, attachment, attachment.binary.path)

    def _is_sure(self, number: int) -> bool:
        """Whether every process that the probes of a number count is meant."""
        if number not in self._attachments:
            return False
        attachment = self._attachments[number]
        return attachment.pid is not None or self._selection.by_file(attachment.binary.path)

    def _end(self, process: GoProcess, at: int) -> None:
        if not process.has_ended:
            process.description = replace(process.description, ended_unix_nano=at + monotonic_to_unix_nano())

    def _end_those_gone(self) -> bool:
        """Marks what runs no more, and whether there was any. What is read after this is final for what it marked."""
        ended = False
        self._turn = (self._turn + 1) % TURNS
        for (pid, epoch), process in self._processes.items():
            is_asked = (pid, epoch) in self._exits or pid % TURNS == self._turn
            if is_asked and not process.has_ended and procfs.has_ended(pid, process.key.start_ticks):
                self._end(process, self._exits.get((pid, epoch), time.monotonic_ns()))
                ended = True
        return ended

    # --- reading memory ----------------------------------------------------------------------------------------------

    def next_reading(self) -> Scan | None:
        """A process whose memory is due to be read, if there is one: run it in any thread, then hand it back."""
        return self._reconciler.next()

    def reading_due_in(self) -> float:
        """Seconds until the memory of a process is due to be read, as far as is known now."""
        return self._reconciler.due_in()

    def rest_readings(self, seconds: float) -> None:
        """Has no reading be due for so long that is not urgent."""
        self._reconciler.rest(seconds)

    def forget_binaries(self) -> None:
        """Forgets what can be found out again of files when memory is read next."""
        self._reconciler.forget_binaries()

    def take_reading(self, scan: Scan) -> None:
        """Takes in a reading that has run."""
        process, losses = scan.process, dict(self._reconciler.losses)
        known = process.precise, process.baseline.uncertain
        self._reconciler.finish(scan)
        if (process.precise, process.baseline.uncertain) != known or self._reconciler.losses != losses:
            self._quiet.happened()

    def next_heaps(self) -> HeapReading | None:
        """The heaps of processes that had a GC cycle since the last observation, to be read in any thread."""
        return self._heaps.next(self._aggregation.cycling())

    def take_heaps(self, reading: HeapReading) -> None:
        """Takes in what a reading has found by now, for the next observation; what is still to be read is left."""
        self._aggregation.add_heaps(self._heaps.take(reading))

    def read_due(self) -> None:
        """Reads what is due, here and now."""
        while (scan := self.next_reading()) is not None:
            scan.run()
            self.take_reading(scan)

    def watches(self, key: ProcessKey) -> bool:
        """Whether a process image is known and runs now: its pid has not been given to another, nor has it run exec."""
        epoch = self._source.epoch(key.pid)
        process = self._processes.get(key.pid, epoch)
        return process is not None and process.key == key and not procfs.has_ended(key.pid, key.start_ticks)

    # --- what the probes may cost -----------------------------------------------------------------------------------

    def govern(self) -> None:
        """Changes the level of whatever costs more than its budget, or much less; measures that where it can matter."""
        if not self._glance.suffices(self._source.hit_slots()):
            self._meter.measure(self._with_parks(self._source.hits()))
            self._stepper.govern(self._glance.steady)

    def _with_parks(self, hits: Mapping[Image, Hits]) -> Mapping[Image, Hits]:
        return self._parks.with_parks(hits) if self._parks else hits

    def next_parking(self) -> Parking | None:
        """A window on parks that is due, if there is one: run it in any thread, then hand it back."""
        return self._parks.next() if self._parks else None

    def parking_due_in(self) -> float:
        """Seconds until parks are due to be counted, as far as is known now."""
        return self._parks.due_in() if self._parks else float("inf")

    def take_parking(self, parking: Parking) -> None:
        """Takes in a window that has run."""
        if self._parks:
            self._parks.finish(parking)

    def set_budget(self, budget: Budget) -> None:
        """Holds to another budget from now on."""
        self._governor.budget = budget

    @property
    def is_closing(self) -> bool:
        """Whether probes that were taken out can still be hit."""
        return self._attachments.is_closing

    def switch(self, pid: int | None, *, on: bool) -> list[Process]:
        """Takes all probes out of the file that a process runs, or (None) of all files, or puts them in again.

        Raises:
            NotFoundError: No such process is watched.
        """
        switched = self._stepper.switch(pid, self._attachments.numbers(), on=on)
        return [process.description for process in switched]

    # --- sleeping ----------------------------------------------------------------------------------------------------

    @property
    def is_quiet(self) -> bool:
        """Whether nothing has happened for a while."""
        return self._quiet.lasts and not self._unknown

    def may_sleep(self) -> bool:
        """Whether nothing happens, and whatever does next makes the source's `event_fd` readable."""
        return self.is_quiet and not self.is_closing and not self._attachments.is_leaving and self._quiet.begin()

    # --- telling -----------------------------------------------------------------------------------------------------

    def observe(self) -> Observation:
        """Everything that is known now. A process that has ended appears one last time, with its final totals."""
        if self._end_those_gone():
            self.poll()  # its last stops of the world: when its totals have been told, nobody asks for them any more
        self._quiet.look()
        counters = self._source.counters()
        for image in counters.sites:
            if (image.tgid, image.epoch) not in self._dismissed and not self._processes.get(image.tgid, image.epoch):
                self._learn(image)
        self._meter.measure(self._with_parks(counters.hits))
        for process in self._processes:
            if process.carry is not None and process.description.precise is not process.precise:
                process.description = replace(process.description, precise=process.precise)
        losses = {**counters.losses, **self._losses, **self._reconciler.losses}
        observation = replace(self._aggregation.observe(counters, losses), probe_costs=tuple(self._meter.rows()))
        if self._parks:
            losses = {**observation.losses, **self._parks.losses}
            observation = replace(observation, park_counts=tuple(self._parks.rows()), losses=losses)
        self._forget_ended(counters)
        return observation

    def _forget_ended(self, counters: Counters) -> None:
        images = counters.images()
        for (pid, epoch), process in self._processes.items():
            if process.has_ended:
                if (pid, epoch) not in self._dismissed:
                    for image in images.get((pid, epoch), ()):
                        self._source.forget(image, counters.pcs(image))
                if process.image is not None:
                    self._aggregation.forget(process.image)
                    if self._parks:
                        self._parks.forget(process.image)
                self._forget(pid, epoch)
        for pid, epoch in list(self._exits):
            if self._processes.get(pid, epoch) is None and procfs.has_ended(pid, 0):
                self._source.forget_exec(pid, epoch)
                self._execs.pop((pid, epoch), None)
                del self._exits[pid, epoch]
        live = {process.image.binary for process in self._processes if process.image is not None}
        self._attachments.keep_used(live, self._selection.by_file)
        self._dismissed.forget_unused(counters, self._attachments.numbers())
        self._stepper.forget(self._attachments.numbers())

    def close(self) -> None:
        """Takes all probes out."""
        self._attachments.close()
        self._source.close()
