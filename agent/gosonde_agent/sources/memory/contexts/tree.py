"""The contexts of one goroutine as a tree: its own, up to the roots, and down to what was made from them.

Its own are those on its stack, and those whose Done it waits for: it need not keep these for that.
"""

import time
from typing import Final

import numpy as np

from gosonde_agent.sources.memory.contexts.chains import UNKNOWN, ChainReader, Chains
from gosonde_agent.sources.memory.contexts.grouping import CANCELS, deadlines, waiting_functions
from gosonde_agent.sources.memory.contexts.listing import settled
from gosonde_agent.sources.memory.contexts.reading import ContextReader, Found
from gosonde_agent.sources.memory.contexts.values import ContextNode, ContextTree
from gosonde_agent.sources.memory.errors import ImplausibleMemoryError
from gosonde_agent.sources.memory.reachability.rows import I64, U64, Bools, among
from gosonde_agent.sources.memory.target import Target

#: Own contexts that are shown, and those below.
MOST: Final = 1_000
#: A context: its address, and what it is called. Roots without contents share an address.
Key = tuple[int, str]


def read_tree(target: Target, goid: int) -> ContextTree:
    """The contexts of a goroutine now, without a stop of the process.

    Raises:
        NotFoundError: There is no such goroutine.
        GosondeError: As `listing.read_contexts`.
    """
    reader = ContextReader(target)
    before, held = reader.on_stack(goid)
    if not reader.types.kinds:
        return ContextTree(goid, ())
    found, changing, _unnamed = settled(reader)
    chains = ChainReader(target.runtime.memory, reader.named.types, reader.interfaces)
    above = chains.read(found.of.parent, found.of.parent_data)
    is_context = among(held, found.of.at)
    waits = found.waiting[0][found.waiting[1] == np.uint64(goid)]
    own = np.unique(np.concatenate((np.searchsorted(found.of.at, held[is_context]), waits)))
    others = np.flatnonzero(_are_whole(reader, before) & ~is_context)[:MOST]
    tree = _Tree(reader, found, above)
    kept = tree.add_others(chains.read(before[others], held[others]))
    below, left_out = _below(above, np.concatenate((found.of.at[own], held[others[kept]])))
    for row in (*own[:MOST].tolist(), *below.tolist()):
        tree.add(row, is_own=row in own)
    if below.size + own.size and not tree.roots:
        raise ImplausibleMemoryError(f"contexts of process {target.runtime.pid} were made from each other in a circle")
    return ContextTree(goid, tree.roots, left_out, changing)


def _are_whole(reader: ContextReader, before: U64) -> Bools:
    """Which words begin a context.Context of a type that cannot be cancelled: no half of it would be enough to know it.

    Those that can be are known by their address. One that is cancelled looks like any two words that chance to lie
    side by side.
    """
    first = reader.interfaces.of(before)
    cancelled = np.array([kind.pointer for kind in reader.types.kinds], np.uint64)
    whole: Bools = np.isin(first.interface, np.array(reader.types.interfaces, np.uint64))
    return whole & ~np.isin(first.type, cancelled)


def _below(above: Chains, addresses: U64) -> tuple[I64, int]:
    """(rows of the contexts that were made from those at some addresses, how many more there are)."""
    wanted = np.sort(addresses)
    rows = [rows[among(data, wanted)] for rows, data in above.steps]
    below = np.unique(np.concatenate(rows)) if rows else np.zeros(0, np.int64)
    return below[:MOST], max(len(below) - MOST, 0)


class _Tree:
    """A tree that grows by contexts with what they were made from.

    Attributes:
        roots: Contexts that were made from no other.
    """

    def __init__(self, reader: ContextReader, found: Found, above: Chains) -> None:
        self.roots: list[ContextNode] = []
        self._nodes: dict[Key, ContextNode] = {}
        self._reader, self._found, self._above = reader, found, above
        self._waits, self._wait = waiting_functions(reader.target, found)
        self._waiting = np.bincount(found.waiting[0], minlength=len(found))
        self._deadlines, self._now_ns = deadlines(reader, found), time.time_ns()
        self._addresses = [dict(zip(rows.tolist(), data.tolist(), strict=True)) for rows, data in above.steps]

    def add(self, row: int, *, is_own: bool) -> None:
        """Adds a context that can be cancelled."""
        node = self._node(self._itself(row), self._keys(self._above, self._addresses, row))
        node.is_own |= is_own

    def add_others(self, chains: Chains) -> list[int]:
        """Adds contexts on the stack, by chains that begin with themselves; the rows of those that are contexts."""
        addresses = [dict(zip(rows.tolist(), data.tolist(), strict=True)) for rows, data in chains.steps]
        kept = []
        for row in range(len(chains.which)):
            first, *above = self._keys(chains, addresses, row)
            if UNKNOWN not in (name for _address, name in above):
                self._node(first, above).is_own = True
                kept.append(row)
        return kept

    def _keys(self, chains: Chains, addresses: list[dict[int, int]], row: int) -> list[Key]:
        names = chains.texts[int(chains.which[row])]
        return [(level.get(row, 0), name) for level, name in zip([*addresses, {}], names, strict=False)]

    def _itself(self, row: int) -> Key:
        kind = self._reader.types.kinds[int(self._found.kind[row])].kind
        return int(self._found.of.at[row]), kind.value

    def _node(self, key: Key, above: list[Key]) -> ContextNode:
        """The node of a context, below those of the ones that it was made from."""
        if key not in self._nodes:
            self._nodes[key] = node = self._described(key)
            siblings = self._node(above[0], above[1:]).children if above else self.roots
            siblings.append(node)
        return self._nodes[key]

    def _described(self, key: Key) -> ContextNode:
        address, name = key
        row = int(np.searchsorted(self._found.of.at, np.uint64(address)))
        if row == len(self._found) or self._found.of.at[row] != address:
            return ContextNode(name)
        ends = int(self._deadlines[row])
        return ContextNode(
            name,
            cancel=CANCELS[int(self._found.cancel[row])],
            waits_in=self._waits[int(self._wait[row])][0],
            waiting=int(self._waiting[row]),
            deadline_ns=max(ends - self._now_ns, 0) if ends else None,
        )
