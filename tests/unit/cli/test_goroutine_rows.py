"""Groups by stack, site and state: which rows there are, their order, and what stands above stacks in a picture."""

import pytest
from gosonde_cli.goroutine_groups import Groups, groups_of
from gosonde_cli.goroutine_rows import Shown, print_rows, stacks
from gosonde_common.errors import UsageError
from gosonde_common.flames.placing import By
from gosonde_common.values.goroutines import MAIN_GOROUTINE, Location

from tests.unit.cli.goroutine_columns import HERE, THERE, columns, kind

SITE = Location("main.start", "/src/start.go", 3)


def groups() -> Groups:
    """Four by THERE in two states, two by SITE, and the main goroutine."""
    kinds = [kind(HERE)] * 3 + [kind(HERE, wait_reason="select")] + [kind(HERE, THERE, created_by=SITE)] * 2
    waits = [1, 2, None, 90_000_000_000, 7, None, None]
    return groups_of([columns(*kinds, kind(THERE, created_by=MAIN_GOROUTINE, wait_reason="sleep"), waits=waits)])


def rows(by: By, sort: str = "goroutines", limit: int = 0) -> list[tuple[int, int | None]]:
    return [(row.goroutines, row.longest_ns) for row in Shown(by, sort, limit, wide=False).rows(groups())]


def test_rows_have_what_they_are_by_in_common() -> None:
    assert rows(By.STACK) == [(3, 2), (2, 7), (1, 90_000_000_000), (1, None)]
    assert rows(By.SITE) == [(4, 90_000_000_000), (2, 7), (1, None)]
    assert rows(By.STATE) == [(5, 7), (1, 90_000_000_000), (1, None)]


def test_rows_come_in_the_order_that_is_asked_for() -> None:
    assert rows(By.STACK, "longest-wait") == [(1, 90_000_000_000), (2, 7), (3, 2), (1, None)]
    assert rows(By.STATE, "state", 2) == [(5, 7), (1, 90_000_000_000)]
    assert rows(By.SITE, "site") == [(1, None), (4, 90_000_000_000), (2, 7)]


@pytest.mark.parametrize(("by", "sort"), [(By.SITE, "state"), (By.STATE, "site"), (By.STACK, "live")])
def test_an_order_that_rows_cannot_have_is_refused(by: By, sort: str) -> None:
    with pytest.raises(UsageError, match=f"--sort {sort}"):
        Shown(by, sort, 0, wide=False)


def test_what_the_limit_leaves_out_is_counted() -> None:
    lines = list(Shown(By.STACK, "goroutines", 1, wide=True).lines(groups()))
    assert lines[0] == "goroutine profile: total 7, and 0 of the runtime's own"
    assert lines[-1] == "and 3 more groups with 4 goroutines (--limit)"


def test_a_table_says_what_rows_are_of_and_what_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(groups(), Shown(By.SITE, "goroutines", 2, wide=False))
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1] == ["4", "1", "min", "30", "s", "main.main", "/src/main.go:9"]
    assert lines[2] == ["2", "7", "ns", "main.start", "/src/start.go:3"]
    assert lines[3] == ["and", "1", "more", "row", "(--limit)"]


def test_stacks_of_a_picture_begin_outside_below_what_they_are_by() -> None:
    found = {by: stacks(groups(), by)[1] for by in By}
    assert [call.function for call in found[By.STACK].calls] == ["main.main", "main.wait"]
    assert found[By.SITE].calls[0] == Location("go statement in main.start /src/start.go:3", "/src/start.go", 3)
    assert found[By.STATE].calls[0] == Location("chan receive", "", 0)
    assert {by: (stack.goroutines, stack.longest_ns) for by, stack in found.items()} == dict.fromkeys(By, (2, 7))
