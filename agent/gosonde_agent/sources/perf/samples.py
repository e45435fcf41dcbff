"""Samples of registers as the kernel writes them: parsed with every length checked."""

import struct
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

#: linux/perf_event.h: what a record begins with (kind, misc, size), and the kind that matters.
HEADER = struct.Struct("<IHH")
SAMPLE = 9


def dtype(registers: int) -> np.dtype[np.void]:
    """One whole sample that has so many registers."""
    return np.dtype(
        [
            *(("kind", "<u4"), ("misc", "<u2"), ("size", "<u2"), ("ip", "<u8"), ("pid", "<u4"), ("tid", "<u4")),
            *(("time", "<u8"), ("abi", "<u8"), ("registers", "<u8", (registers,))),
        ]
    )


def parse(data: bytes, layout: np.dtype[np.void]) -> npt.NDArray[np.void]:
    """The whole samples in what was taken from a ring, in order; those without registers are left out.

    A length that makes no sense ends it: what stood behind is lost, as what the kernel had no room for. How much that
    is, the events' own counters say.
    """
    if len(data) % layout.itemsize == 0:
        rows = np.frombuffer(data, layout)
        if ((rows["kind"] == SAMPLE) & (rows["size"] == layout.itemsize)).all():
            return rows
    return np.frombuffer(b"".join(_whole(data, layout.itemsize)), layout)


def _whole(data: bytes, sample_size: int) -> Iterator[bytes]:
    """Samples of a size, found record by record."""
    at = 0
    while at + HEADER.size <= len(data):
        kind, _, size = HEADER.unpack_from(data, at)
        if size < HEADER.size or at + size > len(data):
            return
        if kind == SAMPLE and size == sample_size:
            yield data[at : at + size]
        at += size
