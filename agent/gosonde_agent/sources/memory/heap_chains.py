"""The blocks of finalizers and cleanups that the runtime still has to call, as the runtime links all of them."""

from dataclasses import dataclass

from gosonde_agent.golang.layouts import SIZE, Layout
from gosonde_agent.model.errors import UnsupportedBinaryError
from gosonde_agent.sources.memory.heap_spans import SpanSample
from gosonde_agent.sources.memory.reader import ADDRESS_LIMIT
from gosonde_agent.sources.memory.runtime import Runtime

#: So many of the first blocks are followed for the proof.
BLOCKS_TRIED = 256
WORD = 8


@dataclass(frozen=True, slots=True)
class Chain:
    """How a variable leads to blocks; numbers are bytes, but for the capacity.

    Attributes:
        head: Where in the variable the pointer to the first block is.
        link: Where in a block the pointer to the next one is.
        count: Where in a block it says how many elements it has, in 4 bytes.
        first: Where in a block the elements begin, `size` bytes each.
        capacity: How many elements a block has room for.
    """

    head: int
    link: int
    count: int
    first: int
    size: int
    capacity: int


def finalizer_chain(layout: Layout) -> Chain:
    """From runtime.allfin.

    Raises:
        UnsupportedBinaryError: Where the version keeps what is not known.
    """
    block = "finBlock" if layout.fields("finBlock") else "finblock"
    first, size = layout.offset(block, "fin"), layout.size("finalizer")
    capacity = (layout.size(block) - first) // max(size, WORD)
    return Chain(0, layout.offset(block, "alllink"), layout.offset(block, "cnt"), first, size, capacity)


def cleanup_chain(layout: Layout) -> Chain | None:
    """From runtime.gcCleanups; None before Go 1.25, which queues cleanups as finalizers.

    Raises:
        UnsupportedBinaryError: Where the version keeps what is not known.
    """
    if not layout.fields("finBlock"):  # renamed when cleanups got a queue of their own
        if layout.fields("finblock"):
            return None
        raise UnsupportedBinaryError(f"whether its runtime has a queue of cleanups is not known ({layout.source})")
    block = "cleanupBlock"
    first = layout.offset(block, "cleanups")
    size = layout.fields("cleanupFn").get(SIZE, WORD)  # up to Go 1.25 a pointer
    capacity = (layout.size(block) - first) // max(size, WORD)
    head = layout.offset("cleanupQueue", "all")
    link, count = (layout.offset(block, f"cleanupBlockHeader.{name}") for name in ("alllink", "n"))
    return Chain(head, link, count, first, size, capacity)


def is_chain(runtime: Runtime, variable: int, chain: Chain, spans: SpanSample) -> bool:
    """Whether the variable at a link-time address leads to blocks outside of the heap, none fuller than it can be.

    An empty chain is one.

    Raises:
        UnreadableMemoryError: It leads to where nothing is mapped.
        NoSuchProcessError: The process has ended, or runs another program.
    """
    block = runtime.number(variable + chain.head)
    seen: set[int] = set()
    while block and len(seen) < BLOCKS_TRIED:
        if block in seen or block % WORD or block >= ADDRESS_LIMIT or spans.index_of(block) is not None:
            return False
        seen.add(block)
        at = block - runtime.bias
        if runtime.number(at + chain.count, 4) > chain.capacity:
            return False
        block = runtime.number(at + chain.link)
    return True
