"""Frames by the addresses where their functions go on, worked out once an address and looked up for many stacks."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gosonde_agent.golang.pclntab import Pclntab
from gosonde_agent.golang.stack_maps import StackMaps
from gosonde_agent.sources.memory.reachability.frame_slots import (
    NOT_UNDERSTOOD,
    FrameSlots,
    frame_slots,
    no_objects,
    no_words,
)
from gosonde_agent.sources.memory.reachability.rows import I64, U64, Bools

#: Different addresses whose frames are looked up in one binary; a stack with one beyond is not understood.
MAX_ADDRESSES = 20_000
#: Numbers that are kept of all frames of one binary, 8 bytes each; a frame beyond is not understood.
MAX_KEPT = 1 << 21


class Lists:
    """A list of rows for each frame, one behind the other: that of frame i is `values[firsts[i]:firsts[i + 1]]`."""

    def __init__(self, empty: I64) -> None:
        self.values = empty
        self.firsts: I64 = np.zeros(1, np.int64)

    def extend(self, lists: Sequence[I64]) -> None:
        """Adds a list for each further frame."""
        self.values = np.concatenate([self.values, *lists])
        sizes = np.array([len(rows) for rows in lists], np.int64)
        self.firsts = np.concatenate([self.firsts, self.firsts[-1] + np.cumsum(sizes)])

    def of(self, frames: I64) -> tuple[I64, I64]:
        """(which of the `frames` each row is of, the rows): int64[m] and [m, ...]."""
        counts = self.firsts[frames + 1] - self.firsts[frames]
        places, within = spread(counts)
        return places, self.values[self.firsts[frames][places] + within]


def spread(counts: I64) -> tuple[I64, I64]:
    """(i, 0), (i, 1), ... up to counts[i] of them for each i, as two columns."""
    owners = np.repeat(np.arange(len(counts)), counts)
    return owners, np.arange(len(owners)) - (np.cumsum(counts) - counts)[owners]


class FrameTable:
    """The frames of one binary as columns, a row for each frame; row 0 is one that is not understood.

    Attributes:
        kind, size, args, whole, caller_whole: As in `FrameSlots`.
        live, objects: As in `FrameSlots`, a list for each row.
    """

    def __init__(self, pclntab: Pclntab) -> None:
        self._pclntab = pclntab
        self._maps = StackMaps(pclntab)
        self._rows: dict[int, int] = {}
        self._kept = 0
        self._keys: U64 = np.zeros(1, np.uint64)
        self._found: I64 = np.zeros(1, np.int64)
        self.kind = self.size = self.args = no_words()
        self.whole: Bools = np.zeros(0, np.bool_)
        self.caller_whole: Bools = np.zeros(0, np.bool_)
        self.live, self.objects = Lists(no_words()), Lists(no_objects())
        self._extend([NOT_UNDERSTOOD])

    def rows_of(self, pcs: U64) -> I64:
        """The row of the frame that goes on at each link-time address."""
        places = self._places(pcs)
        if len(self._rows) < MAX_ADDRESSES and (self._keys[places] != pcs).any():
            self._add([pc for pc in np.unique(pcs).tolist() if pc not in self._rows])
            places = self._places(pcs)
        return np.where(self._keys[places] == pcs, self._found[places], 0)

    def _places(self, pcs: U64) -> npt.NDArray[np.intp]:
        return np.minimum(np.searchsorted(self._keys, pcs), len(self._keys) - 1)

    def _add(self, pcs: Sequence[int]) -> None:
        frames: list[FrameSlots] = []
        for pc in pcs[: MAX_ADDRESSES - len(self._rows)]:
            frame = frame_slots(self._pclntab, self._maps, pc)
            is_kept = frame is not NOT_UNDERSTOOD and self._kept + frame.weight <= MAX_KEPT
            self._rows[pc] = len(self.kind) + len(frames) if is_kept else 0
            if is_kept:
                self._kept += frame.weight
                frames.append(frame)
        self._extend(frames)
        keys = np.fromiter(self._rows, np.uint64, len(self._rows))
        order = np.argsort(keys)
        self._keys = keys[order]
        self._found = np.fromiter(self._rows.values(), np.int64, len(self._rows))[order]

    def _extend(self, frames: Sequence[FrameSlots]) -> None:
        self.kind = np.append(self.kind, [frame.kind for frame in frames]).astype(np.int64)
        self.size = np.append(self.size, [frame.size for frame in frames]).astype(np.int64)
        self.args = np.append(self.args, [frame.args for frame in frames]).astype(np.int64)
        self.whole = np.append(self.whole, [frame.whole for frame in frames]).astype(np.bool_)
        self.caller_whole = np.append(self.caller_whole, [frame.caller_whole for frame in frames]).astype(np.bool_)
        self.live.extend([frame.live for frame in frames])
        self.objects.extend([frame.objects for frame in frames])
