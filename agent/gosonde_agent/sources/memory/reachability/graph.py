"""Who holds what, as far as the search has seen it: nodes, pointers between them, and which nodes are alive.

A node is an object of the heap, or a suspect. An edge goes from a holder to what it holds; a channel holds who waits
for it. A node is alive when a root leads to it.
"""

import numpy as np
import numpy.typing as npt

from gosonde_agent.sources.memory.reachability.limits import Meter
from gosonde_agent.sources.memory.reachability.rows import I64, U64, Bools

I32 = npt.NDArray[np.int32]


class Graph:
    """A graph that grows. Nodes have codes, given by whoever adds them, and numbers from 0 in the order of addition."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._codes = np.zeros(0, np.int64)
        self._sorted = np.zeros(0, np.int64)
        self._numbers = np.zeros(0, np.int64)
        self.alive = np.zeros(0, np.bool_)
        self._edges: list[tuple[I32, I32, U64]] = []
        self._count = 0

    def __len__(self) -> int:
        return len(self._codes)

    def codes(self, numbers: I64) -> I64:
        """The codes of nodes."""
        return self._codes[numbers]

    def find(self, codes: I64) -> I64:
        """int64[n]: the numbers of nodes; -1 for a code that there is not."""
        if not len(self._sorted):
            return np.full(len(codes), -1, np.int64)
        places = np.minimum(np.searchsorted(self._sorted, codes), len(self._sorted) - 1)
        return np.where(self._sorted[places] == codes, self._numbers[places], -1)

    def add(self, codes: I64) -> I64:
        """int64[n]: the numbers of nodes, which are added where they are new; none of those is alive."""
        fresh = np.unique(codes[self.find(codes) < 0])
        if len(fresh):
            numbers = np.arange(len(self._codes), len(self._codes) + len(fresh))
            places = np.searchsorted(self._sorted, fresh)
            self._sorted = np.insert(self._sorted, places, fresh)
            self._numbers = np.insert(self._numbers, places, numbers)
            self._codes = np.concatenate((self._codes, fresh))
            self.alive = np.concatenate((self.alive, np.zeros(len(fresh), np.bool_)))
        return self.find(codes)

    def connect(self, holders: I64, held: I64, at: U64) -> None:
        """Adds edges between nodes by their numbers; `at` is the address of each pointer, 0 where there is none.

        Raises:
            NotDecidedError: They are too many.
        """
        self._count += len(holders)
        self._meter.bound("pointers to what goroutines wait for", self._count, self._meter.limits.edges)
        if len(holders):
            self._edges.append((holders.astype(np.int32), held.astype(np.int32), at))

    def edges(self) -> tuple[I32, I32, U64]:
        """(holder, held, address of the pointer) of every edge."""
        if len(self._edges) > 1:
            self._edges = [tuple(np.concatenate(column) for column in zip(*self._edges, strict=True))]  # type: ignore[list-item]
        return self._edges[0] if self._edges else (np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.uint64))

    def revive(self, numbers: I64) -> None:
        """Nodes are alive, and with them all that they hold, at once or through others.

        Raises:
            NotDecidedError: Time is up.
        """
        self.alive[numbers] = True
        holders, held, _at = self.edges()
        while True:
            self._meter.check_time()
            reached = held[self.alive[holders] & ~self.alive[held]]
            if not len(reached):
                return
            self.alive[reached] = True

    def holders_of(self, numbers: I64) -> Bools:
        """bool[nodes]: the nodes that hold some that are not alive, at once or through others, and these themselves.

        Raises:
            NotDecidedError: Time is up.
        """
        needed = np.zeros(len(self), np.bool_)
        needed[numbers] = True
        needed &= ~self.alive
        holders, held, _at = self.edges()
        while True:
            self._meter.check_time()
            reached = holders[needed[held] & ~needed[holders] & ~self.alive[holders]]
            if not len(reached):
                return needed
            needed[reached] = True
