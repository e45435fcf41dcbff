"""The threads of a process, as /proc has them for who wants to stop them."""

import os
import re
from pathlib import Path

from gosonde_agent.host.why_refused import why_refused
from gosonde_agent.model.errors import NoSuchProcessError, NotPermittedError
from gosonde_agent.sources.ptrace.errors import AlreadyTracedError

STATES = {"D": "waits in the kernel and takes no signal (a vfork, or a device)", "R": "waits for a CPU"}


def listed(pid: int) -> list[int]:
    """The numbers of its threads now.

    Raises:
        NoSuchProcessError: It has ended.
    """
    try:
        return [int(name) for name in os.listdir(f"/proc/{pid}/task")]  # noqa: PTH208 - the process stands meanwhile
    except OSError as error:
        raise NoSuchProcessError(f"there is no process {pid}, or it has just ended") from error


def inner_number(pid: int, thread: int) -> int:
    """How the process itself numbers a thread, in the innermost of its pid namespaces; 0 when the thread has ended."""
    return int((_field(pid, thread, "NSpid").split() or ["0"])[-1])


def is_own_child(pid: int) -> bool:
    """Whether this process is its parent."""
    return _field(pid, pid, "PPid") == str(os.getpid())


def has_ended(pid: int, thread: int) -> bool:
    """Whether a thread is gone; the first one stays in the list for as long as there are others."""
    return _field(pid, thread, "State")[:1] in ("", "Z", "X")


def waits_in_kernel(pid: int, thread: int) -> bool:
    """Whether a thread takes no signal now (a vfork, or a device), or has ended: it runs none of its program."""
    return _field(pid, thread, "State")[:1] in ("", "Z", "X", "D")


def is_traced_by(pid: int, thread: int, tracer: int) -> bool:
    """Whether `tracer` traces a thread."""
    return _field(pid, thread, "TracerPid") == str(tracer)


def listed_in(pid: int, thread: int) -> bool:
    """Whether a process has a thread with this number."""
    return Path(f"/proc/{pid}/task/{thread}").exists()


def sleeps(pid: int, thread: int) -> bool:
    """Whether a thread does nothing, and wakes up as soon as it is to stop."""
    return _field(pid, thread, "State")[:1] in ("S", "T", "t")


def times(pid: int) -> dict[int, tuple[int, int]]:
    """(ns on a CPU, ns of waiting for one) of each thread, by `inner_number`; without threads that have ended.

    Empty where the kernel keeps no such account (CONFIG_SCHED_INFO).

    Raises:
        NoSuchProcessError: The process has ended.
    """
    found = {}
    for thread in listed(pid):
        try:
            words = Path(f"/proc/{pid}/task/{thread}/schedstat").read_text().split()
        except OSError:
            continue
        found[inner_number(pid, thread)] = int(words[0]), int(words[1])
    return found


def why_running(pid: int, thread: int) -> str:
    """Why a thread that is to stop does not: what follows "thread 7 "."""
    return STATES.get(_field(pid, thread, "State")[:1], "did not stop yet")


def refusal(pid: int, thread: int) -> AlreadyTracedError | NotPermittedError:
    """Why the kernel does not have a thread traced."""
    tracer = _field(pid, thread, "TracerPid")
    if tracer not in ("", "0"):
        return AlreadyTracedError(f"process {pid} is traced already, by process {tracer} ({_name(tracer)})")
    return NotPermittedError(f"process {pid} may not be stopped: {why_refused(pid)}")


def _field(pid: int, thread: int, name: str) -> str:
    """A line of /proc/PID/task/THREAD/status; empty when the thread has ended."""
    try:
        text = Path(f"/proc/{pid}/task/{thread}/status").read_text(errors="replace")
    except OSError:
        return ""
    found = re.search(rf"^{name}:[ \t]*(.*)$", text, re.MULTILINE)
    return found[1] if found else ""


def _name(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(errors="replace").strip()
    except OSError:
        return "ended"
