"""What a compiler says is shown of a finding's own functions alone, beside what a heap profile has of their lines."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from gosonde_collector.analysis import escapes
from gosonde_collector.analysis.escapes import Amounts, FindingEscapes, escapes_of
from gosonde_collector.analysis.finding import Finding
from gosonde_collector.evidence.context import HeapProfile, HeapSample
from gosonde_collector.evidence.escapes.parse import parse_escapes
from gosonde_collector.evidence.model import Frame
from gosonde_collector.model.values import Site
from gosonde_collector.store.duckdb import DuckDBStore

from tests.unit.collector.web.conftest import finding

OUTPUT = b"""# shop.example/cmd/shop
./main.go:10:6: cannot inline leak: unhandled op GO
./main.go:13:5: can inline leak.func1 with cost 9 as: func() { n++ }
./main.go:20:6: cannot inline wait: unhandled op SELECT
./main.go:30:6: can inline made with cost 4 as: func() *job { return &job{} }
./main.go:40:6: cannot inline start: unhandled op GO
./main.go:50:6: cannot inline other: unhandled op GO
./main.go:11:9: inlining call to made
./main.go:10:12: leaking param: out
./main.go:11:9: &job{} escapes to heap
./main.go:12:2: moved to heap: n
./main.go:21:7: make([]byte, 9) escapes to heap
./main.go:31:9: &job{} escapes to heap
./main.go:41:9: &late{} escapes to heap
./main.go:51:9: &other{} escapes to heap
"""
FILE = "/src/shop/cmd/shop/main.go"
SITE = Site("build", 1, "main.leak", FILE, 13, "main.leak.func1")
STACK = (
    Frame("net.(*netFD).Read", "/go/src/net/fd.go", 9),
    Frame("main.wait", FILE, 22),
    Frame("main.leak.func1", FILE, 14),
)


def leak(**changes: Any) -> Finding:
    return finding(**{"site": SITE, "stacks": ((100, STACK),), "live": 100, **changes})


def heap(*samples: tuple[Sequence[tuple[str, int]], int]) -> HeapProfile:
    """Samples of stacks in FILE, the innermost call first, with so many objects of 8 bytes in use, of twice as many."""
    return HeapProfile(
        tuple(
            HeapSample(tuple(Frame(name, FILE, line) for name, line in calls), 2 * n, 16 * n, n, 8 * n)
            for calls, n in samples
        ),
        taken_unix_nano=7,
    )


def known(store: DuckDBStore, found: Finding, profile: HeapProfile | None = None) -> FindingEscapes:
    store.save_escapes("build", parse_escapes(OUTPUT))
    result = escapes_of(store, found, profile)
    assert result
    return result


def lines_of(found: FindingEscapes) -> list[int]:
    return [line.line for line in found.lines]


def test_the_statement_s_function_and_the_program_s_own_on_the_stacks_are_shown_and_no_other(
    store: DuckDBStore,
) -> None:
    found = known(store, leak())
    assert lines_of(found) == [10, 11, 12, 21]
    assert {(line.function, line.file) for line in found.lines} == {("main.leak", FILE), ("main.wait", FILE)}
    assert {line.amounts for line in found.lines} == {None}
    assert (found.heap_taken_unix_nano, found.missing, found.lines_left_out) == (None, (), 0)


def test_what_goroutines_run_first_is_found_by_its_name_without_a_stack(store: DuckDBStore) -> None:
    found = known(store, leak(site=replace(SITE, start_function="main.start"), stacks=()))
    assert lines_of(found) == [10, 11, 12, 41]
    assert found.lines[-1].function == "main.start"


def test_without_an_output_of_the_build_there_is_nothing(store: DuckDBStore) -> None:
    store.save_escapes("another build", parse_escapes(OUTPUT))
    assert escapes_of(store, leak(), None) is None


def test_a_sample_counts_at_the_innermost_line_of_these_functions_that_has_allocated_it(store: DuckDBStore) -> None:
    profile = heap(
        ([("main.leak", 12), ("main.main", 60)], 3),
        ([("main.leak", 12), ("main.init", 70)], 4),
        ([("main.leak.func1", 12)], 5),
        ([("main.wait", 21), ("main.leak.func1", 14)], 100),
        ([("main.other", 51)], 1_000),
        ([("shop.example/lib.leak", 12)], 1_000),
    )
    found = {line.line: line.amounts for line in known(store, leak(), profile).lines}
    assert found[12] == Amounts(24, 192, 12, 96)
    assert found[21] == Amounts(200, 1_600, 100, 800)


def test_what_an_inlined_function_allocates_counts_at_the_line_that_calls_it_and_a_call_s_does_not(
    store: DuckDBStore,
) -> None:
    profile = heap(
        ([("main.made", 31), ("main.leak", 11), ("main.main", 60)], 6),
        ([("main.called", 99), ("main.leak", 11), ("main.main", 60)], 1_000),
        ([("main.made", 31), ("main.leak", 12), ("main.main", 60)], 1_000),
    )
    found = {line.line: line.amounts for line in known(store, leak(), profile).lines}
    assert found[11] == Amounts(12, 96, 6, 48)
    assert found[12] == Amounts()


def test_the_lines_with_the_most_in_use_come_first_and_parameters_have_no_numbers(store: DuckDBStore) -> None:
    profile = heap(([("main.wait", 21)], 3), ([("main.leak", 12)], 9), ([("main.leak", 10)], 50))
    found = known(store, leak(), profile)
    assert lines_of(found) == [12, 21, 10, 11]
    assert [line.amounts for line in found.lines if line.line == 10] == [None]
    assert found.heap_taken_unix_nano == 7


def test_a_function_that_is_at_another_place_is_said_to_be_missing_with_the_reason(store: DuckDBStore) -> None:
    moved = (Frame("main.wait", FILE, 45), Frame("shop.example/lib.run", "/src/shop/lib/run.go", 3))
    found = known(store, leak(stacks=((100, moved),)))
    assert lines_of(found) == [10, 11, 12]
    assert dict(found.missing) == {
        "main.wait": "another function stands there in the output, which is of other source",
        "shop.example/lib.run": "no file of its package has that name in the output",
    }


def test_more_lines_than_one_can_read_are_left_out_and_counted(
    store: DuckDBStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(escapes, "MOST_LINES", 3)
    found = known(store, leak(), heap(([("main.wait", 21)], 3)))
    assert (lines_of(found), found.lines_left_out) == ([21, 10, 11], 1)
