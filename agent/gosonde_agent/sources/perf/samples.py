"""Samples of registers as the kernel writes them: parsed with every length checked."""

import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

#: linux/perf_event.h: what a record begins with (kind, misc, size), and the kinds that matter.
HEADER = struct.Struct("<IHH")
LOST, SAMPLE = 2, 9
#: Behind the header of a LOST record: an id, and how many.
LOST_COUNT = struct.Struct("<8xQ")


def dtype(registers: int) -> np.dtype[np.void]:
    """One whole sample that has so many registers."""
    return np.dtype(
        [
            *(("kind", "<u4"), ("misc", "<u2"), ("size", "<u2"), ("ip", "<u8"), ("pid", "<u4"), ("tid", "<u4")),
            *(("time", "<u8"), ("abi", "<u8"), ("registers", "<u8", (registers,))),
        ]
    )


@dataclass(frozen=True, slots=True)
class Samples:
    """What was found in a piece of a ring.

    Attributes:
        rows: Whole samples, in order.
        lost: How many the kernel says that it had no room for, at least.
        damaged: Whether a length made no sense: what stood behind it is lost.
    """

    rows: npt.NDArray[np.void]
    lost: int = 0
    damaged: bool = False


def parse(data: bytes, layout: np.dtype[np.void]) -> Samples:
    """The samples in what was taken from a ring; samples without registers are left out."""
    if len(data) % layout.itemsize == 0:
        rows = np.frombuffer(data, layout)
        if ((rows["kind"] == SAMPLE) & (rows["size"] == layout.itemsize)).all():
            return Samples(rows)
    return _walked(data, layout)


def _walked(data: bytes, layout: np.dtype[np.void]) -> Samples:
    """Record by record."""
    whole: list[bytes] = []
    lost, at = 0, 0
    damaged = False
    while at < len(data):
        kind, _, size = HEADER.unpack_from(data, at) if at + HEADER.size <= len(data) else (0, 0, 0)
        if size < HEADER.size or at + size > len(data):
            damaged = True
            break
        if kind == SAMPLE and size == layout.itemsize:
            whole.append(data[at : at + size])
        elif kind == LOST and size >= HEADER.size + LOST_COUNT.size:
            lost += LOST_COUNT.unpack_from(data, at + HEADER.size)[0]
        at += size
    return Samples(np.frombuffer(b"".join(whole), layout), lost, damaged)
