"""Liveness goes from holders to what they hold; what a suspect depends on is found the other way round."""

import numpy as np
import pytest
from gosonde_agent.sources.memory.reachability.graph import Graph
from gosonde_agent.sources.memory.reachability.limits import Limits, Meter, NotDecidedError


def grown(edges: list[tuple[int, int]], limits: Limits | None = None) -> Graph:
    graph = Graph(Meter(limits or Limits()))
    for holder, held in edges:
        numbers = graph.add(np.array([holder, held]))
        graph.connect(numbers[:1], numbers[1:], np.zeros(1, np.uint64))
    return graph


def codes(graph: Graph, which: np.ndarray) -> list[int]:
    return sorted(graph.codes(np.flatnonzero(which)).tolist())


def test_a_node_that_is_added_twice_is_the_same() -> None:
    graph = Graph(Meter(Limits()))
    first = graph.add(np.array([7, 3, 7]))
    assert first[0] == first[2] != first[1]
    assert graph.add(np.array([3, 9]))[0] == first[1]
    assert graph.find(np.array([9, 8])).tolist() == [2, -1]
    assert len(graph) == 3


def test_what_a_root_leads_to_is_alive_through_circles_too() -> None:
    graph = grown([(1, 2), (2, 3), (3, 1), (3, 4), (5, 4), (5, 6)])
    graph.revive(graph.find(np.array([2])))
    assert codes(graph, graph.alive) == [1, 2, 3, 4]


def test_only_holders_of_what_is_not_alive_are_looked_for() -> None:
    graph = grown([(1, 2), (2, 3), (4, 3), (5, 6)])
    graph.revive(graph.find(np.array([4])))
    assert codes(graph, graph.holders_of(graph.find(np.array([3, 6])))) == [5, 6]


def test_any_graph_is_as_alive_as_a_walk_through_it_says() -> None:
    random = np.random.default_rng(2)
    for _ in range(50):
        edges = [tuple(pair) for pair in random.integers(0, 30, (40, 2)).tolist()]
        graph = grown(edges)
        root = edges[0][0]
        reached, left = {root}, [root]
        while left:
            holder = left.pop()
            new = {held for other, held in edges if other == holder} - reached
            reached |= new
            left += new
        graph.revive(graph.find(np.array([root])))
        assert codes(graph, graph.alive) == sorted(reached)


def test_too_many_edges_are_not_decided() -> None:
    with pytest.raises(NotDecidedError, match="pointers"):
        grown([(1, 2), (2, 3), (3, 4)], Limits(edges=2))
