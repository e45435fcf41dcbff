"""The calls of ptrace(2): they have a thread stand, read and write its registers, and let it go; amd64."""

import ctypes
import errno
import os
import platform
from enum import Enum, auto

from gosonde_common.errors import UnsupportedError

from gosonde_agent.model.errors import NotPermittedError
from gosonde_agent.sources.registers import ThreadRegisters

#: linux/ptrace.h
TRACE_ME = 0
GET_REGISTERS, DETACH, SEIZE, INTERRUPT = 12, 17, 0x4206, 0x4207
PEEK, POKE, CONTINUE, SET_REGISTERS, LISTEN, PEEK_SIGNALS = 1, 4, 7, 13, 0x4208, 0x4209
EVENT_EXEC, EVENT_STOP = 4, 128
#: Options: children by fork, threads, and other programs that it runs are heard of.
TRACE_FORK, TRACE_CLONE, TRACE_EXEC = 2, 8, 16
#: siginfo_t.
SIGNAL_BYTES, MAX_PENDING = 128, 32
ALL_BITS = (1 << 64) - 1
#: Of waitid(2): threads count as children, too.
WALL = 0x40000000
#: struct user_regs_struct: how many words, and which are those of ThreadRegisters.
REGISTERS, PC, FLAGS, SP, FS_BASE = 27, 16, 18, 19, 21
#: Its first words, by name.
NAMES = ("r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi")
MACHINE = "x86_64"
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.ptrace.restype = ctypes.c_long
LIBC.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)

#: The registers of one thread, as words.
Words = ctypes.Array[ctypes.c_uint64]


class State(Enum):
    """What is known of a thread that is to stop."""

    RUNS = auto()
    STANDS = auto()
    GONE = auto()


def check_machine(machine: str = platform.machine()) -> None:
    """Raises UnsupportedError where registers are not those of amd64."""
    if machine != MACHINE:
        raise UnsupportedError(f"processes are stopped on {MACHINE} only, and this is {machine}: leave out --stop")


class PendingArguments(ctypes.Structure):
    """struct ptrace_peeksiginfo_args"""

    _fields_ = (("begin", ctypes.c_uint64), ("flags", ctypes.c_uint32), ("count", ctypes.c_int32))


def trace_me() -> None:
    """Has the parent trace this process, which stops at its next exec.

    Raises:
        OSError: The kernel refuses.
    """
    if LIBC.ptrace(TRACE_ME, 0, None, None) == -1:
        raise OSError(ctypes.get_errno(), "may not be traced")


def seize(thread: int, options: int = 0) -> bool:
    """Begins to trace a thread, which runs on. False when it has ended.

    Raises:
        NotPermittedError: The kernel refuses; also when somebody else traces it.
    """
    return _done(SEIZE, thread, data=options)


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


def registers(thread: int, words: Words) -> ThreadRegisters | None:
    """Those of a thread that stands, read into `words`; None when it has ended."""
    if not get_words(thread, words):
        return None
    return ThreadRegisters(words[PC], words[SP], words[FS_BASE])


def no_words() -> Words:
    """Room for the registers of a thread."""
    return (ctypes.c_uint64 * REGISTERS)()


def get_words(thread: int, words: Words) -> bool:
    """Reads all registers of a thread that stands. False when it has ended."""
    return _done(GET_REGISTERS, thread, data=ctypes.addressof(words))


def set_words(thread: int, words: Words) -> bool:
    """Writes them. False when it has ended."""
    return _done(SET_REGISTERS, thread, data=ctypes.addressof(words))


def let_go(thread: int, signal: int) -> bool:
    """Has a thread that stands run on, with the signal that it was about to get. False when it has ended."""
    return _done(DETACH, thread, data=signal)


def run_on(thread: int, signal: int) -> bool:
    """As `let_go`, but it stays traced."""
    return _done(CONTINUE, thread, data=signal)


def listen(thread: int) -> bool:
    """Leaves a thread of a process that was stopped (SIGSTOP) as it is, until that is continued."""
    return _done(LISTEN, thread)


def has_pending(thread: int, signal: int) -> bool:
    """Whether a thread that stands is about to get a signal that was sent to it alone."""
    found = ctypes.create_string_buffer(SIGNAL_BYTES * MAX_PENDING)
    wanted = PendingArguments(0, 0, MAX_PENDING)
    count = LIBC.ptrace(PEEK_SIGNALS, thread, ctypes.addressof(wanted), ctypes.addressof(found))
    numbers = (found.raw[at : at + 4] for at in range(0, max(count, 0) * SIGNAL_BYTES, SIGNAL_BYTES))
    return any(int.from_bytes(number, "little") == signal for number in numbers)


def put_byte(thread: int, address: int, instead_of: int, byte: int) -> bool:
    """Writes a byte into the memory of a thread that stands, if another one is there; whether it was."""
    ctypes.set_errno(0)
    word = LIBC.ptrace(PEEK, thread, address, None)
    if (word == -1 and ctypes.get_errno()) or word & 0xFF != instead_of:
        return False
    return _done(POKE, thread, address, word & ~0xFF & ALL_BITS | byte)


def _done(request: int, thread: int, address: int = 0, data: int = 0) -> bool:
    if LIBC.ptrace(request, thread, address, data) != -1:
        return True
    number = ctypes.get_errno()
    if number in (errno.ESRCH, errno.EIO):
        return False
    raise NotPermittedError(f"thread {thread} may not be traced: {os.strerror(number)}")
