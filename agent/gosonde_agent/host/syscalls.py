"""The few calls of bpf(2) and perf_event_open(2) that the agent needs, with typed errors."""

import ctypes
import errno
import os
import platform
import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt
from gosonde_common.errors import GosondeError

from gosonde_agent.host import bpf
from gosonde_agent.model.errors import (
    NoSuchProcessError,
    NotPermittedError,
    UnsupportedBinaryError,
)

_libc = ctypes.CDLL(None, use_errno=True)
_NR_PERF_EVENT_OPEN = {"x86_64": 298, "aarch64": 241}

BPF_MAP_LOOKUP_ELEM = 1
BPF_MAP_UPDATE_ELEM = 2
BPF_MAP_DELETE_ELEM = 3
BPF_RAW_TRACEPOINT_OPEN = 17
BPF_MAP_LOOKUP_BATCH = 24
BPF_MAP_DELETE_BATCH = 27
BPF_LINK_CREATE = 28
BPF_PERF_EVENT = 41

PERF_ATTR_SIZE = 128
PERF_FLAG_FD_CLOEXEC = 8
#: The kernel's own, which no libc names: it has no way to probe this instruction.
ENOTSUPP = 524
UPROBE_PMU = Path("/sys/bus/event_source/devices/uprobe/type")
BATCH = 4_096


def open_uprobe(path: str, file_offset: int, pid: int | None) -> int:
    """A perf event for an instruction of a file: in one process, or (None) in all that run it, now or later.

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
    name = ctypes.create_string_buffer(os.fsencode(path))
    attributes = ctypes.create_string_buffer(PERF_ATTR_SIZE)
    # type, size; sample_period at 16; wakeup_events at 48; config1 = path at 56; config2 = offset at 64.
    struct.pack_into("<II", attributes, 0, kind, PERF_ATTR_SIZE)
    struct.pack_into("<Q", attributes, 16, 1)
    struct.pack_into("<I", attributes, 48, 1)
    struct.pack_into("<QQ", attributes, 56, ctypes.addressof(name), file_offset)
    number = _NR_PERF_EVENT_OPEN[platform.machine()]
    fd: int = _libc.syscall(
        number, attributes, -1 if pid is None else pid, 0 if pid is None else -1, -1, PERF_FLAG_FD_CLOEXEC
    )
    if fd < 0:
        raise _no_uprobe(ctypes.get_errno(), file_offset, pid)
    return fd


def link(program_fd: int, event_fd: int, cookie: int) -> int:
    """Runs a BPF program at a perf event; bpf_get_attach_cookie() gives it `cookie`. Returns the link's descriptor."""
    fd = bpf.call(BPF_LINK_CREATE, bpf.attributes("<IIIIQ", program_fd, event_fd, BPF_PERF_EVENT, 0, cookie))
    if fd < 0:
        raise bpf.refusal("attaching a BPF program to a uprobe", ctypes.get_errno())
    os.set_inheritable(fd, False)
    return fd


def link_uprobe(program_fd: int, path: str, file_offset: int, pid: int | None, cookie: int) -> int:
    """As `open_uprobe` and `link` at once, without a perf event: the kernel closes many of these at the same time.

    The program must have been loaded for BPF_TRACE_UPROBE_MULTI.

    Raises:
        GosondeError: As `open_uprobe`.
    """
    name = ctypes.create_string_buffer(os.fsencode(path))
    offset, value = ctypes.c_uint64(file_offset), ctypes.c_uint64(cookie)
    attributes = bpf.attributes(
        "<IIIIQQQQIII",
        *(program_fd, 0, bpf.BPF_TRACE_UPROBE_MULTI, 0),
        *(ctypes.addressof(name), ctypes.addressof(offset), 0, ctypes.addressof(value)),
        *(1, 0, pid or 0),
    )
    fd = bpf.call(BPF_LINK_CREATE, attributes)
    if fd < 0:
        raise _no_uprobe(ctypes.get_errno(), file_offset, pid)
    os.set_inheritable(fd, False)
    return fd


def _no_uprobe(number: int, file_offset: int, pid: int | None) -> GosondeError:
    if number == errno.ESRCH:
        return NoSuchProcessError(f"process {pid} has ended")
    if number in (errno.EINVAL, errno.ENOTSUP, ENOTSUPP, errno.EIO):
        return UnsupportedBinaryError(f"the kernel takes no probe at offset {file_offset:#x}: {os.strerror(number)}")
    return bpf.refusal(f"opening a uprobe at offset {file_offset:#x}", number)


def raw_tracepoint(program_fd: int, name: str) -> int:
    """Runs a BPF program at a raw tracepoint for as long as the descriptor that it returns is open."""
    text = ctypes.create_string_buffer(name.encode())
    fd = bpf.call(BPF_RAW_TRACEPOINT_OPEN, bpf.attributes("<QI", ctypes.addressof(text), program_fd))
    if fd < 0:
        raise bpf.refusal(f"attaching to the tracepoint {name}", ctypes.get_errno())
    os.set_inheritable(fd, False)
    return fd


def lookup(map_fd: int, key: bytes, value_size: int) -> bytes | None:
    """One element of a BPF map, as bytes; None when it is not there."""
    key_buffer, value = ctypes.create_string_buffer(key, len(key)), ctypes.create_string_buffer(value_size)
    attributes = bpf.attributes("<IIQQQ", map_fd, 0, ctypes.addressof(key_buffer), ctypes.addressof(value), 0)
    if bpf.call(BPF_MAP_LOOKUP_ELEM, attributes) < 0:
        number = ctypes.get_errno()
        if number == errno.ENOENT:
            return None
        raise bpf.refusal("reading a BPF map", number)
    return value.raw


def update(map_fd: int, key: bytes, value: bytes) -> None:
    """Sets one element of a BPF map."""
    key_buffer, value_buffer = (
        ctypes.create_string_buffer(key, len(key)),
        ctypes.create_string_buffer(value, len(value)),
    )
    attributes = bpf.attributes("<IIQQQ", map_fd, 0, ctypes.addressof(key_buffer), ctypes.addressof(value_buffer), 0)
    if bpf.call(BPF_MAP_UPDATE_ELEM, attributes) < 0:
        raise bpf.refusal("updating a BPF map", ctypes.get_errno())


def delete(map_fd: int, key: bytes) -> bool:
    """Removes one element of a BPF map; it may be gone already. Returns whether it was there."""
    buffer = ctypes.create_string_buffer(key, len(key))
    if bpf.call(BPF_MAP_DELETE_ELEM, bpf.attributes("<IIQ", map_fd, 0, ctypes.addressof(buffer))) < 0:
        number = ctypes.get_errno()
        if number != errno.ENOENT:
            raise bpf.refusal("deleting from a BPF map", number)
        return False
    return True


def delete_all(map_fd: int, keys: npt.NDArray[np.void]) -> int:
    """Removes elements of a BPF hash map, a batch a system call; some may be gone already. Returns how many were not.

    `keys` is of a dtype that has the size of the map's keys.
    """
    keys = np.ascontiguousarray(keys)
    done = deleted = 0
    while done < len(keys):
        address = keys.ctypes.data + done * keys.itemsize
        attributes = bpf.attributes("<QQQQIIQQ", 0, 0, address, 0, min(BATCH, len(keys) - done), map_fd, 0, 0)
        result = bpf.call(BPF_MAP_DELETE_BATCH, attributes)
        number = ctypes.get_errno() if result < 0 else 0
        if number not in (0, errno.ENOENT, errno.EINTR):
            raise bpf.refusal("deleting from a BPF map", number)
        count = struct.unpack_from("<I", attributes, 32)[0]
        deleted += count
        done += count + (number == errno.ENOENT)
    return deleted


def read_all(map_fd: int, key_size: int, value_size: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Every element of a BPF hash map: (keys uint8[n, key_size], values uint8[n, value_size]), in no order.

    `value_size` is that of all CPUs together for a per-CPU map. Elements that come or go meanwhile may be missing.
    """
    keys: list[npt.NDArray[np.uint8]] = []
    values: list[npt.NDArray[np.uint8]] = []
    size = BATCH
    position = ctypes.create_string_buffer(8)
    started = False
    while True:
        key_buffer = np.empty((size, key_size), np.uint8)
        value_buffer = np.empty((size, value_size), np.uint8)
        attributes = bpf.attributes(
            "<QQQQIIQQ",
            ctypes.addressof(position) if started else 0,
            ctypes.addressof(position),
            key_buffer.ctypes.data,
            value_buffer.ctypes.data,
            size,
            map_fd,
            0,
            0,
        )
        result = bpf.call(BPF_MAP_LOOKUP_BATCH, attributes)
        number = ctypes.get_errno() if result < 0 else 0
        if number == errno.ENOSPC:  # a bucket that holds more than a batch
            size *= 2
            continue
        if number == errno.EINTR:
            continue
        if number not in (0, errno.ENOENT):
            raise bpf.refusal("reading a BPF map", number)
        count = struct.unpack_from("<I", attributes, 32)[0]
        keys.append(key_buffer[:count])
        values.append(value_buffer[:count])
        started = True
        if number == errno.ENOENT:
            return np.concatenate(keys), np.concatenate(values)
