"""The calls of ptrace(2) that are needed to have a thread stand, look at its registers, and let it go; amd64."""

import ctypes
import errno
import os
import platform
from enum import Enum, auto

from gosonde_common.errors import UnsupportedError

from gosonde_agent.model.errors import NotPermittedError
from gosonde_agent.sources.registers import ThreadRegisters

#: linux/ptrace.h
GET_REGISTERS, DETACH, SEIZE, INTERRUPT = 12, 17, 0x4206, 0x4207
EVENT_STOP = 128
#: Of waitid(2): threads count as children, too.
WALL = 0x40000000
#: struct user_regs_struct: how many words, and which are those of ThreadRegisters.
REGISTERS, PC, SP, FS_BASE = 27, 16, 19, 21
MACHINE = "x86_64"
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.ptrace.restype = ctypes.c_long


class State(Enum):
    """What is known of a thread that is to stop."""

    RUNS = auto()
    STANDS = auto()
    GONE = auto()


def check_machine(machine: str = platform.machine()) -> None:
    """Raises UnsupportedError where registers are not those of amd64."""
    if machine != MACHINE:
        raise UnsupportedError(f"processes are stopped on {MACHINE} only, and this is {machine}: leave out --stop")


def seize(thread: int) -> bool:
    """Begins to trace a thread, which runs on. False when it has ended.

    Raises:
        NotPermittedError: The kernel refuses; also when somebody else traces it.
    """
    return _done(SEIZE, thread)


def interrupt(thread: int) -> bool:
    """Has a traced thread stop as soon as it can. False when it has ended."""
    return _done(INTERRUPT, thread)


def state(thread: int, *, is_reaped: bool) -> tuple[State, int]:
    """(how far a thread is, the signal that it is about to get, or 0); it does not wait.

    The stop stays to be waited for: where this process is killed the kernel hands the signal on all the same.

    Args:
        is_reaped: Whether an ended thread is taken away, as its own parent does not hear of it before.
    """
    try:
        ended = os.WEXITED if is_reaped else 0
        found = os.waitid(os.P_PID, thread, os.WSTOPPED | os.WNOHANG | os.WNOWAIT | WALL | ended)
        if found is None:
            return State.RUNS, 0
        if found.si_code in (os.CLD_EXITED, os.CLD_KILLED, os.CLD_DUMPED):
            os.waitid(os.P_PID, thread, os.WEXITED | os.WNOHANG | WALL)
            return State.GONE, 0
    except ChildProcessError:
        return State.GONE, 0
    event, signal = found.si_status >> 8, found.si_status & 0xFF
    return State.STANDS, 0 if event == EVENT_STOP else signal


def registers(thread: int) -> ThreadRegisters | None:
    """Those of a thread that stands; None when it has ended."""
    words = (ctypes.c_uint64 * REGISTERS)()
    if not _done(GET_REGISTERS, thread, ctypes.addressof(words)):
        return None
    return ThreadRegisters(words[PC], words[SP], words[FS_BASE])


def let_go(thread: int, signal: int) -> bool:
    """Has a thread that stands run on, with the signal that it was about to get. False when it has ended."""
    return _done(DETACH, thread, signal)


def _done(request: int, thread: int, data: int = 0) -> bool:
    if LIBC.ptrace(ctypes.c_long(request), ctypes.c_long(thread), None, ctypes.c_void_p(data)) != -1:
        return True
    number = ctypes.get_errno()
    if number in (errno.ESRCH, errno.EIO):
        return False
    raise NotPermittedError(f"thread {thread} may not be traced: {os.strerror(number)}")
