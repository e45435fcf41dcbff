"""Perf events that sample the general registers of one thread, as it has them in user mode. They stop nothing."""

import ctypes
import errno
import os
import platform
import struct
from pathlib import Path

from gosonde_agent.host.syscall_numbers import PERF_EVENT_OPEN
from gosonde_agent.model.errors import NoSuchProcessError, NotPermittedError

#: Bits of the general registers in PERF_SAMPLE_REGS_USER, by machine; amd64 with the instruction pointer, the ninth.
GENERAL_REGISTERS = {"x86_64": 0xFF01FF, "aarch64": (1 << 31) - 1}
#: linux/perf_event.h: struct perf_event_attr as of its fifth version, of type PERF_TYPE_SOFTWARE.
ATTRIBUTES, SOFTWARE = struct.Struct("<IIQQQQQIIQQQQIiQIHH"), 1
CPU_CLOCK, CONTEXT_SWITCHES = 0, 3
#: Between two samples of a thread that runs.
PERIOD_NS = 500_000
TID_AND_REGISTERS = 1 << 1 | 1 << 12
DISABLED_NOT_OF_HYPERVISORS_BACKWARD = 1 << 0 | 1 << 6 | 1 << 27
CLOSE_ON_EXEC = 8

_libc = ctypes.CDLL(None, use_errno=True)


def open_thread_event(pid: int, thread: int, *, at_switches: bool) -> int:
    """The descriptor of an event that is not enabled yet, and writes backwards: the newest samples are kept.

    Args:
        thread: One of the process.
        at_switches: Sample whenever the thread leaves its CPU; else twice a millisecond while it runs.

    Raises:
        NoSuchProcessError: The process has no such thread.
        NotPermittedError: Privileges are missing, or the kernel does not offer it.
    """
    if not Path(f"/proc/{pid}/task/{thread}").exists():
        raise NoSuchProcessError(f"process {pid} has no thread {thread}")
    number, registers = PERF_EVENT_OPEN[platform.machine()], GENERAL_REGISTERS[platform.machine()]
    event, period = (CONTEXT_SWITCHES, 1) if at_switches else (CPU_CLOCK, PERIOD_NS)
    flags = DISABLED_NOT_OF_HYPERVISORS_BACKWARD
    values = (SOFTWARE, ATTRIBUTES.size, event, period, TID_AND_REGISTERS, 0, flags, 0, 0, 0, 0, 0, registers)
    attributes = ctypes.create_string_buffer(ATTRIBUTES.pack(*values, 0, 0, 0, 0, 0, 0), ATTRIBUTES.size)
    opened: int = _libc.syscall(number, attributes, thread, -1, -1, CLOSE_ON_EXEC)
    if opened >= 0:
        return opened
    reason = ctypes.get_errno()
    if reason == errno.ESRCH:
        raise NoSuchProcessError(f"thread {thread} of process {pid} has ended")
    raise NotPermittedError(f"the registers of threads of process {pid} cannot be sampled: {os.strerror(reason)}")
