"""The shortest ways from roots to what suspects wait for, along the pointers that a search found."""

from dataclasses import dataclass

import numpy as np

from gosonde_agent.sources.memory.reachability.roots import GLOBAL
from gosonde_agent.sources.memory.reachability.rows import I64
from gosonde_agent.sources.memory.reachability.scan import Scan


@dataclass(frozen=True, slots=True)
class Root:
    """Where a way begins.

    Attributes:
        kind: GLOBAL, STACK, PROCESSOR (a timer, mostly), SPECIAL or QUEUE, of `roots`.
        at: Address of the pointer into the heap, or of the variable itself that a goroutine waits for.
        goid: Of the goroutine on whose stack it lies; else 0.
    """

    kind: int
    at: int
    goid: int


@dataclass(frozen=True, slots=True)
class Step:
    """An object on the way, or a blocked goroutine.

    Attributes:
        address: Of the object, or of the g.
        size: Of the object, bytes; 0 for a goroutine.
        goid: Of the goroutine; 0 for an object.
        at: Address of the pointer that leads to it; 0 for what lies on a goroutine's stack, and where a channel or a
            lock leads to who waits for it.
    """

    address: int
    size: int
    goid: int
    at: int


@dataclass(frozen=True, slots=True)
class Path:
    """From a root to the object that a goroutine waits for: the last step is that object.

    There is no step where it waits for a global variable: then that is at `root.at`.
    """

    root: Root
    steps: tuple[Step, ...]


class Paths:
    """The ways to all suspects of one scan that are alive."""

    def __init__(self, scan: Scan) -> None:
        self._scan = scan
        self._holders, self._held, self._at = scan.found.graph.edges()
        self._edge = self._tree()

    def _tree(self) -> I64:
        """int64[nodes]: the edge by which a root reaches each first; -1 where a root points, -2 where none leads."""
        edge = np.full(len(self._scan.found.graph), -2, np.int64)
        roots = self._scan.roots.node[~self._scan.roots.second]
        edge[roots] = -1
        front = np.zeros(len(edge), np.bool_)
        front[roots] = True
        while front.any():
            usable = np.flatnonzero(front[self._holders] & (edge[self._held] == -2))
            front[:] = False
            reached = self._held[usable]
            edge[reached] = usable
            front[reached] = True
        return edge

    def of(self, row: int) -> Path | None:
        """The way to what a goroutine waits for, by its row; None where it moved, or its root is gone."""
        if variable := int(self._scan.variable[row]):
            return Path(Root(GLOBAL, variable, 0), ())
        (node,) = self._scan.found.suspects(np.array([row])).tolist()
        if node < 0 or self._edge[node] < 0:
            return None
        steps: list[Step] = []
        node = int(self._holders[self._edge[node]])
        while (edge := int(self._edge[node])) >= 0:
            steps.append(self._step(node, int(self._at[edge])))
            node = int(self._holders[edge])
        place = int(np.searchsorted(self._scan.roots.node, node))
        roots = self._scan.roots
        root = Root(int(roots.kind[place]), int(roots.at[place]), int(roots.goid[place]))
        return Path(root, (self._step(node, root.at), *reversed(steps)))

    def _step(self, node: int, at: int) -> Step:
        code = int(self._scan.found.graph.codes(np.array([node]))[0])
        if code >= self._scan.found.objects:
            row = code - self._scan.found.objects
            return Step(int(self._scan.goroutines.at[row]), 0, int(self._scan.goroutines.goid[row]), at)
        address, size = self._scan.heap.extent(np.array([code]))
        return Step(int(address[0]), int(size[0]), 0, at)
