"""What one pass over a process's memory found out."""

from dataclasses import dataclass

import numpy as np

from gosonde_agent.sources.memory.reachability.headers import Goroutines
from gosonde_agent.sources.memory.reachability.objects import HeapMap
from gosonde_agent.sources.memory.reachability.rows import I64, U64, Bools
from gosonde_agent.sources.memory.reachability.search import Found
from gosonde_agent.sources.memory.reachability.settling import RootHits


@dataclass(frozen=True, slots=True)
class Scan:
    """One scan. It alone proves nothing, unless it was quiet: see `proving`.

    Attributes:
        goroutines: All that lived when it began; the arrays below have an element for each.
        blocked: Wait for a channel or a lock, or for nothing at all.
        suspects: Those of them that it looked at: it was found what they wait for. The others count as live.
        accused: Suspects that nothing alive reached, and that did not move meanwhile.
        given_up: Suspects that count as live only because the limits of a scan were reached.
        awaited: Address of the (first) object that a suspect waits for; 0 where there is none.
        variable: Address of the global variable that a blocked goroutine waits for, which so is no suspect; else 0.
        foreign: What has code in the process that is not Go's, and may keep pointers that are not seen; else empty.
        quiet: The process did not run from the beginning of the scan to its end.
        unseen: A thread ran meanwhile, and what was in its registers is not known.
        heap: The objects.
        found: The graph of who holds what.
        roots: Which roots point into it.
        read_bytes: Of the process's memory.
        cpu_seconds: It took.
    """

    goroutines: Goroutines
    blocked: Bools
    suspects: Bools
    accused: Bools
    given_up: Bools
    awaited: U64
    variable: U64
    foreign: str
    quiet: bool
    unseen: bool
    heap: HeapMap
    found: Found
    roots: RootHits
    read_bytes: int
    cpu_seconds: float

    def stack_bytes(self) -> I64:
        """What the stack of each goroutine takes."""
        return (self.goroutines.high - self.goroutines.low).astype(np.int64)
