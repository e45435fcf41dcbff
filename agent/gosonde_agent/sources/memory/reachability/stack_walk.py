"""Walks many goroutines' stacks, which lie in one buffer, a frame at a time, and says which frames are where."""

from dataclasses import dataclass

import numpy as np

from gosonde_agent.golang.unwind import MAX_FRAMES, NOWHERE
from gosonde_agent.sources.memory.reachability.frame_slots import TOP, UNKNOWN
from gosonde_agent.sources.memory.reachability.frame_table import FrameTable
from gosonde_agent.sources.memory.reachability.rows import I64, U64, Bools


@dataclass(frozen=True, slots=True)
class Frames:
    """Frames of some stacks.

    Attributes:
        stack: int64[n]: whose it is.
        place: int64[n]: its first word, in the buffer.
        row: int64[n]: which it is, in the table of frames.
        whole: bool[n]: every word of it, and of its arguments, may be a live pointer.
    """

    stack: I64
    place: I64
    row: I64
    whole: Bools

    def of(self, understood: Bools) -> "Frames":
        """Those of stacks that are understood."""
        kept = understood[self.stack]
        return Frames(self.stack[kept], self.place[kept], self.row[kept], self.whole[kept])


def walk(table: FrameTable, words: U64, firsts: I64, pcs: U64, bias: int) -> tuple[Frames, Bools]:
    """(the frames, bool[n]: the whole stack is understood) of stacks i, which are words[firsts[i]:firsts[i + 1]].

    Args:
        pcs: uint64[n]: where each innermost function goes on, an address of the process.
        bias: The process's addresses less link-time addresses.
    """
    understood = np.zeros(len(pcs), np.bool_)
    columns: list[tuple[I64, I64, I64, Bools]] = []
    stack, place, pc = np.arange(len(pcs), dtype=np.int64), firsts[:-1].copy(), pcs
    args, whole = np.zeros(len(pcs), np.int64), np.zeros(len(pcs), np.bool_)
    for _ in range(MAX_FRAMES):
        if not len(stack):
            break
        row = table.rows_of(np.minimum(pc - np.uint64(bias), NOWHERE))
        kind, size = table.kind[row], table.size[row]
        # What a function is called with lies in its caller's frame.
        fits = (kind != UNKNOWN) & (place + size <= firsts[stack + 1]) & ((args < size) | (args == 0))
        whole |= table.whole[row]
        columns.append((stack[fits], place[fits], row[fits], whole[fits]))
        understood[stack[fits & (kind == TOP)]] = True
        goes = fits & (kind != TOP)
        stack, row = stack[goes], row[goes]
        place = place[goes] + size[goes]
        pc = words[place - 1]
        args, whole = table.args[row], table.caller_whole[row]
    parts = [np.concatenate(column) for column in zip(*columns, strict=True)]
    return (Frames(*parts) if columns else _none()), understood


def _none() -> Frames:
    none = np.zeros(0, np.int64)
    return Frames(none, none, none, np.zeros(0, np.bool_))
