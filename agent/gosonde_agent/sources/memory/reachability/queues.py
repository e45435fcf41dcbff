"""Finalizers and cleanups that wait to be called: blocks outside of the heap, in one list each."""

from collections.abc import Sequence

import numpy as np

from gosonde_agent.golang.layouts import Layout
from gosonde_agent.sources.memory.errors import ImplausibleMemoryError
from gosonde_agent.sources.memory.heap_chains import Chain, cleanup_chain, finalizer_chain
from gosonde_agent.sources.memory.heap_proof import HeapAddresses
from gosonde_agent.sources.memory.reachability.rows import I64, U64
from gosonde_agent.sources.memory.runtime import Runtime

#: Blocks of 4 KiB or less; a block has room for 100 finalizers.
MAX_BLOCKS = 1 << 16
#: The link-time address of a variable, and how it leads to blocks.
Queue = tuple[int, Chain]


def queues_of(layout: Layout, addresses: HeapAddresses) -> tuple[Queue, ...]:
    """The lists that a version has."""
    cleanups = cleanup_chain(layout)
    finalizers = (addresses.allfin, finalizer_chain(layout))
    return (finalizers, (addresses.cleanups, cleanups)) if cleanups else (finalizers,)


def queued(runtime: Runtime, queues: Sequence[Queue]) -> tuple[U64, I64]:
    """(addresses, sizes in bytes) of what all blocks have room for.

    Raises:
        ImplausibleMemoryError: A list does not end.
        GosondeError: The process has ended, or may not be read.
    """
    starts, sizes = [], []
    for variable, chain in queues:
        blocks = _blocks(runtime, variable, chain)
        starts += [block + chain.first for block in blocks]
        sizes += [chain.capacity * chain.size] * len(blocks)
    return np.array(starts, np.uint64), np.array(sizes, np.int64)


def _blocks(runtime: Runtime, variable: int, chain: Chain) -> list[int]:
    """Their addresses; one that leads back ends the list."""
    found: dict[int, None] = {}
    block = runtime.number(variable + chain.head)
    while block and block not in found:
        if len(found) == MAX_BLOCKS:
            raise ImplausibleMemoryError(f"process {runtime.pid} has more than {MAX_BLOCKS} blocks of finalizers")
        found[block] = None
        block = int.from_bytes(runtime.memory.read(block + chain.link, 8), "little")
    return list(found)
