"""Pictures of a process's past: pauses by length, the heap, levels and what probes cost, each with its numbers."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from gosonde_collector.model.values import KnownProcess, Process, Step
from gosonde_collector.store.records import PAUSES_NS, CostIn, HeapIn, Past, PausesIn
from gosonde_collector.web import cost_line, pause_map, time_axis

from tests.unit.collector.batches import KEY, SECOND, START, batch, process
from tests.unit.collector.web.conftest import Served
from tests.unit.collector.web.test_process import ADDRESS, asked, seen

ENDS = [START + end * SECOND for end in (10, 20, 30, 40)]


def past(
    known: Process | None = None,
    costs: Sequence[CostIn] = (),
    pauses: Sequence[PausesIn] = (),
    heaps: Sequence[HeapIn] = (),
) -> Past:
    """Of 40 seconds in four parts."""
    described = KnownProcess("web-1", known or process(), 0, 0, 0, ENDS[-1], 0, 0)
    return Past(described, [], START, ENDS, np.empty((0, 4), np.int64), costs, pauses, heaps)


def step(second: int, level: str) -> Step:
    return Step(START + second * SECOND, level, "cost", 30_000)


def test_pauses_stand_by_their_time_and_their_length_the_longest_on_top() -> None:
    found = pause_map.pause_map(past(pauses=[PausesIn(0, 1, 3), PausesIn(0, 3, 1), PausesIn(3, 2, 900)]))
    assert found.rows == ["from 100 µs", "from 30 µs", "from 10 µs"]
    assert [(cell.row, cell.span.x, cell.span.width, cell.pauses) for cell in found.cells] == [
        (2, 0, 25, 3), (0, 0, 25, 1), (1, 75, 25, 900),
    ]  # fmt: skip
    few, fewest, most = (cell.opacity for cell in found.cells)
    assert fewest < few < most == pause_map.STRONG


def test_every_length_of_a_pause_has_a_name_of_its_own() -> None:
    names = [pause_map.length(step) for step in range(len(PAUSES_NS))]
    assert (names[0], names[1], names[5], names[-1]) == ("under 10 µs", "from 10 µs", "from 1 ms", "from 1 s")
    assert len(set(names)) == len(names)


def test_the_heap_has_a_line_for_each_of_its_sizes_up_to_the_largest() -> None:
    found = pause_map.heap_lines(past(heaps=[HeapIn(0, 50, 25, 100), HeapIn(3, 100, 50, 200)]))
    assert found.top_bytes == 200
    assert (found.before, found.marked, found.goal) == (
        "M250 75L1000 50", "M250 87.5L1000 75", "M250 50L1000 0",
    )  # fmt: skip


def test_a_cost_holds_until_another_is_said() -> None:
    points = cost_line.costs(past(costs=[CostIn(1, 10_000, 40_000), CostIn(3, 5_000, 5_000)])).points
    assert [(one.overhead_percent, one.highest_overhead_percent) for one in points] == [(1, 4), (1, 1), (0.5, 0.5)]
    assert [one.unix_nano for one in points] == ENDS[1:]


@pytest.mark.parametrize(
    ("steps", "held"),
    [
        ([], [("full", 0, 100)]),
        ([step(20, "memory")], [("memory", 50, 50)]),
        ([step(-9, "full"), step(10, "off"), step(30, "full")], [("full", 0, 25), ("off", 25, 50), ("full", 75, 25)]),
        ([step(-9, "full"), step(-5, "off")], [("off", 0, 100)]),
        ([step(30, "off"), step(20, "full")], [("full", 50, 50)]),
        ([Step(-(2**63), "off", "x", 0), Step(2**63 - 1, "full", "x", 0)], [("off", 0, 100)]),
    ],
)  # fmt: skip
def test_a_level_holds_until_the_next_change(steps: list[Step], held: list[tuple[str, float, float]]) -> None:
    found = cost_line.costs(past(process(steps=tuple(steps))))
    assert [(one.level, one.span.x, one.span.width) for one in found.held] == held
    assert [found.levels[one.row] for one in found.held] == [level for level, _, _ in held]


@pytest.mark.parametrize(
    ("points", "path"),
    [
        ([], ""),
        ([(ENDS[0], 5)], "M242 50h8"),
        ([(START, 10)], "M0 0h8"),
        ([(ENDS[3], 10)], "M992 0h8"),
        ([(START - 5, -3), (ENDS[3] + 5, 2**62)], "M0 100L1000 0"),
    ],
)
def test_a_line_stays_in_its_picture(points: list[tuple[int, float]], path: str) -> None:
    assert time_axis.path(past(), points, 10) == path


def test_nothing_is_drawn_of_nothing() -> None:
    empty = past(process(level="refused", refusal="no symbols"))
    assert not pause_map.pause_map(empty).cells
    assert not pause_map.heap_lines(empty).points
    assert not cost_line.costs(empty).points
    assert time_axis.path(empty, [(ENDS[0], 0)], 0) == "M242 100h8"


def test_pictures_have_their_numbers_on_the_page_and_in_the_json(serving: Callable[..., Served]) -> None:
    page = serving(batches=seen())
    known: Any = asked(page)
    ((counted,), (heap,)) = known["pause_counts"], known["heap_points"]
    assert (counted["at_least_ns"], counted["pauses"], counted["from_unix_nano"]) == (30_000, 1, START)
    assert (heap["before_bytes"], heap["marked_bytes"], heap["goal_bytes"]) == (1 << 20, 1 << 20, 4 << 20)
    assert [(one["level"], one["from_unix_nano"]) for one in known["levels"]] == [("full", START)]
    assert known["costs"][-1]["highest_overhead_percent"] == 1.25
    text = page.get(ADDRESS).text
    assert re.search(r"<title>1 pause from 30 µs, 2023-11-14 22:13:20 UTC to", text)
    for shown in ("<li>full</li>", "<td>from 30 µs</td>", "the top is 4.0 MiB", "the top is 1.25 %"):
        assert shown in text
    assert "style=" not in text


def test_of_a_refused_process_nothing_is_drawn(serving: Callable[..., Served]) -> None:
    text = (
        serving(batches=[batch(1, processes=[process(KEY, level="refused", refusal="no symbols")])]).get(ADDRESS).text
    )
    assert "no symbols" in text
    assert "Levels and what probes cost" not in text
    assert "Pauses and heap over time" not in text
