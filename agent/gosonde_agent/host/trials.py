"""Small real attempts at what the agent needs from the kernel. Each undoes itself and raises OSError when refused."""

import ctypes
import errno
import os
import platform
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from gosonde_agent.host.kernel import closes_probes_together
from gosonde_agent.host.syscall_numbers import BPF, PERF_EVENT_OPEN

BPF_MAP_CREATE, BPF_PROG_LOAD, BPF_RAW_TRACEPOINT_OPEN, BPF_LINK_CREATE = 0, 5, 17, 28
UPROBE_MULTI = 48
MAP_PERCPU_HASH, MAP_RINGBUF = 5, 27
PROG_KPROBE, PROG_RAW_TRACEPOINT = 2, 17
BPF_ATTR_SIZE = 72
PERF_FLAG_FD_CLOEXEC = 8
PERF_ATTR_SIZE = 112
PR_SET_DUMPABLE = 4
#: r0 = 0; exit
NOTHING = bytes.fromhex("b700000000000000 9500000000000000")

UPROBE_PMU = Path("/sys/bus/event_source/devices/uprobe/type")

_libc = ctypes.CDLL(None, use_errno=True)


def program() -> None:
    """Loads a BPF program of the kind that uprobes run, and makes a per-CPU hash map."""
    with _program(PROG_KPROBE), _map(MAP_PERCPU_HASH, key_bytes=16, value_bytes=16, entries=1):
        pass


def ring_buffer() -> None:
    """Makes a BPF ring buffer of one page."""
    with _map(MAP_RINGBUF, key_bytes=0, value_bytes=0, entries=os.sysconf("SC_PAGESIZE")):
        pass


def raw_tracepoint(name: str) -> None:
    """Attaches a program that does nothing to a raw tracepoint."""
    text = ctypes.create_string_buffer(name.encode())
    with _program(PROG_RAW_TRACEPOINT) as fd:
        attributes = struct.pack("=QI4x", ctypes.addressof(text), fd)
        os.close(_bpf(BPF_RAW_TRACEPOINT_OPEN, attributes))


def uprobe() -> None:
    """Puts a uprobe on a file of this function's own that nobody runs, as the probes are put on programs."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"\x90" * 64)
        file.flush()
        path = ctypes.create_string_buffer(file.name.encode())
        os.close(_link(path) if closes_probes_together() else _perf_event(path))


def _link(path: "ctypes.Array[ctypes.c_char]") -> int:
    """A program at the first byte of a file, by a link of its own."""
    offset = ctypes.c_uint64(0)
    with _program(PROG_KPROBE, UPROBE_MULTI) as fd:
        places = ctypes.addressof(path), ctypes.addressof(offset)
        return _bpf(BPF_LINK_CREATE, struct.pack("=IIIIQQQQIII", fd, 0, UPROBE_MULTI, 0, *places, 0, 0, 1, 0, 0))


def _perf_event(path: "ctypes.Array[ctypes.c_char]") -> int:
    kind = int(UPROBE_PMU.read_text())
    fields = struct.pack("=II48xQQ", kind, PERF_ATTR_SIZE, ctypes.addressof(path), 0)
    buffer = ctypes.create_string_buffer(fields, PERF_ATTR_SIZE)
    cpu = min(os.sched_getaffinity(0))
    return _syscall(PERF_EVENT_OPEN, ctypes.byref(buffer), -1, cpu, -1, PERF_FLAG_FD_CLOEXEC)


def process_memory(*, hides: bool = True) -> None:
    """Opens the memory of a child of this process, which `hides` it from everyone without CAP_SYS_PTRACE."""
    hide_and_wait = f"import ctypes; ctypes.CDLL(None).prctl({PR_SET_DUMPABLE}, 0); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-ISc", hide_and_wait if hides else "print(flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as child:
        try:
            if child.stdout is None or not child.stdout.readline():
                raise OSError(errno.ECHILD, "the process to try it on did not start")
            os.close(os.open(f"/proc/{child.pid}/mem", os.O_RDONLY | os.O_CLOEXEC))
        finally:
            child.kill()


@contextmanager
def _program(kind: int, attached_as: int = 0) -> Iterator[int]:
    code, licence = ctypes.create_string_buffer(NOTHING, len(NOTHING)), ctypes.create_string_buffer(b"GPL")
    fields = (kind, len(NOTHING) // 8, ctypes.addressof(code), ctypes.addressof(licence))
    fd = _bpf(BPF_PROG_LOAD, struct.pack("=IIQQ44xI", *fields, attached_as))
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def _map(kind: int, *, key_bytes: int, value_bytes: int, entries: int) -> Iterator[int]:
    fd = _bpf(BPF_MAP_CREATE, struct.pack("=IIII", kind, key_bytes, value_bytes, entries))
    try:
        yield fd
    finally:
        os.close(fd)


def _bpf(command: int, attributes: bytes) -> int:
    return _syscall(BPF, command, ctypes.create_string_buffer(attributes, BPF_ATTR_SIZE), BPF_ATTR_SIZE)


def _syscall(numbers: Mapping[str, int], *args: object) -> int:
    number = numbers.get(platform.machine())
    if number is None:
        raise OSError(errno.ENOSYS, f"not tried on {platform.machine()}")
    result: int = _libc.syscall(number, *args)
    if result < 0:
        raise _last_error()
    return result


def _last_error() -> OSError:
    code = ctypes.get_errno()
    return OSError(code, os.strerror(code))
