"""The charts of a finding's page and the numbers below them: gaps are said, and what is not exact is marked."""

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from gosonde_collector.analysis.course import POINTS
from gosonde_collector.model.values import Batch, Process

from tests.unit.collector.batches import KEY, SECOND, SITE, START, batch, process
from tests.unit.collector.web.conftest import Served, finding

Serving = Callable[..., Served]
ADDRESS = "/findings/0000000000000001"
MIB = 1 << 20


def leaking(seconds: Iterable[int], described: Process | None = None, **more: Any) -> list[Batch]:
    """Three goroutines a second come and one goes."""
    processes = [described or process()]
    return [
        batch(second, processes=processes, counters=[(0, SITE.pc, 3 * second, second)], **more) for second in seconds
    ]


def served(serving: Serving, batches: list[Batch]) -> Served:
    found = finding(process=KEY, site=SITE, grew_unix_nano=START + 60 * SECOND)
    return serving(found, batches=batches)


def collected(second: int = 61) -> Batch:
    """A second with a cycle of the garbage collector and a pause."""
    end = START + second * SECOND
    return batch(
        second,
        counters=[(0, SITE.pc, 3 * second, second)],
        cycles=[(0, 0, end - SECOND, end)],
        heaps=[(9 * MIB, 12 * MIB, 6 * MIB, 24 * MIB, 1)],
        pauses=[(0, 0, end, 1_250_000, "GC mark termination")],
    )


def test_the_numbers_below_the_charts_are_those_of_the_document(serving: Serving) -> None:
    page = served(serving, [*leaking(range(1, 61)), collected()])
    points = json.loads(page.get(f"{ADDRESS}?format=json").text)["points"]
    last = points[-1]
    assert (last["live"], last["created_per_second"], last["exited_per_second"]) == (122, 3.0, 1.0)
    assert (last["gc_cycles"], last["longest_pause_ns"]) == (1, 1_250_000)
    assert (last["heap_marked_bytes"], last["heap_goal_bytes"]) == (6 * MIB, 24 * MIB)
    text = page.get(ADDRESS).text
    rows = re.findall(r'<tr><th scope="row">[^<]*</th><td data-is="Live".*?</tr>', text)
    assert len(rows) == len(points)
    figures = re.findall(r'class="figure">([^<]*)<', rows[-1])
    assert figures == ["122", "3.00", "1.00", "1", "1.250 ms", "6.0 MiB", "24.0 MiB"]
    assert re.findall(r'data-chart="(\w+)"', text) == ["live", "rates", "pauses", "heap"]
    assert "nothing was observed" not in text


def test_without_a_garbage_collection_there_is_no_empty_picture_of_any(serving: Serving) -> None:
    text = served(serving, leaking(range(1, 61))).get(ADDRESS).text
    assert re.findall(r'data-chart="(\w+)"', text) == ["live", "rates"]
    assert "None was seen in this time." in text
    assert "No cycle of the garbage collector has shown it in this time." in text


def test_a_gap_is_said_in_the_numbers(serving: Serving) -> None:
    page = served(serving, leaking([*range(1, 31), *range(200, 231)]))
    text = page.get(ADDRESS).text
    assert text.count('<th scope="row" colspan="8">nothing was observed</th>') == 1
    assert "Where a line is broken nothing was observed." in text
    gaps = [point for point in json.loads(page.get(f"{ADDRESS}?format=json").text)["points"] if point["is_after_gap"]]
    assert [(point["unix_nano"], point["created_per_second"]) for point in gaps] == [(START + 200 * SECOND, None)]


def test_numbers_that_are_not_precise_are_marked(serving: Serving) -> None:
    page = served(serving, leaking(range(1, 31), process(precise=False)))
    assert json.loads(page.get(f"{ADDRESS}?format=json").text)["precise"] is False
    text = page.get(ADDRESS).text
    assert '<td data-is="Live" class="figure">~60</td>' in text
    assert '<td data-is="Created per second" class="figure">~3.00</td>' in text
    assert "The numbers are not precise" in text


def test_estimated_rates_are_marked_and_live_counts_are_not(serving: Serving) -> None:
    described = process(level="sampled", precise=False)
    batches = [
        batch(
            second,
            processes=[described],
            counters=[(0, SITE.pc, 5, 0)],
            estimates=[(0, SITE.pc, 2 * second, second, 3 * second, 2 * second, second, 3 * second)],
        )
        for second in range(1, 31)
    ]
    text = served(serving, batches).get(ADDRESS).text
    assert '<td data-is="Live" class="figure">5</td>' in text
    assert '<td data-is="Created per second" class="figure">~2.00</td>' in text
    assert "These rates contain an estimate." in text
    assert "not precise" not in text


def test_a_process_that_has_ended_has_no_charts(serving: Serving) -> None:
    ended = leaking(range(1, 31))
    ended += leaking([31], process(ended_unix_nano=START + 31 * SECOND))
    page = served(serving, ended)
    assert json.loads(page.get(f"{ADDRESS}?format=json").text)["points"] == []
    assert "data-chart" not in page.get(ADDRESS).text


def test_all_that_a_browser_gets_for_a_finding_is_small(serving: Serving) -> None:
    page = served(serving, [*leaking(range(1, 601)), collected(601)])
    text = page.get(ADDRESS).text
    assert len(re.findall(r'<tr><th scope="row">[^<]*</th><td data-is="Live"', text)) == POINTS
    named = set(re.findall(r'(?:src|href|data-source)="(/static/[^"]*|/findings/[^"]*(?:json|svg))"', text))
    assert {f"{ADDRESS}?format=json", f"{ADDRESS}/flames.svg", "/static/chart.js"} <= named
    assert len(text) + sum(len(page.get(one).body) for one in named) < 250_000
