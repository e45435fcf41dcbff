"""Which goroutines of a block are alike, with one state, `go` statement and stack: what they say is worked out once."""

import os
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gosonde_agent.sources.memory.goroutines import Block

I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]


class KindKey(NamedTuple):
    """What makes goroutines alike; fields as of Block. `pcs` are the call addresses, uint64 each, none of them 0."""

    status: int
    wait_reason: int
    gopc: int
    start_pc: int
    running_cleanups: bool
    active: bool
    unread: bool
    complete: bool
    pcs: bytes


def kinds_of(block: Block) -> tuple[list[KindKey], list[int]]:
    """(the keys of the goroutines of a block, for each goroutine the place of its key among them)."""
    firsts, places = _alike(block)
    return [_key(block, row) for row in firsts.tolist()], places.tolist()


def _key(block: Block, row: int) -> KindKey:
    pcs = block.stacks[row]
    return KindKey(
        int(block.status[row]),
        int(block.wait_reason[row]),
        int(block.gopc[row]),
        int(block.start_pc[row]),
        bool(block.running_cleanups[row]),
        bool(block.active[row]),
        bool(block.unread[row]),
        bool(block.complete[row]),
        pcs[pcs != 0].tobytes(),
    )


def _alike(block: Block) -> tuple[I64, I64]:
    """(a row of each kind, for each row the number of its kind).

    Rows are compared by a sum of their columns with random factors. Where that takes two that differ for equal, which
    chance does not bring about, each row is a kind of its own.
    """
    columns = [
        *(block.status, block.wait_reason, block.gopc, block.start_pc),
        *(block.running_cleanups, block.active, block.unread, block.complete),
        *block.stacks.T,
    ]
    factors: U64 = np.frombuffer(os.urandom(8 * len(columns)), np.uint64) | np.uint64(1)
    sums = np.zeros(len(block), np.uint64)
    for column, factor in zip(columns, factors, strict=True):
        sums += column.astype(np.uint64) * factor
    order = np.argsort(sums, kind="stable")
    is_first = np.ones(len(block), np.bool_)
    is_first[1:] = np.diff(sums[order]) != 0
    begins = np.flatnonzero(is_first)
    places = np.zeros(len(block), np.int64)
    places[order] = np.repeat(np.arange(len(begins)), np.diff(begins, append=len(block)))
    firsts = order[begins]
    if all((column == column[firsts[places]]).all() for column in columns):
        return firsts, places
    everyone = np.arange(len(block), dtype=np.int64)
    return everyone, everyone
