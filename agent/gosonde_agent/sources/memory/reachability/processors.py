"""The Ps: what they hold for the program, timers above all, and what the collector of garbage left in them."""

from dataclasses import dataclass

import numpy as np

from gosonde_agent.golang.layouts import Layout
from gosonde_agent.model.errors import UnsupportedBinaryError
from gosonde_agent.sources.memory.errors import ImplausibleMemoryError
from gosonde_agent.sources.memory.proof import MAX_PROCESSORS
from gosonde_agent.sources.memory.reachability.rows import I64, U64, Bools, words
from gosonde_agent.sources.memory.runtime import Runtime

#: runtime.wbBufEntries, words.
WRITE_BARRIERS = 512
WORD = 8
#: sizeof(runtime.pageCache), bytes.
PAGE_CACHE = 24
MAX_TIMERS = 1 << 28


@dataclass(frozen=True, slots=True)
class Processors:
    """The Ps of one process.

    Attributes:
        at: Address of each, in order.
        size: Of a P, bytes.
        regions: (addresses, sizes in bytes) of what holds pointers: parts of the Ps, and their heaps of timers.
    """

    at: U64
    size: int
    regions: tuple[U64, I64]

    def holds(self, addresses: U64) -> Bools:
        """Which addresses lie in a P: `regions` has what is to be seen there."""
        if not len(self.at):
            return np.zeros(len(addresses), np.bool_)
        places = np.searchsorted(self.at, addresses, "right") - 1
        inside: Bools = (places >= 0) & (addresses - self.at[np.maximum(places, 0)] < np.uint64(self.size))
        return inside


def read_processors(runtime: Runtime) -> Processors:
    """The Ps now.

    Raises:
        NotLocatedError: runtime.allp was not proved.
        ImplausibleMemoryError: What is there cannot be a runtime's.
        GosondeError: The process has ended, or may not be read.
    """
    at = processor_addresses(runtime)
    regions = [(at + np.uint64(begin), np.full(len(at), end - begin)) for begin, end in _holding_parts(runtime.layout)]
    starts, sizes = zip(*regions, _timers(runtime, at), strict=True)
    return Processors(at, runtime.layout.size("p"), (np.concatenate(starts), np.concatenate(sizes)))


def processor_addresses(runtime: Runtime) -> U64:
    """Where the Ps are now, in order.

    Raises:
        GosondeError: As `read_processors`.
    """
    runtime.addresses.require("allp")
    memory = runtime.memory
    header = np.frombuffer(memory.read(runtime.addresses.allp + runtime.bias, 24), "<u8").tolist()
    # Where GOMAXPROCS was lowered, Ps beyond the length are kept for later.
    if not 0 < header[1] <= header[2] <= MAX_PROCESSORS:
        raise ImplausibleMemoryError(f"process {memory.pid} claims {header[1]} Ps, and room for {header[2]}")
    at = np.frombuffer(memory.read(header[0], header[2] * 8), "<u8").astype(np.uint64)
    return np.sort(at[at != 0])


def _holding_parts(layout: Layout) -> tuple[tuple[int, int], ...]:
    """(begin, end) in a P of what may hold pointers of the program.

    Left out are p.pcache, which has the address of pages that are free, and what only the collector of garbage uses:
    from p.gcw to the end of p.wbBuf, which lie side by side, and keep old pointers.
    """
    pages, size = layout.offset("p", "pcache.base"), layout.size("p")
    collector, rest = layout.offset("p", "gcw"), layout.offset("p", "wbBuf.buf") + WRITE_BARRIERS * 8
    parts = ((0, pages), (pages + PAGE_CACHE, collector), (rest, size))
    if any(begin > end or begin % WORD for begin, end in parts):
        raise UnsupportedBinaryError(f"where a P keeps the garbage collector's own data is not known ({layout.source})")
    return parts


def _timers(runtime: Runtime, at: U64) -> tuple[U64, I64]:
    """(addresses, sizes in bytes) of the Ps' heaps of timers."""
    heap = "timers.heap" if runtime.layout.has("p", "timers.heap") else "timers"
    rows, whole = runtime.memory.read_each(at + np.uint64(runtime.layout.offset("p", f"{heap}.array")), 24)
    # The length may be another's: it is the room that is read. An entry is a timer and its time since Go 1.23.
    entry = 16 if heap == "timers.heap" else 8
    starts, room = words(rows, 0), words(rows, 16)
    if not whole.all() or (room > np.uint64(MAX_TIMERS)).any():
        raise ImplausibleMemoryError(f"a P of process {runtime.pid} has no heap of timers")
    some = (room > 0) & (starts > 0)
    return starts[some], room[some].astype(np.int64) * entry
