"""Observing a process in steps until its time is over, or it is."""

import time
from collections.abc import Callable

from gosonde_common.errors import GosondeError
from gosonde_common.values.observation import Process

from gosonde_agent.host import procfs
from gosonde_agent.host.interrupting import interruptible
from gosonde_agent.model.errors import NoSuchProcessError
from gosonde_agent.sources.ptrace.source import PtraceSource
from gosonde_agent.watch.monitor import Monitor
from gosonde_agent.watch.timeline.recording import Recorder
from gosonde_agent.watch.trace.runners import NOBODY
from gosonde_agent.watch.trace.seen import Trace

STEP_SECONDS = 0.1
#: What a process became that has ended since.
ANOTHER = "another program"

OnStep = Callable[[float, Trace], None]
#: Called once when all is counted, before a program that the trace started is stopped, and with probes in their places.
AtEnd = Callable[[Trace], None]


def nothing_more(_trace: Trace) -> None:
    """What is done in the end where nothing is asked for."""


def always() -> bool:
    """That nothing but its end and the time ends the observation of a process."""
    return True


def watch(
    monitor: Monitor,
    trace: Trace,
    pid: int | None,
    *,
    duration: float,
    on_step: OnStep,
    at_end: AtEnd,
    is_running: Callable[[], bool] = always,
    recorder: Recorder | None = None,
) -> Trace:
    """Observes a process, or the first one without a pid, for some seconds; Ctrl-C ends it early with what was seen.

    Args:
        recorder: Records a timeline meanwhile.

    Raises:
        NoSuchProcessError: There was none.
        GosondeError: It cannot be watched.
    """
    end = time.monotonic() + duration
    with interruptible() as interrupt:
        _observe(monitor, trace, pid)
        _record(recorder, monitor, trace)
        on_step(0.0, trace)
        while is_running() and not (trace.has_ended or trace.left) and (left := end - time.monotonic()) > 0:
            time.sleep(min(STEP_SECONDS, left))
            if interrupt.came:
                break
            _observe(monitor, trace, pid)
            _record(recorder, monitor, trace)
            on_step(duration - max(end - time.monotonic(), 0), trace)
    if recorder is not None:
        recorder.end(monitor, trace)
    # A process that ended before it was examined is learnt of in the first, and final in the second.
    for _ in range(2):
        if not trace.has_ended:
            _observe(monitor, trace, pid)
    _conclude(monitor, trace)
    at_end(trace)
    return trace


def _record(recorder: Recorder | None, monitor: Monitor, trace: Trace) -> None:
    if recorder is not None and not trace.has_ended:
        recorder.step(monitor, trace)


def _conclude(monitor: Monitor, trace: Trace) -> None:
    """What the process became, and just the stops that its totals count: events are read before totals."""
    if trace.process is None:
        raise NoSuchProcessError(NOBODY)
    other = ANOTHER if monitor.has_run_exec(trace.process.key) else ""
    if other or trace.has_ended:
        trace.became = _other_program(trace.process) or other
    monitor.poll()
    trace.add_pauses(monitor.observe())
    trace.keep_counted_pauses()


def _other_program(process: Process) -> str:
    """The file that a pid runs after a process has ended, if it is another one: it was changed by exec."""
    try:
        with procfs.executable(process.key.pid) as (_fd, path):
            return path if path != process.exe else ""
    except GosondeError:
        return ""


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
