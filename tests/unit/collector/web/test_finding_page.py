"""Ages of goroutines as bars, and in words where nothing is known of them."""

import re

from gosonde_collector.analysis.explanation import Explanation
from gosonde_collector.ingest.access import Role
from gosonde_collector.web.finding_goroutines import Listing
from gosonde_collector.web.finding_page import bars
from gosonde_collector.web.finding_series import Course
from gosonde_collector.web.findings_list import Row
from gosonde_collector.web.gate import Visitor
from gosonde_collector.web.rendering import Pages
from gosonde_common.values.ages import AgeBar, Ages

from tests.unit.collector.web.conftest import finding

SECOND = 1_000_000_000


def html(ages: Ages | None) -> str:
    known = Explanation(finding(), ages=ages)
    values = {
        "row": Row(known.finding),
        "known": known,
        "course": Course(),
        "goroutines": Listing(),
        "states_then": [],
        "witnesses": [],
        "is_read": False,
        "window": (0, 1),
        "bars": bars(ages) if ages else [],
        "asked": (),
        "flames": "0",
    }
    return Pages().html("finding.html", Visitor("", Role.READ), **values)


def test_bars_are_as_long_as_their_goroutines_are_many() -> None:
    ages = Ages((AgeBar(0, 25), AgeBar(10 * SECOND, 100), AgeBar(60 * SECOND, 0)), 0, None)
    assert re.findall(r'<rect width="([0-9.]+)%"', html(ages)) == ["25.0", "100.0", "0.0"]
    assert "the age is not known" not in html(ages)


def test_where_no_age_is_known_it_says_so() -> None:
    text = html(Ages((), 9, None))
    assert "Of 9 the age is not known." in text
    assert "<rect" not in text


def test_without_a_snapshot_nothing_is_said_of_ages() -> None:
    assert 'id="ages"' not in html(None)
