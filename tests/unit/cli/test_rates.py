"""How many goroutines come and go each second is shown for each statement, with bounds where they are estimated."""

from dataclasses import replace

import pytest
from gosonde_agent.watch.trace.seen import Trace
from gosonde_cli import rates, trace_text
from gosonde_cli.trace_document import ESTIMATED, as_document
from gosonde_common.values.observation import NAMELESS_PC, GcTotal, Pause, Site

from tests.unit.agent import observations as of

SECOND_NS = 1_000_000_000
EXACT = {"created": 30, "exited": 5}


def traced(seconds: int = 10) -> Trace:
    """Of a process that was counted for so long: a statement that is estimated, one that is not, and what is left."""
    process = replace(of.process(1), counted_since_unix_nano=0)
    nameless = of.count(process, 1, 1_000)._replace(site=Site("build", NAMELESS_PC, "", "", 0), exited=1_000)
    counts = (of.count(process, 1, 10), of.count(process, 2, 20), nameless)
    result = Trace()
    result.add(of.observed(process, site_counts=counts, estimates=(of.estimate(process, 1, 600),)), 1)
    result.observed_unix_nano = seconds * SECOND_NS
    return result


def by_line(document: dict[str, list[dict[str, object]]]) -> dict[object, object]:
    return {site["line"]: site["per_second"] for site in document["sites"]}


def test_a_rate_that_is_certain_has_itself_as_its_bounds() -> None:
    assert rates.per_second(EXACT, {}, 10 * SECOND_NS) == {
        "over_ns": 10 * SECOND_NS,
        "created": 3.0,
        "created_low": 3.0,
        "created_high": 3.0,
        "exited": 0.5,
        "exited_low": 0.5,
        "exited_high": 0.5,
    }


def test_no_rate_is_given_where_no_time_has_passed() -> None:
    assert rates.per_second(EXACT, {}, 0) is rates.per_second(EXACT, {}, -1) is None
    assert rates.figure(None, "created", is_about=False).text == "-"


def test_a_trace_has_the_rates_of_each_statement_and_of_all_together() -> None:
    document = as_document(traced(10))
    found = by_line(document)
    likely, low, high = ((10 + number) / 10 for number in (600, 300, 1_200))
    assert found[1] == {
        "over_ns": 10 * SECOND_NS,
        "created": likely,
        "created_low": low,
        "created_high": high,
        "exited": likely - 1,
        "exited_low": low - 1,
        "exited_high": high - 1,
    }
    assert found[2] == rates.per_second({"created": 20, "exited": 0}, {}, 10 * SECOND_NS)
    assert document["totals"]["per_second"]["created"] == document["totals"]["per_second"]["created_low"] == 103.0


def test_what_others_have_of_a_row_is_in_their_rates_alone() -> None:
    left = by_line(as_document(traced(10)))[0]
    assert left == {
        "over_ns": 10 * SECOND_NS,
        "created": 40.0,
        "created_low": 0.0,
        "created_high": 70.0,
        "exited": 40.0,
        "exited_low": 0.0,
        "exited_high": 70.0,
    }


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0"), (1, "0.1"), (123, "12.3"), (1_234, "123"), (12_345, "1,234"), (1_234_567, "123,457")]
)
def test_a_rate_is_shown_with_three_digits_or_all_of_them(number: int, text: str) -> None:
    found = rates.per_second({"created": number, "exited": 0}, {}, 10 * SECOND_NS)
    assert rates.figure(found, "created", is_about=False).text == text
    assert rates.figure(found, "created", is_about=True).text == f"~{text}"


def test_a_rate_with_bounds_is_marked() -> None:
    found = rates.per_second(
        {"created": 0, "exited": 0, "estimated": dict.fromkeys(ESTIMATED, 0) | {"created_high": 9}}, {}, SECOND_NS
    )
    assert rates.figure(found, "created", is_about=False).text == "~0"
    assert rates.figure(found, "exited", is_about=False).text == "0"


def printed(capsys: pytest.CaptureFixture[str], result: Trace, *, wide: bool = False) -> str:
    trace_text.render(as_document(result), wide=wide)
    return capsys.readouterr().out


def test_the_table_of_a_trace_shows_rates(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [line.split() for line in printed(capsys, traced(10), wide=True).splitlines()]
    assert ["10", "~61", "~60", "main.f1", "/src/main.go:1", "~610", "~600", "0"] in rows
    assert ["20", "2", "0", "main.f2", "/src/main.go:2", "20", "0", "0"] in rows


def test_nothing_is_said_of_stops_where_nothing_stopped(capsys: pytest.CaptureFixture[str]) -> None:
    assert "stop" not in printed(capsys, traced())


def test_stops_without_a_collection_are_printed_without_one(capsys: pytest.CaptureFixture[str]) -> None:
    result = traced()
    assert result.process is not None
    result.pauses = [Pause(result.process.key, 0, 5, 2_000_000, "read mem stats")]
    assert "\nlongest of 1 stop-the-world pause: 2.000 ms" in printed(capsys, result)
    result.gc = GcTotal(result.process.key, 1, 1, 1_500_000)
    assert "\n1 GC cycle, 1.500 ms of pauses; longest of 1 stop-the-world pause: 2.000 ms" in printed(capsys, result)
