import numpy as np
import pytest
from gosonde_agent.sources.memory.reachability.adjacency import NONE, SEVERAL, Adjacency
from gosonde_agent.sources.memory.reachability.limits import Limits, Meter, NotDecidedError
from numpy.typing import NDArray


def numbers(*values: int) -> NDArray[np.int64]:
    return np.array(values, np.int64)


def adjacency(*edges: tuple[int, int], count: int) -> Adjacency:
    return Adjacency(numbers(*(edge[0] for edge in edges)), numbers(*(edge[1] for edge in edges)), count)


def test_what_a_node_leads_to_is_reached_at_once_or_through_others() -> None:
    found = adjacency((0, 1), (1, 2), (2, 1), (3, 4), count=5).reached(numbers(0), Meter(Limits()))
    assert found.tolist() == [True, True, True, False, False]


def test_what_two_labels_lead_to_has_neither() -> None:
    graph = adjacency((0, 2), (1, 3), (2, 4), (3, 4), (4, 5), count=7)
    found = graph.labelled(numbers(0, 1), numbers(7, 8), Meter(Limits()))
    assert found.tolist() == [7, 8, 7, 8, SEVERAL, SEVERAL, NONE]


def test_a_node_that_is_late_found_to_have_two_labels_passes_that_on() -> None:
    chain = [(0, 5), (5, 6), (6, 7), (1, 2), (2, 3), (3, 5)]
    found = adjacency(*chain, count=8).labelled(numbers(0, 1), numbers(0, 1), Meter(Limits()))
    assert found.tolist() == [0, 1, 1, 1, NONE, SEVERAL, SEVERAL, SEVERAL]


def test_cycles_end() -> None:
    graph = adjacency((0, 1), (1, 0), count=2)
    assert graph.labelled(numbers(0), numbers(3), Meter(Limits())).tolist() == [3, 3]
    assert graph.reached(numbers(1), Meter(Limits())).all()


def test_a_graph_without_edges_reaches_what_it_begins_with() -> None:
    assert adjacency(count=3).reached(numbers(1), Meter(Limits())).tolist() == [False, True, False]
    assert adjacency(count=0).labelled(numbers(), numbers(), Meter(Limits())).tolist() == []


def test_a_walk_that_takes_too_long_is_given_up() -> None:
    with pytest.raises(NotDecidedError):
        adjacency((0, 1), count=2).reached(numbers(0), Meter(Limits(cpu_seconds=-1)))
