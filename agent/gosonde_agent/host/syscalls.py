"""The few calls of bpf(2) on maps that the agent needs, with typed errors: they need a descriptor and no privileges."""

import ctypes
import errno
import struct

import numpy as np
import numpy.typing as npt

from gosonde_agent.host import bpf

BPF_MAP_LOOKUP_ELEM = 1
BPF_MAP_UPDATE_ELEM = 2
BPF_MAP_DELETE_ELEM = 3
BPF_MAP_LOOKUP_BATCH = 24
BPF_MAP_DELETE_BATCH = 27

BATCH = 4_096


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
