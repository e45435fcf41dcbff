"""Traces of a process by its pid, of the one that runs a file, and of a command."""

import contextlib
import glob
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence

from gosonde_agent.discovery.selection import Selection
from gosonde_agent.host import procfs
from gosonde_agent.host.ending import own_end, stop
from gosonde_agent.sources.ptrace.held_start import HeldStart
from gosonde_agent.sources.select import Choice
from gosonde_agent.watch.timeline.recording import Recorder
from gosonde_agent.watch.trace.attaching import attached, chosen, watching
from gosonde_agent.watch.trace.runners import refuse_several, runner
from gosonde_agent.watch.trace.seen import Trace
from gosonde_agent.watch.trace.watching import AtEnd, OnStep, nothing_more, watch


@contextlib.contextmanager
def trace_pid(
    pid: int,
    duration: float,
    on_step: OnStep,
    source: str = "",
    *,
    at_end: AtEnd = nothing_more,
    recorder: Recorder | None = None,
) -> Iterator[Trace]:
    """Watches a running process for `duration` seconds or until it ends; what was seen is there before the probes go.

    Args:
        source: The name of the source to use; empty for the best that the host allows.
        recorder: Records a timeline meanwhile, which only `ebpf` can.

    Raises:
        NoSuchProcessError: It is not there.
        GosondeError: It cannot be watched.
    """
    procfs.start_of(pid)
    with contextlib.ExitStack() as stack:
        choice, monitor = attached(stack, pid, source)
        yield watch(monitor, _new(choice), pid, duration=duration, on_step=on_step, at_end=at_end, recorder=recorder)


@contextlib.contextmanager
def trace_exe(
    path: str,
    duration: float,
    on_step: OnStep,
    source: str = "",
    *,
    at_end: AtEnd = nothing_more,
    recorder: Recorder | None = None,
) -> Iterator[Trace]:
    """As `trace_pid`, of the process that runs a file, or the first one that starts it, for `duration` seconds in all.

    Raises:
        UsageError: Several processes run it.
        NoSuchProcessError: None did.
        GosondeError: It cannot be watched.
    """
    end = time.monotonic() + duration
    with procfs.file(path) as (fd, real_path):
        choice = chosen(source)
        if not choice.kind.watches_files:
            choice.source.close()
            pid = runner(fd, real_path, end)
            with contextlib.ExitStack() as stack:
                choice, monitor = attached(stack, pid, source, choice.refused)
                left = max(end - time.monotonic(), 0)
                seen = _new(choice)
                yield watch(monitor, seen, pid, duration=left, on_step=on_step, at_end=at_end, recorder=recorder)
            return
        with watching(choice, Selection(exe=(glob.escape(real_path),))) as monitor:
            monitor.files.attach(fd, real_path, None)
            monitor.scan()
            first = monitor.observe()
            refuse_several([process.key.pid for process in first.processes], real_path)
            trace = _new(choice)
            trace.add(first, None)
            yield watch(monitor, trace, None, duration=duration, on_step=on_step, at_end=at_end, recorder=recorder)


@contextlib.contextmanager
def trace_command(
    command: Sequence[str],
    path: str,
    duration: float,
    on_step: OnStep,
    source: str = "",
    *,
    at_end: AtEnd = nothing_more,
    recorder: Recorder | None = None,
) -> Iterator[Trace]:
    """As `trace_pid`, of a Go program that it runs, with its probes in place before its first instruction.

    Perf events come while it stands there, and the other sources that watch no files just after that. The program is
    stopped when `duration` seconds have passed.

    Raises:
        GosondeError: It cannot be watched; it was not started then, or was stopped.
    """
    with procfs.file(path) as (fd, real_path), contextlib.ExitStack() as stack:
        choice = chosen(source)
        if not choice.kind.watches_files:
            choice.source.close()
        else:
            monitor = stack.enter_context(watching(choice, Selection(exe=(glob.escape(real_path),))))
            monitor.files.attach(fd, real_path, None)
        with _running(command, path, holds=not choice.kind.watches_files) as (child, held):
            if held is not None:
                choice, monitor = attached(stack, child.pid, source, choice.refused, held)
                held.let_go()
            trace = _new(choice)
            seen = watch(
                *(monitor, trace, child.pid),
                duration=duration,
                on_step=on_step,
                at_end=at_end,
                is_running=_runs(child),
                recorder=recorder,
            )
            seen.exit_code = own_end(child, has_ended=seen.has_ended)
        yield seen


def _new(choice: Choice) -> Trace:
    return Trace(kind=choice.kind, why=choice.why)


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
