"""Perf events that sample registers whenever an instruction of a program is reached: hardware breakpoints and uprobes.

Nothing of it lies in the program: all is gone with the event's descriptor, however who has it ends.
"""

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gosonde_common.errors import GosondeError

from gosonde_agent.host.syscall_numbers import PERF_EVENT_OPEN
from gosonde_agent.model.errors import (
    BusyDebugRegistersError,
    NoSuchProcessError,
    NotPermittedError,
    ProbeError,
    TooManyThreadsError,
    UnreadableFileError,
)

#: linux/perf_event.h: struct perf_event_attr as of its fifth version.
ATTRIBUTES = struct.Struct("<IIQQQQQIIQQQQIiQIHH")
TYPE_SOFTWARE, DUMMY = 1, 9
TYPE_BREAKPOINT, EXECUTE, EXECUTE_BYTES = 5, 4, 8
#: Of sample_type: the instruction's address, pid and tid, the time, and registers as the program has them.
SAMPLED = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 12
#: Bits of attr: inherit, exclude_kernel, exclude_hv, use_clockid, inherit_thread, remove_on_exec.
OF_PROCESS = 1 << 1 | 1 << 35 | 1 << 36
ALWAYS = 1 << 5 | 1 << 6 | 1 << 25
CLOCK_MONOTONIC = 1
CLOSE_ON_EXEC = 8
#: arch/x86/include/uapi/asm/perf_regs.h: the bit of each register.
REGISTER_BITS = {
    name: bit
    for bit, name in (
        *enumerate(("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp")),
        *((16 + number, f"r{8 + number}") for number in range(8)),
    )
}
UPROBE_PMU = Path("/sys/bus/event_source/devices/uprobe/type")
PARANOID = Path("/proc/sys/kernel/perf_event_paranoid")
MACHINE = "x86_64"
ONLINE = Path("/sys/devices/system/cpu/online")

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Instruction:
    """Where to sample, and which registers.

    Attributes:
        address: Where it is in the process.
        file_offset: Where it is in the file.
        registers: Full names; in a sample they stand in the order of REGISTER_BITS.
    """

    address: int
    file_offset: int
    registers: tuple[str, ...]

    @property
    def mask(self) -> int:
        """Of the registers, as the kernel numbers them."""
        return sum(1 << REGISTER_BITS[name] for name in self.registers)


def check_machine(machine: str = platform.machine()) -> None:
    """Raises NotPermittedError where registers are not those of amd64."""
    if machine != MACHINE:
        raise NotPermittedError(f"perf events are supported on {MACHINE} only, and this is {machine}")


def online_cpus() -> list[int]:
    """The CPUs that run now.

    Raises:
        UnreadableFileError: The kernel does not say which, for /sys is not there.
    """
    try:
        listed = ONLINE.read_text()
    except OSError as error:
        raise UnreadableFileError(f"which CPUs are online cannot be read from {ONLINE}: {error.strerror}") from error
    found: list[int] = []
    for part in listed.strip().split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def open_dummy(cpu: int) -> int:
    """The descriptor of an event that nothing ever happens to: others on the same CPU may write into its ring.

    Raises:
        NotPermittedError: Privileges are missing.
        ProbeError: The kernel refuses for another reason.
    """
    opened = _open((TYPE_SOFTWARE, 0, 0, 0, 0), 1, 0, cpu, config=DUMMY)
    if opened >= 0:
        return opened
    raise _refusal(ctypes.get_errno(), "a perf event", 0)


def open_breakpoint(thread: int, cpu: int, instruction: Instruction) -> int:
    """The descriptor of an event for one thread while it runs on one CPU, and for threads that it makes from now on.

    It ends with the program: what is executed in its place is not sampled.

    Raises:
        NoSuchProcessError: The thread has ended.
        NotPermittedError: Privileges are missing.
        BusyDebugRegistersError: The thread has no debug register left.
        TooManyThreadsError: This process may have no more descriptors.
        ProbeError: The kernel refuses for another reason.
    """
    values = TYPE_BREAKPOINT, OF_PROCESS, EXECUTE, instruction.address, EXECUTE_BYTES
    opened = _open(values, instruction.mask, thread, cpu)
    if opened >= 0:
        return opened
    raise _refusal(ctypes.get_errno(), f"a hardware breakpoint in thread {thread}", thread)


def open_file_uprobe(fd: int, cpu: int, instruction: Instruction) -> int:
    """The descriptor of an event for every process that runs an open file, now or later, while it runs on one CPU.

    Raises:
        NotPermittedError: Privileges are missing, or the kernel has no uprobes for perf.
        TooManyThreadsError: This process may have no more descriptors.
        ProbeError: The kernel refuses for another reason.
    """
    try:
        kind = int(UPROBE_PMU.read_text())
    except (OSError, ValueError) as error:
        raise NotPermittedError(f"the kernel offers no uprobes through perf: {UPROBE_PMU} is not there") from error
    name = ctypes.create_string_buffer(b"/proc/self/fd/%d" % fd)
    values = kind, 0, 0, ctypes.addressof(name), instruction.file_offset
    opened = _open(values, instruction.mask, -1, cpu)
    if opened >= 0:
        return opened
    number = ctypes.get_errno()
    if number in (errno.EPERM, errno.EACCES):
        raise NotPermittedError(
            "perf uprobes need CAP_PERFMON, or CAP_SYS_ADMIN where the kernel requires that; run as root"
        )
    raise _refusal(number, f"a uprobe at offset {instruction.file_offset:#x}", 0)


def _open(values: Sequence[int], registers: int, thread: int, cpu: int, config: int = 0) -> int:
    """A negative number when it failed, and then the errno is ctypes.get_errno()."""
    kind, flags, breakpoint_type, address, length = values
    packed = ATTRIBUTES.pack(
        *(kind, ATTRIBUTES.size, config, 1, SAMPLED, 0, flags | ALWAYS, 0, breakpoint_type, address, length),
        *(0, registers, 0, CLOCK_MONOTONIC, 0, 0, 0, 0),
    )
    attributes = ctypes.create_string_buffer(packed, len(packed))
    opened: int = _libc.syscall(PERF_EVENT_OPEN[platform.machine()], attributes, thread, cpu, -1, CLOSE_ON_EXEC)
    return opened


def _refusal(number: int, what: str, thread: int) -> GosondeError:
    if number == errno.ESRCH:
        return NoSuchProcessError(f"thread {thread} has ended")
    if number in (errno.EPERM, errno.EACCES):
        return NotPermittedError(
            f"{what} is not permitted: kernel.perf_event_paranoid is {_paranoid()}; it must be 2 or less for one's own "
            "processes, and others' need CAP_PERFMON or CAP_SYS_PTRACE"
        )
    if number == errno.ENOSPC:
        return BusyDebugRegistersError(f"{what}: no debug register is left: a debugger or another trace may use them")
    if number in (errno.EMFILE, errno.ENFILE):
        return TooManyThreadsError(f"{what}: no more open files are allowed; raise the limit (ulimit -n)")
    return ProbeError(f"{what}: {os.strerror(number)} (errno {number})")


def _paranoid() -> str:
    try:
        return PARANOID.read_text().strip()
    except OSError:
        return "unknown"
