"""Numbers that contain an estimate are marked, rows add up to the exact totals, and no width breaks a number."""

import re
import sys
from dataclasses import replace

import pytest
from gosonde.collector_client import Estimate, PerSecond, ProcessName, Shared, SiteRow
from gosonde_agent.watch.trace.seen import Trace
from gosonde_cli import rendering, trace_text
from gosonde_cli.commands import sites
from gosonde_cli.tables.table import Row, Table, print_table
from gosonde_cli.trace_document import ESTIMATED, as_document
from gosonde_common.values.observation import NAMELESS_PC, Site

from tests.unit.agent import observations as of

HERE = ("web-1", 7)
HOT = SiteRow(
    "web-1", ProcessName(7, "/srv/app"), "main.(*Server).handleRequest", "/srv/src/server.go", 42, 900, 890, 10
)
#: What `HOT` and another one have of the last row.
HOT_ESTIMATE = Estimate(1_234_567, 1_200_000, 1_270_000, 1_234_560, 1_200_000, 1_270_000, 40, 800_000_000)
COLD = replace(HOT, function="main.cold", created=50, exited=50, live=0)
NAMELESS = SiteRow("web-1", ProcessName(7, "/srv/app"), "", "", 0, 1_234_600, 1_234_600, 0)
ROWS = [
    replace(HOT, estimated=HOT_ESTIMATE),
    replace(COLD, estimated=Estimate(20, 0, 90, 20, 0, 90, 40, 800_000_000)),
    replace(NAMELESS, shared=Shared(1_234_587, 1_234_580)),
]


TITLES = [column.title for column in sites.COLUMNS]
NUMBERS = ("LIVE", "CREATED", "EXITED")


def total(title: str, rows: list[SiteRow]) -> int:
    at = TITLES.index(title)
    return sum(int(cells[at]) for cells in sites.table(rows, (), {HERE}))  # type: ignore[call-overload]


def numbers(cells: tuple[object, ...]) -> list[str]:
    """Live, created and exited as they are shown."""
    return [rendering.cell(cells[TITLES.index(title)]) for title in NUMBERS]


def test_rows_with_their_shares_add_up_to_what_they_are_without() -> None:
    assert total("CREATED", ROWS) == 900 + 50 + 1_234_600
    assert total("EXITED", ROWS) == 890 + 50 + 1_234_600
    assert total("LIVE", ROWS) == 10


def test_of_a_sampled_process_created_and_exited_are_marked_and_live_is_not() -> None:
    cells = [numbers(row) for row in sites.table([*ROWS, HOT], (), {HERE})]
    assert cells == [
        ["10", "~1,235,467", "~1,235,450"],
        ["0", "~70", "~70"],
        ["0", "~13", "~20"],
        ["10", "~900", "~890"],
    ]
    assert list(sites.legend(ROWS, (), {HERE})) == [rendering.ESTIMATED_MEANS]


def test_of_a_process_that_is_not_precise_for_another_reason_every_number_is_marked() -> None:
    (row,) = sites.table([HOT], {HERE}, ())
    assert numbers(row) == ["~10", "~900", "~890"]
    assert list(sites.legend([HOT], {HERE}, ())) == [rendering.ABOUT_MEANS]


def test_of_a_precise_process_nothing_is_marked() -> None:
    (row,) = sites.table([HOT], (), ())
    assert numbers(row) == ["10", "900", "890"]
    assert list(sites.legend([HOT], (), ())) == []


def test_a_share_that_is_larger_than_its_row_leaves_nothing() -> None:
    (row,) = sites.table([replace(NAMELESS, created=5, exited=5, shared=Shared(9, 9))], (), {HERE})
    assert numbers(row) == ["0", "~0", "~0"]


WIDTHS = pytest.mark.parametrize("width", [80, 120])


def terminal(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    """The output is a terminal of that width. Fixtures have another output than tests."""
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("LINES", "50")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)


def shown(capsys: pytest.CaptureFixture[str], width: int) -> list[str]:
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    return lines


@WIDTHS
def test_the_table_of_sites_keeps_each_number_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int
) -> None:
    terminal(monkeypatch, width)
    print_table(Table(sites.COLUMNS, list(map(Row, sites.table(ROWS, (), {HERE}))), "nothing"))
    text = shown(capsys, width)
    for live, created in (("10", "~1,235,467"), ("0", "~70"), ("0", "~13")):
        assert sum(line.split()[:1] == [live] and created in line.split() for line in text) == 1


def traced() -> Trace:
    """Of one process: two statements that were estimated, one that was not, and what is left without one."""
    process = of.process(1)
    nameless = of.count(process, 1, 1_000)._replace(site=Site("build", NAMELESS_PC, "", "", 0), exited=1_000)
    counts = (*(of.count(process, pc, 10 * pc) for pc in (1, 2, 3)), nameless)
    result = Trace()
    estimates = (of.estimate(process, 1, 600), of.estimate(process, 2, 300))
    result.add(of.observed(process, site_counts=counts, estimates=estimates), 1)
    result.add(of.observed(process), 1)
    return result


def test_a_trace_has_estimates_beside_what_is_certain_and_says_what_is_shared() -> None:
    rows = {row["line"]: row for row in as_document(traced())["sites"]}
    bounds = (600, 300, 1_200)
    assert list(rows[1]["estimated"].values()) == [*bounds, *bounds, 3, 30_000_000]
    assert list(rows[1]["estimated"]) == [*ESTIMATED, "windows", "sampled_ns"]
    assert (rows[1]["created"], rows[2]["created"], rows[2]["estimated"]["created"]) == (10, 20, 300)
    assert "estimated" not in rows[3]
    assert "shared" not in rows[3]
    assert (rows[0]["created"], rows[0]["shared"]) == (1_000, {"created": 900, "exited": 900})
    assert as_document(traced())["totals"]["created"] == 1_060


def test_a_trace_without_estimates_has_no_key_for_them() -> None:
    result = traced()
    result.estimates = ()
    assert not any({"estimated", "shared"} & row.keys() for row in as_document(result)["sites"])


@WIDTHS
def test_the_table_of_a_trace_marks_what_is_estimated(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int
) -> None:
    terminal(monkeypatch, width)
    trace_text.render(as_document(traced()))
    text = shown(capsys, width)
    assert any("1,060 goroutines created" in line for line in text)
    cells = [(line.split()[0], *line.split()[5:7]) for line in text if re.match(r" *\d+ ", line)]
    assert ("10", "~610", "~600") in cells
    assert ("20", "~320", "~300") in cells
    assert ("30", "30", "0") in cells
    assert ("0", "~100", "~100") in cells
    assert rendering.ESTIMATED_MEANS in " ".join(line.strip() for line in text)


def test_the_table_of_sites_shows_rates_where_they_are_known() -> None:
    bounds = PerSecond(60_000_000_000, 12.25, 10, 14.5, 3, 3, 3)
    first, second = sites.table([replace(HOT, per_second=bounds), HOT], (), ())
    place = [column.title for column in sites.COLUMNS].index("CREATED/S")
    assert list(map(rendering.cell, first[place : place + 2])) == ["~12.2", "3"]
    assert list(map(rendering.cell, second[place : place + 2])) == ["-", "-"]
