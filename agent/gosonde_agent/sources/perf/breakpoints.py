"""Hardware breakpoints in every thread of a process: at two instructions, on each CPU, also in threads that come later.

A thread inherits the breakpoints of the one that makes it. Of a thread that comes while they are opened nobody can say
whether it has inherited them but the thread itself: the debug registers that it has left show how many it has.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from gosonde_agent.host import procfs
from gosonde_agent.host.sampling_events import Instruction, check_machine, online_cpus, open_breakpoint
from gosonde_agent.model.errors import BusyDebugRegistersError, NoSuchProcessError, TooManyThreadsError

#: Debug registers of a thread, on amd64, and how many of them are used here.
REGISTERS, NEEDED = 4, 2
#: Listings of threads until none is new; a program that makes them faster than that is refused.
MAX_LISTINGS = 100
MAX_THREADS = 10_000


def open_breakpoints(
    pid: int, _fd: int, instructions: Sequence[Instruction], cpus: Sequence[int]
) -> Iterator[tuple[int, int, int]]:
    """Those of one process: gives (place of the instruction, CPU, descriptor) of each as soon as it is there.

    Raises:
        NoSuchProcessError: The process has ended.
        BusyDebugRegistersError: A thread has too few debug registers left.
        TooManyThreadsError: There are too many, or they come faster than they can be listed.
        GosondeError: As `open_breakpoint`.
    """
    known: set[int] = set()
    unused = REGISTERS
    for listing in range(MAX_LISTINGS):
        new = _threads(pid) - known
        if not new:
            return
        for thread in new:
            with contextlib.suppress(NoSuchProcessError):  # it has ended
                if not listing:
                    unused = min(unused, _left(thread, cpus[0]))
                    _refuse_too_few(thread, unused)
                for cpu in cpus:
                    # What it has inherited are the first ones: each thread gets them in this order.
                    has = unused - _left(thread, cpu) if listing else 0
                    for which in range(max(has, 0), len(instructions)):
                        yield which, cpu, open_breakpoint(thread, cpu, instructions[which])
        known |= new
        if len(known) > MAX_THREADS:
            break
    raise TooManyThreadsError(f"process {pid} has or creates more threads than can have breakpoints")


def _refuse_too_few(thread: int, unused: int) -> None:
    if unused < NEEDED:
        raise BusyDebugRegistersError(
            f"thread {thread} has {unused} free debug registers, and {NEEDED} are needed: a debugger or another trace "
            "may use the others"
        )


def _left(thread: int, cpu: int) -> int:
    """How many debug registers a thread has left on a CPU: tried, with what is never reached."""
    tried: list[int] = []
    try:
        tried.extend(open_breakpoint(thread, cpu, NOWHERE) for _ in range(REGISTERS))
    except BusyDebugRegistersError:
        return len(tried)
    finally:
        for event in tried:
            os.close(event)
    return len(tried)


#: No program can have an instruction there.
NOWHERE = Instruction(8, 0, ("rax",))


def try_breakpoint(pid: int) -> None:
    """Opens breakpoints that are never reached in the first thread of a process, and closes them.

    Raises:
        BusyDebugRegistersError: It has too few debug registers left.
        GosondeError: As `open_breakpoint`.
    """
    procfs.check_numbers()
    check_machine()
    _refuse_too_few(pid, _left(pid, online_cpus()[0]))


def _threads(pid: int) -> set[int]:
    """Those of a process.

    Raises:
        NoSuchProcessError: It has ended.
    """
    try:
        return {int(folder.name) for folder in Path(f"/proc/{pid}/task").iterdir()}
    except OSError as error:
        raise NoSuchProcessError(f"there is no process {pid}, or it has just ended") from error
