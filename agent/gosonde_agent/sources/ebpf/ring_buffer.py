"""Reads a BPF ring buffer with libbpf."""

import ctypes
import os
from collections.abc import Callable

from gosonde_agent.host import bpf
from gosonde_agent.model.errors import ProbeError

_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)


class RingBuffer:
    """A ring buffer whose records are handed to `handler`, as bytes.

    Raises:
        ProbeError: libbpf is missing, or the kernel does not map the buffer.
    """

    def __init__(self, map_fd: int, handler: Callable[[bytes], None]) -> None:
        def callback(_context: int, data: int, size: int) -> int:
            handler(ctypes.string_at(data, size))
            return 0

        self._library = _libbpf()
        self._callback = _Callback(callback)
        self._buffer = self._library.ring_buffer__new(map_fd, self._callback, None, None)
        if not self._buffer:
            raise ProbeError(f"opening the probes' ring buffer: {os.strerror(ctypes.get_errno())}")

    def consume(self) -> None:
        """Hands over what is there now."""
        self._library.ring_buffer__consume(self._buffer)

    def close(self) -> None:
        """Unmaps it; the map's descriptor stays open."""
        self._library.ring_buffer__free(self._buffer)
        self._buffer = None


def _libbpf() -> ctypes.CDLL:
    library = bpf.libbpf()
    if library is None:
        raise ProbeError(f"none of {', '.join(bpf.LIBBPF)} is installed; install the distribution's package libbpf1")
    library.ring_buffer__new.argtypes = (ctypes.c_int, _Callback, ctypes.c_void_p, ctypes.c_void_p)
    library.ring_buffer__new.restype = ctypes.c_void_p
    library.ring_buffer__consume.argtypes = (ctypes.c_void_p,)
    library.ring_buffer__free.argtypes = (ctypes.c_void_p,)
    library.ring_buffer__free.restype = None
    return library
