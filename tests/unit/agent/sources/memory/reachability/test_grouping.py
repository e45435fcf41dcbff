from gosonde_agent.sources.memory.reachability.grouping import MAX_HOLDERS, grouped
from gosonde_common.values.reachability import Holder


def test_ways_that_differ_in_an_index_are_one_holder() -> None:
    ways = [(f"main.reg.subs[{number}].events", "channel of int") for number in range(3)]
    assert grouped(ways) == (Holder(("main.reg.subs[*].events", "channel of int"), 3),)


def test_an_index_that_all_have_stays() -> None:
    ways = [("main.hubs[2].subs[3].events", "channel of int"), ("main.hubs[2].subs[4].events", "channel of int")]
    assert grouped(ways) == (Holder(("main.hubs[2].subs[*].events", "channel of int"), 2),)


def test_an_index_stays_any_when_a_later_way_has_the_first_one_again() -> None:
    ways = [("main.a[1]",), ("main.a[2]",), ("main.a[1]",)]
    assert grouped(ways) == (Holder(("main.a[*]",), 3),)


def test_lengths_of_arrays_in_types_are_no_indexes() -> None:
    ways = [("main.a", "[3]chan int"), ("main.a", "[4]chan int")]
    assert len(grouped(ways)) == 2


def test_who_holds_most_comes_first_and_the_many_that_hold_one_are_cut() -> None:
    ways = [(f"main.variable{chr(97 + number)}",) for number in range(MAX_HOLDERS + 4)]
    found = grouped([*ways, ("main.busy",), ("main.busy",)])
    assert found[0] == Holder(("main.busy",), 2)
    assert len(found) == MAX_HOLDERS
