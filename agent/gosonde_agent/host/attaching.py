"""Attaches BPF programs to instructions of files, with or without perf events, and to raw tracepoints.

Nothing large is imported here: the agent's helper does it.
"""

import ctypes
import errno
import os
import platform
import struct
from pathlib import Path

from gosonde_common.errors import GosondeError

from gosonde_agent.host import bpf, syscall_numbers
from gosonde_agent.model.errors import (
    NoSuchProcessError,
    NotPermittedError,
    UnsupportedBinaryError,
)

_libc = ctypes.CDLL(None, use_errno=True)

BPF_RAW_TRACEPOINT_OPEN = 17
BPF_LINK_CREATE = 28
BPF_PERF_EVENT = 41

PERF_ATTR_SIZE = 128
PERF_FLAG_FD_CLOEXEC = 8
#: The kernel's own, which no libc names: it has no way to probe this instruction.
ENOTSUPP = 524
UPROBE_PMU = Path("/sys/bus/event_source/devices/uprobe/type")


def open_uprobe(fd: int, file_offset: int, pid: int | None) -> int:
    """A perf event for an instruction of an open file: in one process, or (None) in all that run it, now or later.

    It goes away with its file descriptor, so nothing stays behind when the agent dies.

    Raises:
        NotPermittedError: Privileges are missing.
        NoSuchProcessError: The process has ended.
        UnsupportedBinaryError: The kernel does not take a probe in this file.
        ProbeError: Anything else.
    """
    try:
        kind = int(UPROBE_PMU.read_text())
    except OSError as error:
        raise NotPermittedError(f"the kernel offers no uprobes through perf: {UPROBE_PMU}: {error.strerror}") from error
    name = ctypes.create_string_buffer(b"/proc/self/fd/%d" % fd)
    attributes = ctypes.create_string_buffer(PERF_ATTR_SIZE)
    # type, size; sample_period at 16; wakeup_events at 48; config1 = path at 56; config2 = offset at 64.
    struct.pack_into("<II", attributes, 0, kind, PERF_ATTR_SIZE)
    struct.pack_into("<Q", attributes, 16, 1)
    struct.pack_into("<I", attributes, 48, 1)
    struct.pack_into("<QQ", attributes, 56, ctypes.addressof(name), file_offset)
    number = syscall_numbers.PERF_EVENT_OPEN[platform.machine()]
    event: int = _libc.syscall(
        number, attributes, -1 if pid is None else pid, 0 if pid is None else -1, -1, PERF_FLAG_FD_CLOEXEC
    )
    if event < 0:
        raise _no_uprobe(ctypes.get_errno(), file_offset, pid)
    return event


def link(program_fd: int, event_fd: int, cookie: int) -> int:
    """Runs a BPF program at a perf event; bpf_get_attach_cookie() gives it `cookie`. Returns the link's descriptor."""
    fd = bpf.call(BPF_LINK_CREATE, bpf.attributes("<IIIIQ", program_fd, event_fd, BPF_PERF_EVENT, 0, cookie))
    if fd < 0:
        raise bpf.refusal("attaching a BPF program to a uprobe", ctypes.get_errno())
    os.set_inheritable(fd, False)
    return fd


def link_uprobe(program_fd: int, fd: int, file_offset: int, pid: int | None, cookie: int) -> int:
    """As `open_uprobe` and `link` at once, without a perf event: the kernel closes many of these at the same time.

    The program must have been loaded for BPF_TRACE_UPROBE_MULTI.

    Raises:
        GosondeError: As `open_uprobe`.
    """
    name = ctypes.create_string_buffer(b"/proc/self/fd/%d" % fd)
    offset, value = ctypes.c_uint64(file_offset), ctypes.c_uint64(cookie)
    attributes = bpf.attributes(
        "<IIIIQQQQIII",
        *(program_fd, 0, bpf.BPF_TRACE_UPROBE_MULTI, 0),
        *(ctypes.addressof(name), ctypes.addressof(offset), 0, ctypes.addressof(value)),
        *(1, 0, pid or 0),
    )
    link_fd = bpf.call(BPF_LINK_CREATE, attributes)
    if link_fd < 0:
        raise _no_uprobe(ctypes.get_errno(), file_offset, pid)
    os.set_inheritable(link_fd, False)
    return link_fd


def _no_uprobe(number: int, file_offset: int, pid: int | None) -> GosondeError:
    if number == errno.ESRCH:
        return NoSuchProcessError(f"process {pid} has ended")
    if number in (errno.EINVAL, errno.ENOTSUP, ENOTSUPP, errno.EIO):
        return UnsupportedBinaryError(f"the kernel refuses a probe at offset {file_offset:#x}: {os.strerror(number)}")
    return bpf.refusal(f"opening a uprobe at offset {file_offset:#x}", number)


def raw_tracepoint(program_fd: int, name: str) -> int:
    """Runs a BPF program at a raw tracepoint for as long as the descriptor that it returns is open."""
    text = ctypes.create_string_buffer(name.encode())
    fd = bpf.call(BPF_RAW_TRACEPOINT_OPEN, bpf.attributes("<QI", ctypes.addressof(text), program_fd))
    if fd < 0:
        raise bpf.refusal(f"attaching to the tracepoint {name}", ctypes.get_errno())
    os.set_inheritable(fd, False)
    return fd
