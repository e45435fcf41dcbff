"""What of a trace and of a reading of memory is in a picture of one process."""

from typing import Any

from gosonde_cli.rendering import About
from gosonde_cli.top.process_feed import early, picture_of
from gosonde_cli.top.readings import Reading, summed
from gosonde_cli.top.recent import Recent
from gosonde_common.values.goroutines import Goroutine, Location, columns_of

LEAK = Location("main.leak", "/srv/main.go", 28)
PLACE = ("main.leak", "/srv/main.go", 28)


def goroutine(goid: int, wait_reason: str, *calls: str) -> Goroutine:
    stack = tuple(Location(function, "/srv/main.go", 7) for function in calls)
    return Goroutine(
        *(goid, "waiting", wait_reason, None, LEAK, "main.f", 1, 0),
        locked=False,
        system=False,
        active=False,
        complete=True,
        stack=stack,
    )


def reading() -> Reading:
    waiting = [goroutine(number, "chan receive", "main.block") for number in range(3)]
    return Reading(summed([columns_of([*waiting, goroutine(9, "select", "main.other")])]), (5, 6))


def document(**process: Any) -> dict[str, Any]:
    site = {"function": PLACE[0], "file": PLACE[1], "line": PLACE[2], "baseline": 0, "created": 4, "exited": 0}
    of = {"pid": 7, "exe": "/srv/orders", "go_version": "go1.27.3", "precise": True, "stale": False, "age_ns": 0}
    return {
        "process": {**of, **process},
        "sites": [{**site, "live": 4}],
        "totals": {"live": 4},
        "gc": None,
        "cost": {"probe_ns": 1, "cpu_ns": 50},
        "lost": {"samples_lost": 0, "exits_unplaced": 2},
        "source": "memory",
        "source_costs": "nothing",
        "source_because": "asked",
        "source_cannot": ["stops"],
    }


def test_a_row_has_what_was_counted_and_what_memory_shows() -> None:
    recent = Recent()
    recent.add(0.0, {PLACE: (0, 0)})
    recent.add(2.0, {PLACE: (4, 0)})
    (entry,) = picture_of(document(), recent, reading(), "").entries
    assert (entry.live, entry.created.text, entry.exited.text, entry.waits) == (4, "2", "0", "chan receive")
    assert "3 chan receive" in entry.details
    assert "1 select" in entry.details
    assert entry.key.place == "/srv/main.go:28"


def test_losses_staleness_and_what_is_not_precise_are_said() -> None:
    shown = picture_of(document(precise=False, stale=True, age_ns=20 * 10**9), Recent(), Reading(refusal="no"), "")
    assert shown.notes[0] == "stale: last observed 20 s ago"
    assert "lost exits_unplaced: 2" in shown.notes
    assert not any("samples_lost" in note for note in shown.notes)
    assert shown.notes[-1] == "no"
    assert isinstance(shown.entries[0].live, About)
    assert "it cannot see stops" in shown.about
    assert shown.summary == "4 live; counting costs 2.0 % of its CPU"


def test_pauses_are_those_of_memory_where_the_source_sees_none() -> None:
    assert picture_of(document(), Recent(), reading(), "").pauses_ns == (5, 6)
    assert picture_of(document(), Recent(), Reading(), "").pauses_ns is None
    counted = {**document(), "gc": {"pauses": [{"duration_ns": 9}]}}
    assert picture_of(counted, Recent(), reading(), "").pauses_ns == [9]


def test_before_anything_is_counted_rows_are_those_of_memory_without_rates() -> None:
    (entry,) = early("title", "placing", 7, reading()).entries
    assert (entry.live, entry.created.text, entry.key.pid) == (4, "-", 7)
