"""Two snapshots: who came, went, stayed and moved, by identity where goroutines are named, else by counts alone."""

from collections.abc import Sequence

from gosonde_collector.analysis.comparison import Change, Comparison, compare, identities
from gosonde_collector.analysis.looked_at import Looking, groups
from gosonde_collector.evidence.model import Frame, GoroutineGroup, GoroutineProfile
from gosonde_common.flames.view import StackView
from gosonde_common.values.goroutines import MAIN_GOROUTINE

SEND, READ = Frame("main.send", "/src/main.go", 9), Frame("main.read", "/src/main.go", 19)
ASK, SERVE = Frame("main.ask", "/src/main.go", 3), Frame("main.serve", "/src/main.go", 13)


def group(
    frame: Frame, by: Frame | None, goids: Sequence[int], state: str = "select", wait_s: int = 0
) -> GoroutineGroup:
    return GoroutineGroup(len(goids), (frame,), by, state, wait_s, tuple(goids))


def snapshot(*found: GoroutineGroup, form: str = "memory") -> GoroutineProfile:
    return GoroutineProfile(form, found)


def compared(earlier: GoroutineProfile, later: GoroutineProfile, view: StackView | None = None) -> Comparison:
    looking = Looking(view or StackView())
    return compare(looking.at(earlier).parts, looking.at(later).parts, identities(earlier, later))


BEFORE = snapshot(group(SEND, ASK, range(10, 20)), group(READ, SERVE, [30, 31, 32]))
#: Of those that ask 4 went and 20 came; of those that serve 1 went, and 2 are in another call now.
AFTER = snapshot(group(SEND, ASK, [*range(14, 20), *range(40, 60)]), group(SEND, SERVE, [30, 31]))


def test_goroutines_that_are_named_are_known_again() -> None:
    found = compared(BEFORE, AFTER)
    assert found.is_by_identity
    assert found.total == Change(before=13, after=28, came=20, went=5, stayed=8)
    assert [(site.function, change) for site, change in found.sites] == [
        ("main.ask", Change(before=10, after=26, came=20, went=4, stayed=6)),
        ("main.serve", Change(before=3, after=2, came=0, went=1, stayed=2)),
    ]


def test_goroutines_that_stayed_and_call_something_else_have_moved() -> None:
    found = {
        (kind.stack[0].function, kind.created_by.function): change for kind, change in compared(BEFORE, AFTER).stacks
    }
    assert found["main.read", "main.serve"] == Change(before=3, after=0, came=0, went=1, stayed=0, moved_away=2)
    assert found["main.send", "main.serve"] == Change(before=0, after=2, came=0, went=0, stayed=0, moved_here=2)


def test_what_came_most_is_first_then_what_went_most() -> None:
    assert [change.came for _, change in compared(BEFORE, AFTER).stacks] == [20, 0, 0]
    assert [change.went for _, change in compared(AFTER, BEFORE).stacks] == [20, 0, 0]


def test_who_is_looked_at_now_and_was_there_before_has_not_come() -> None:
    before = snapshot(group(SEND, ASK, [1, 2], state="runnable"))
    after = snapshot(group(SEND, ASK, [1, 2, 3], state="select"))
    found = compared(before, after, StackView(state="select"))
    assert found.total == Change(before=0, after=3, came=1, went=0, stayed=0, moved_here=2)


def test_without_names_counts_alone_are_compared() -> None:
    counts = (GoroutineGroup(10, (SEND,)), GoroutineGroup(3, (READ,)))
    found = compared(snapshot(*counts, form="debug=1"), AFTER)
    assert not found.is_by_identity
    assert found.total == Change(before=13, after=28, came=15, went=0, stayed=13)
    assert found.stacks[0][1] == Change(before=0, after=26, came=26, went=0, stayed=0)
    assert found.stacks[-1][1] == Change(before=3, after=0, came=0, went=3, stayed=0)


def test_a_snapshot_that_names_a_goroutine_twice_names_none() -> None:
    assert identities(snapshot(group(SEND, ASK, [1, 1])), AFTER) is None
    assert identities(AFTER, snapshot(group(SEND, ASK, [1]), GoroutineGroup(2, (READ,)))) is None


def test_a_snapshot_without_goroutines_can_be_compared() -> None:
    found = compared(snapshot(), BEFORE)
    assert found.total == Change(before=0, after=13, came=13, went=0, stayed=0)
    nothing = compared(snapshot(), snapshot())
    assert (nothing.total, nothing.sites, nothing.stacks) == (Change(0, 0, 0, 0, 0), [], [])


def test_parts_of_one_group_are_one_row_with_the_longest_wait() -> None:
    profile = snapshot(
        group(SEND, ASK, [1, 2], wait_s=7),
        group(SEND, ASK, [3], wait_s=70),
        group(SEND, None, [4]),
        group(READ, None, [1]),
    )
    found = groups(Looking(StackView()).at(profile))
    assert [(one.goroutines.about, one.wait_ns) for one in found] == [(3, 70_000_000_000), (1, None), (1, None)]
    assert [one.kind.created_by.function for one in found] == ["main.ask", "", MAIN_GOROUTINE.function]
    assert [part.goids for part in Looking(StackView(), 8_000_000_000).at(profile).parts] == [(3,)]
