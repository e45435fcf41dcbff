"""Watches one process for a while, without a collector: `gosonde trace`."""

import contextlib
import glob
import os
import subprocess
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gosonde_common.errors import GosondeError, UsageError
from gosonde_common.values.observation import (
    GcTotal,
    Observation,
    Pause,
    ProbeCost,
    Process,
    SiteCount,
    SiteEstimate,
)

from gosonde_agent.discovery.selection import Selection
from gosonde_agent.host import procfs
from gosonde_agent.host.cache_folder import cache_folder
from gosonde_agent.host.ending import own_end, stop
from gosonde_agent.host.interrupting import interruptible
from gosonde_agent.model.errors import (
    BusyDebugRegistersError,
    NoSuchProcessError,
    NotPermittedError,
    TooManyThreadsError,
    UnprovedProbePointError,
)
from gosonde_agent.sources.kinds import EBPF, Kind
from gosonde_agent.sources.ptrace.held_start import HeldStart
from gosonde_agent.sources.ptrace.source import PtraceSource
from gosonde_agent.sources.select import NOTHING, Choice, candidates, choose
from gosonde_agent.watch.monitor import Monitor

#: Why one source cannot watch a process that another may watch.
OF_THE_SOURCE = (BusyDebugRegistersError, NotPermittedError, TooManyThreadsError, UnprovedProbePointError)
STEP_SECONDS = 0.1
#: Between two looks whether a process runs a file by now.
LOOK_SECONDS = 0.01
#: What a process became that has ended since.
ANOTHER = "another program"
NOBODY = "no process ran the program while it was traced"


@dataclass(slots=True)
class Trace:
    """What was seen of one process.

    Attributes:
        sites: The newest totals of every go statement.
        estimates: What was probably at each of them of what is counted without its statement.
        pauses: Every stop-the-world pause that `gc` counts, in order.
        losses: By counter name; all 0 when nothing was lost.
        observed_unix_nano: When the process was observed last.
        cost: What the probes have cost the process by what a hit costs on a usual machine, which is not measured here.
        kind: Of the source.
        why: Why that is the source, for people.
        exit_code: Of the command that was run, negative for a signal; None where it was stopped or none was run.
        became: The program that the process runs since by exec, as far as it is known; empty where it runs none.
        left: Why the source counted no more before the time was over; empty where it counted to the end.
    """

    process: Process | None = None
    sites: tuple[SiteCount, ...] = ()
    gc: GcTotal | None = None
    pauses: list[Pause] = field(default_factory=list)
    losses: dict[str, int] = field(default_factory=dict)
    observed_unix_nano: int = 0
    estimates: tuple[SiteEstimate, ...] = ()
    cost: ProbeCost | None = None
    kind: Kind = EBPF
    why: str = ""
    left: str = ""
    exit_code: int | None = None
    became: str = ""

    @property
    def has_ended(self) -> bool:
        """Whether the process is known to have ended."""
        return self.process is not None and self.process.ended_unix_nano != 0

    def add(self, observation: Observation, pid: int | None) -> None:
        """Records an observation; without a pid the first process in it is the one."""
        if self.process is None:
            self.process = next((p for p in observation.processes if pid in (None, p.key.pid)), None)
        self.losses = dict(observation.losses)
        if self.process is None:
            return
        key = self.process.key
        if (found := next((p for p in observation.processes if p.key == key), None)) is not None:
            self.process, self.observed_unix_nano = found, observation.taken_unix_nano
        sites = tuple(row for row in observation.site_counts if row.process == key)
        self.sites = sites or self.sites
        self.estimates = tuple(row for row in observation.estimates if row.process == key) or self.estimates
        self.gc = next((row for row in observation.gc_totals if row.process == key), self.gc)
        self.cost = next((row for row in observation.probe_costs if row.process == key), self.cost)
        self.add_pauses(observation)

    def add_pauses(self, observation: Observation) -> None:
        """Records the stops of the process alone."""
        if self.process is not None:
            self.pauses += [row for row in observation.pauses if row.process == self.process.key]

    def keep_counted_pauses(self) -> None:
        """Drops the stops that happened after the totals were read."""
        counted = self.gc.pauses if self.gc else 0
        self.pauses = [pause for pause in self.pauses if pause.ordinal < counted]


OnStep = Callable[[float, Trace], None]
#: Called once when all is counted, before a program that the trace started is stopped, and with probes in their places.
AtEnd = Callable[[Trace], None]


def nothing_more(_trace: Trace) -> None:
    """What is done in the end where nothing is asked for."""


def danger(source: str) -> str:
    """What a source can do to a process, for people, by its name; empty where it can do nothing."""
    return next((one.kind.danger for one in candidates(cache_folder()) if one.kind.name == source), "")


@contextlib.contextmanager
def trace_pid(
    pid: int, duration: float, on_step: OnStep, source: str = "", *, at_end: AtEnd = nothing_more
) -> Iterator[Trace]:
    """Watches a running process for `duration` seconds or until it ends; what was seen is there before the probes go.

    Args:
        source: The name of the source to use; empty for the best that the host allows.

    Raises:
        NoSuchProcessError: It is not there.
        GosondeError: It cannot be watched.
    """
    procfs.start_of(pid)
    with contextlib.ExitStack() as stack:
        choice, monitor = _attached(stack, pid, source)
        yield _watch(monitor, _new(choice), pid, duration=duration, on_step=on_step, at_end=at_end, is_running=_always)


@contextlib.contextmanager
def trace_exe(
    path: str, duration: float, on_step: OnStep, source: str = "", *, at_end: AtEnd = nothing_more
) -> Iterator[Trace]:
    """As `trace_pid`, of the process that runs a file, or the first one that starts it, for `duration` seconds in all.

    Raises:
        UsageError: Several processes run it.
        NoSuchProcessError: None did.
        GosondeError: It cannot be watched.
    """
    end = time.monotonic() + duration
    with procfs.file(path) as (fd, real_path):
        choice = choose(candidates(cache_folder()), source)
        if not choice.kind.watches_files:
            choice.source.close()
            pid = _runner(fd, real_path, end)
            with contextlib.ExitStack() as stack:
                choice, monitor = _attached(stack, pid, source, choice.refused)
                left = max(end - time.monotonic(), 0)
                yield _watch(
                    monitor, _new(choice), pid, duration=left, on_step=on_step, at_end=at_end, is_running=_always
                )
            return
        with _monitor(choice, Selection(exe=(glob.escape(real_path),))) as monitor:
            monitor.files.attach(fd, real_path, None)
            monitor.scan()
            first = monitor.observe()
            _refuse_several([process.key.pid for process in first.processes], real_path)
            trace = _new(choice)
            trace.add(first, None)
            yield _watch(monitor, trace, None, duration=duration, on_step=on_step, at_end=at_end, is_running=_always)


@contextlib.contextmanager
def trace_command(
    command: Sequence[str],
    path: str,
    duration: float,
    on_step: OnStep,
    source: str = "",
    *,
    at_end: AtEnd = nothing_more,
) -> Iterator[Trace]:
    """As `trace_pid`, of a Go program that it runs, with its probes in place before its first instruction.

    Perf events come while it stands there, and the other sources that watch no files just after that. The program is
    stopped when `duration` seconds have passed.

    Raises:
        GosondeError: It cannot be watched; it was not started then, or was stopped.
    """
    with procfs.file(path) as (fd, real_path), contextlib.ExitStack() as stack:
        choice = choose(candidates(cache_folder()), source)
        if not choice.kind.watches_files:
            choice.source.close()
        else:
            monitor = stack.enter_context(_monitor(choice, Selection(exe=(glob.escape(real_path),))))
            monitor.files.attach(fd, real_path, None)
        with _running(command, path, holds=not choice.kind.watches_files) as (child, held):
            if held is not None:
                choice, monitor = _attached(stack, child.pid, source, choice.refused, held)
                held.let_go()
            trace = _new(choice)
            seen = _watch(
                monitor, trace, child.pid, duration=duration, on_step=on_step, at_end=at_end, is_running=_runs(child)
            )
            seen.exit_code = own_end(child, has_ended=seen.has_ended)
        yield seen


def _attached(
    stack: contextlib.ExitStack,
    pid: int,
    source: str,
    known: Mapping[str, str] = NOTHING,
    held: HeldStart | None = None,
) -> tuple[Choice, Monitor]:
    """The best source that this process can be watched by, and what watches it; the stack closes it.

    Args:
        known: As `choose`.
        held: The process, where it stands before its first instruction: it is let go for a source that needs that.

    Raises:
        GosondeError: It cannot be watched.
    """
    among = candidates(cache_folder(), pid, stands=held is not None and held.stands)
    refused = dict(known)
    while True:
        choice = choose(among, source, refused)
        if held is not None and not choice.kind.counts_held:
            held.let_go()
        standing = (pid,) if held is not None and held.stands else ()
        monitor = stack.enter_context(_monitor(choice, Selection(pids=frozenset({pid})), standing))
        try:
            monitor.finder.watch(pid)
        except OF_THE_SOURCE as error:
            if source:
                raise
            refused = {**choice.refused, choice.kind.name: str(error)}
        else:
            return choice, monitor


def _new(choice: Choice) -> Trace:
    return Trace(kind=choice.kind, why=choice.why)


@contextlib.contextmanager
def _monitor(choice: Choice, selection: Selection, standing: Collection[int] = ()) -> Iterator[Monitor]:
    """What watches by a source, also processes that stand before their first instruction; the source is closed."""
    monitor = Monitor(choice.source, selection, costs=choice.kind.hit_costs, standing=standing)
    try:
        yield monitor
    finally:
        monitor.close()


def _runner(fd: int, path: str, end: float) -> int:
    """The process that runs an open file, or the first one that is seen to until `end`, CLOCK_MONOTONIC seconds.

    Raises:
        UsageError: Several processes run it.
        NoSuchProcessError: None did.
    """
    status = os.fstat(fd)
    while True:
        found = [pid for pid in procfs.pids() if _runs_file(pid, status)]
        _refuse_several(found, path)
        if found:
            return found[0]
        if time.monotonic() >= end:
            raise NoSuchProcessError(NOBODY)
        time.sleep(LOOK_SECONDS)


def _runs_file(pid: int, status: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.stat(f"/proc/{pid}/exe"), status)  # noqa: PTH116 - for each process of the host
    except OSError:
        return False


def _refuse_several(pids: Sequence[int], path: str) -> None:
    if len(pids) > 1:
        raise UsageError(f"several processes run {path}: say which one with --pid ({', '.join(map(str, pids))})")


@contextlib.contextmanager
def _running(
    command: Sequence[str], path: str, *, holds: bool
) -> Iterator[tuple["subprocess.Popen[bytes]", HeldStart | None]]:
    """A command that runs, or stands before its first instruction, and is stopped in the end."""
    held = HeldStart(command, path) if holds else None
    child = held.child if held is not None else subprocess.Popen(command, executable=path)
    try:
        yield child, held
    finally:
        if held is not None:
            held.let_go()
        stop(child)


def _runs(child: "subprocess.Popen[bytes]") -> Callable[[], bool]:
    return lambda: child.poll() is None


def _always() -> bool:
    return True


def _watch(
    monitor: Monitor,
    trace: Trace,
    pid: int | None,
    *,
    duration: float,
    on_step: OnStep,
    at_end: AtEnd,
    is_running: Callable[[], bool],
) -> Trace:
    """Observes in steps; Ctrl-C ends it early with what was seen."""
    end = time.monotonic() + duration
    with interruptible() as interrupt:
        _observe(monitor, trace, pid)
        on_step(0.0, trace)
        while is_running() and not (trace.has_ended or trace.left) and (left := end - time.monotonic()) > 0:
            time.sleep(min(STEP_SECONDS, left))
            if interrupt.came:
                break
            _observe(monitor, trace, pid)
            on_step(duration - max(end - time.monotonic(), 0), trace)
    # A process that ended before it was examined is learnt of in the first, and final in the second.
    for _ in range(2):
        if not trace.has_ended:
            _observe(monitor, trace, pid)
    if trace.process is None:
        raise NoSuchProcessError(NOBODY)
    other = ANOTHER if monitor.has_run_exec(trace.process.key) else ""
    if other or trace.has_ended:
        trace.became = _other_program(trace.process) or other
    _match_pauses(monitor, trace)
    at_end(trace)
    return trace


def _other_program(process: Process) -> str:
    """The file that a pid runs after a process has ended, if it is another one: it was changed by exec."""
    try:
        with procfs.executable(process.key.pid) as (_fd, path):
            return path if path != process.exe else ""
    except GosondeError:
        return ""


def _match_pauses(monitor: Monitor, trace: Trace) -> None:
    """Has the stops be just those that the totals count: events are read before totals, and the program goes on."""
    monitor.poll()
    trace.add_pauses(monitor.observe())
    trace.keep_counted_pauses()


def _observe(monitor: Monitor, trace: Trace, pid: int | None) -> None:
    monitor.poll()
    while monitor.finder.has_unknown:
        monitor.finder.load_next()
    monitor.readings.read_due()
    if (sampling := monitor.costs.sites.next()) is not None:
        sampling.window.run()
        monitor.costs.sites.finish(sampling)
    trace.add(monitor.observe(), pid)
    trace.kind = monitor.source.kind
    if isinstance(monitor.source, PtraceSource):
        trace.left = monitor.source.left
