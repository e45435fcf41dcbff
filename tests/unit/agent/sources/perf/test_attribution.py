"""Each exit belongs to the creation of the same g before it, in whatever order samples come."""

from gosonde_agent.sources.perf.attribution import LATE_NS, Attribution
from hypothesis import given
from hypothesis import strategies as st

LATER = LATE_NS * 2


def test_a_g_that_is_used_again_at_once_exits_with_the_statement_of_each_of_its_lives() -> None:
    found = Attribution()
    creations = [(time, 0xC0, 100 + time) for time in range(0, 100, 2)]
    found.add(creations, [(time + 1, 0xC0) for time, _, _ in creations], 100)
    assert found.exited == {statement: 1 for _, _, statement in creations}
    assert found.exited == found.created


def test_an_exit_that_comes_before_its_creation_waits_for_it() -> None:
    found = Attribution()
    found.add([], [(5, 0xC0)], 6)
    assert (dict(found.exited), found.waiting) == ({}, 1)
    found.add([(4, 0xC0, 7)], [], 8)
    assert (dict(found.exited), found.waiting, found.unplaced) == ({7: 1}, 0, 0)


def test_an_exit_whose_creation_never_comes_is_of_no_known_statement() -> None:
    found = Attribution()
    found.add([], [(5, 0xC0)], 6)
    found.add([], [], LATER)
    assert (found.waiting, found.unplaced) == (0, 1)


def test_who_lived_before_has_the_statement_that_its_memory_said() -> None:
    found = Attribution()
    found.begin({0xC0: 7, 0xC8: 9}, 10)
    found.add([], [(20, 0xC8), (21, 0xC0)], 30)
    assert found.exited == {7: 1, 9: 1}


def test_what_memory_said_is_not_believed_of_a_g_that_was_used_again_before_it_was_read() -> None:
    found = Attribution()
    found.begin({0xC0: 7}, 10)
    # It ended at 3; who was created at 5 is whom memory showed at 10.
    found.add([(5, 0xC0, 7)], [(3, 0xC0), (20, 0xC0)], 30)
    found.add([], [], LATER)
    assert (found.exited, found.unplaced) == ({7: 1}, 1)


def test_who_lived_before_exits_once() -> None:
    found = Attribution()
    found.begin({0xC0: 7}, 10)
    found.add([(30, 0xC0, 8)], [(20, 0xC0), (40, 0xC0)], 50)
    assert found.exited == {7: 1, 8: 1}


@given(st.lists(st.integers(0, 3), max_size=60), st.randoms())
def test_samples_of_several_cpus_in_any_order_within_a_batch_give_the_same(gs: list[int], random: object) -> None:
    lives = [(2 * at, g, at + 1) for at, g in enumerate(gs)]
    exits = [(2 * at + 1, g) for at, g in enumerate(gs)]
    shuffled = lives.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    found = Attribution()
    found.add(shuffled, reversed(exits), 1_000)
    assert found.exited == {statement: 1 for _, _, statement in lives}
