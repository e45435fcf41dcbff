"""Finalizers and cleanups that wait to be called: blocks outside of the heap, in one list each."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gosonde_agent.golang.layouts import Layout
from gosonde_agent.sources.memory.errors import ImplausibleMemoryError
from gosonde_agent.sources.memory.heap_proof import HeapAddresses
from gosonde_agent.sources.memory.reachability.rows import I64, U64
from gosonde_agent.sources.memory.runtime import Runtime

#: Blocks of 4 KiB or less; a block takes 100 finalizers.
MAX_BLOCKS = 1 << 16


@dataclass(frozen=True, slots=True)
class Queue:
    """A list of blocks.

    Attributes:
        head: Link-time address of the pointer to the first.
        link: Where a block has the pointer to the next.
        size: Of a block, bytes.
    """

    head: int
    link: int
    size: int


def queues_of(layout: Layout, addresses: HeapAddresses) -> tuple[Queue, ...]:
    """The lists that a version has."""
    block = "finBlock" if layout.has("finBlock", "alllink") else "finblock"
    finalizers = Queue(addresses.allfin, layout.offset(block, "alllink"), layout.size(block))
    if not addresses.cleanups:
        return (finalizers,)
    head = addresses.cleanups + layout.offset("cleanupQueue", "all")
    link = layout.offset("cleanupBlock", "cleanupBlockHeader.alllink")
    return (finalizers, Queue(head, link, layout.size("cleanupBlock")))


def queued(runtime: Runtime, queues: Sequence[Queue]) -> tuple[U64, I64]:
    """(addresses, sizes in bytes) of all blocks.

    Raises:
        ImplausibleMemoryError: A list does not end.
        GosondeError: The process has ended, or may not be read.
    """
    found: dict[int, int] = {}
    for queue in queues:
        block = runtime.number(queue.head)
        while block and block not in found:
            found[block] = queue.size & ~7
            if len(found) > MAX_BLOCKS:
                raise ImplausibleMemoryError(f"process {runtime.pid} has more than {MAX_BLOCKS} blocks of finalizers")
            block = int.from_bytes(runtime.memory.read(block + queue.link, 8), "little")
    return np.array(list(found), np.uint64), np.array(list(found.values()), np.int64)
