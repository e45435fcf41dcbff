"""The end of a scan: roots are read again, and what they point to by now is alive."""

from collections.abc import Iterable
from dataclasses import dataclass, fields

import numpy as np

from gosonde_agent.sources.memory.reachability.headers import Goroutines
from gosonde_agent.sources.memory.reachability.roots import STACK, RootPointers
from gosonde_agent.sources.memory.reachability.rows import I64, U64, Bools
from gosonde_agent.sources.memory.reachability.search import Found


@dataclass(frozen=True, slots=True)
class RootHits:
    """Which roots point to nodes of the graph, a row for each node.

    Attributes:
        node: Its number, in order.
        kind: GLOBAL, STACK, ...
        at: Address of the pointer.
        goid: Of the goroutine on whose stack that lies; else 0.
        second: Only stacks of blocked goroutines point there, which are alive because something else holds them.
    """

    node: I64
    kind: I64
    at: U64
    goid: U64
    second: Bools


def root_hits(found: Found, goroutines: Goroutines, held: Bools, roots: Iterable[RootPointers]) -> RootHits:
    """Which nodes of a graph roots point to.

    Args:
        goroutines: The table whose rows the roots name.
        held: bool[goroutines]: blocked, and alive only because something else holds them.

    Raises:
        GosondeError: As reading the roots.
    """
    hits = [_hits(found, goroutines, held, root) for root in roots]
    columns = [np.concatenate([getattr(hit, field.name) for hit in hits]) for field in fields(RootHits)]
    # The first of each node: those that are not `second` before the others, and variables before stacks.
    order = np.lexsort((columns[1], columns[-1], columns[0]))
    _nodes, first = np.unique(columns[0][order], return_index=True)
    return RootHits(*(column[order][first] for column in columns))


def _hits(found: Found, goroutines: Goroutines, held: Bools, root: RootPointers) -> RootHits:
    nodes = found.graph.find(root.pointers.target)
    some = np.flatnonzero(nodes >= 0)
    is_stack, region = root.kind == STACK, root.pointers.region[some]
    return RootHits(
        nodes[some],
        np.full(len(some), root.kind, np.int64),
        root.pointers.at[some],
        goroutines.goid[region] if is_stack else np.zeros(len(some), np.uint64),
        held[region] if is_stack else np.zeros(len(some), np.bool_),
    )
