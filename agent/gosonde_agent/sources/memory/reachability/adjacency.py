"""Who leads to whom among numbered nodes, laid out so that a walk looks at each pointer once."""

import numpy as np

from gosonde_agent.sources.memory.reachability.limits import Meter
from gosonde_agent.sources.memory.reachability.rows import I64, Bools

#: Labels of nodes: that no walk has reached, and that walks of several labels have.
NONE, SEVERAL = -1, -2


class Adjacency:
    """Edges from holders to what they hold; nodes are numbered from 0 to `count` less 1."""

    def __init__(self, holders: I64, held: I64, count: int) -> None:
        order = np.argsort(holders, kind="stable")
        self._held = held[order]
        self._first = np.searchsorted(holders[order], np.arange(count + 1))
        self._count = count

    def reached(self, begin: I64, meter: Meter) -> Bools:
        """bool[count]: the nodes to which some lead, these among them.

        Raises:
            NotDecidedError: Time is up.
        """
        reached = np.zeros(self._count, np.bool_)
        front = np.unique(begin)
        while len(front):
            meter.check_time()
            reached[front] = True
            held, _place = self._behind(front)
            front = np.unique(held[~reached[held]])
        return reached

    def labelled(self, begin: I64, labels: I64, meter: Meter) -> I64:
        """int64[count]: the label of the nodes that lead to each; NONE where there is none, SEVERAL where they differ.

        Raises:
            NotDecidedError: Time is up.
        """
        found = np.full(self._count, NONE, np.int64)
        while len(begin):
            meter.check_time()
            nodes, place = np.unique(begin, return_inverse=True)
            low, high = np.full(len(nodes), np.iinfo(np.int64).max), np.full(len(nodes), np.iinfo(np.int64).min)
            np.minimum.at(low, place, labels)
            np.maximum.at(high, place, labels)
            before = found[nodes]
            label = np.where((low == high) & ((before == NONE) | (before == low)), low, SEVERAL)
            changed = label != before
            found[nodes[changed]] = label[changed]
            held, place = self._behind(nodes[changed])
            begin, labels = held, label[changed][place]
        return found

    def _behind(self, nodes: I64) -> tuple[I64, I64]:
        """(what nodes hold, which of them holds it)."""
        begin, counts = self._first[nodes], self._first[nodes + 1] - self._first[nodes]
        place = np.repeat(np.arange(len(nodes)), counts)
        within = np.arange(len(place)) - np.repeat(np.cumsum(counts) - counts, counts)
        return self._held[begin[place] + within], place
