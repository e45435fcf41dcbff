"""What was created and exited of late is certain where it was counted, and has bounds where it is estimated."""

from gosonde_collector.analysis.amounts import Amount
from gosonde_collector.analysis.turnover import Turnover, turnovers
from gosonde_collector.model.values import Before, Estimate, ProcessKey, Site, SiteTotal
from gosonde_collector.query import query_wire

MINUTE = 60_000_000_000
MOST = (1 << 63) - 1
NOTHING = (0, 0, 0, 0, 0, 0)
ONE, OTHER = ProcessKey("boot", 7, 1, 0), ProcessKey("boot", 8, 1, 0)


def total(
    pc: int, created: int, before: Before | None, estimate: Estimate | None = None, process: ProcessKey = ONE
) -> SiteTotal:
    site = Site("build", pc, "main.serve", "main.go", 8, "")
    return SiteTotal("web-1", process, "/srv/app", site, created, created, 0, estimate, before=before)


def exact(number: int) -> Amount:
    return Amount(number, number, number)


def test_what_was_counted_is_the_difference() -> None:
    (found,) = turnovers([total(1, 500, Before(MINUTE, 440, 500, NOTHING))])
    assert found == Turnover(MINUTE, exact(60), exact(0))


def test_what_is_estimated_has_bounds_and_is_not_in_the_row_that_shares_it_too() -> None:
    estimate = Estimate(300, 280, 320, 300, 280, 320, 9, 1)
    rows = [
        total(1, 500, Before(MINUTE, 440, 440, (200, 190, 210, 200, 190, 210)), estimate),
        total(0, 1_000, Before(MINUTE, 850, 850, NOTHING)),
        total(0, 1_000, Before(MINUTE, 850, 850, NOTHING), process=OTHER),
    ]
    named, nameless, elsewhere = turnovers(rows)
    assert named is not None
    assert nameless is not None
    assert named.created.number == 60 + 100
    assert named.created.low < 160 < named.created.high
    assert nameless.created.number == 150 - 100
    assert nameless.created.number - nameless.created.low == named.created.high - named.created.number
    assert elsewhere == Turnover(MINUTE, exact(150), exact(150))


def test_totals_that_fell_are_no_turnover_and_a_time_of_nothing_has_none() -> None:
    fallen, at_once, ended = turnovers(
        [
            total(1, 5, Before(MINUTE, 9, 9, (70, 60, 80, 70, 60, 80)), Estimate(50, 40, 60, 50, 40, 60, 9, 1)),
            total(1, 5, Before(0, 0, 0, NOTHING), process=OTHER),
            total(2, 5, None),
        ]
    )
    assert fallen is not None
    assert (fallen.created.number, fallen.created.low) == (0, 0)
    assert at_once is ended is None


def test_what_no_process_can_have_does_not_spoil_the_answer() -> None:
    estimate = Estimate(MOST, 0, MOST, MOST, 0, MOST, 9, 1)
    rows = [total(pc, MOST, Before(1, 0, 0, NOTHING), estimate) for pc in (1, 2)]
    found = query_wire.site_rows([*rows, total(0, MOST, Before(1, 0, 0, NOTHING))])
    assert [row.turnover.over_ns for row in found] == [1, 1, 1]
    assert found[2].turnover.created == 0
