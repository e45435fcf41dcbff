"""Which system calls the seccomp filters of a thread let through: read with ptrace, and computed for each call."""

import ctypes
import operator
import os
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH, PTRACE_SECCOMP_GET_FILTER = 0x4206, 0x4207, 17, 0x420C
WALL = 0x40000000
AMD64, I386 = 0xC000003E, 0x40000003
ALLOW, LOG, ACTION = 0x7FFF0000, 0x7FFC0000, 0xFFFF0000
#: More than any kernel has yet.
NUMBERS = range(600)
LOAD, AND, RETURN = 0x20, 0x54, 0x06
JUMPS: Mapping[int, Callable[[int, int], bool]] = {
    0x15: operator.eq,
    0x25: operator.gt,
    0x35: operator.ge,
    0x45: lambda value, bits: value & bits != 0,
}
JUMP_ALWAYS = 0x05
Program = Sequence[tuple[int, int, int, int]]

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
_libc.ptrace.restype = ctypes.c_long


def filters_of(tid: int) -> list[Program]:
    """All filters of a thread; root without a filter of its own may read them."""
    programs: list[Program] = []
    with _stopped(tid):
        while instructions := _ptrace(PTRACE_SECCOMP_GET_FILTER, tid, len(programs), None, end=2):
            code = ctypes.create_string_buffer(8 * instructions)
            _ptrace(PTRACE_SECCOMP_GET_FILTER, tid, len(programs), ctypes.addressof(code))
            programs.append(list(struct.iter_unpack("=HBBI", code.raw)))
    return programs


def allowed(filters: Sequence[Program], arch: int = AMD64) -> set[int]:
    """The numbers of the calls that each of the filters lets through when all arguments are 0."""
    return {number for number in NUMBERS if all(_verdict(program, number, arch) in {ALLOW, LOG} for program in filters)}


def number_of(name: str) -> int:
    """The number of a system call; negative when amd64 has none."""
    return int(ctypes.CDLL("libseccomp.so.2").seccomp_syscall_resolve_name(name.encode()))


def _verdict(program: Program, number: int, arch: int) -> int:
    data = struct.pack("=II56x", number, arch)
    accumulator, at = 0, 0
    while True:
        code, if_true, if_false, operand = program[at]
        at += 1
        if code == RETURN:
            return operand & ACTION
        if code == LOAD:
            (accumulator,) = struct.unpack_from("=I", data, operand)
        elif code == AND:
            accumulator &= operand
        elif code == JUMP_ALWAYS:
            at += operand
        else:
            at += if_true if JUMPS[code](accumulator, operand) else if_false


@contextmanager
def _stopped(tid: int) -> Iterator[None]:
    _ptrace(PTRACE_SEIZE, tid, 0, None)
    try:
        _ptrace(PTRACE_INTERRUPT, tid, 0, None)
        os.waitpid(tid, WALL)
        yield
    finally:
        _ptrace(PTRACE_DETACH, tid, 0, None)


def _ptrace(request: int, tid: int, address: int, data: int | None, end: int = 0) -> int:
    """What ptrace returns; 0 where it says the error `end`."""
    result = int(_libc.ptrace(request, tid, address, data))
    if result == -1 and ctypes.get_errno() != end:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return max(result, 0)
