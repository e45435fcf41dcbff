"""A receiver is told once of what begins, becomes more severe and is over, and again where it wants that."""

from dataclasses import replace
from typing import Any

import pytest
from gosonde_collector.outward.alerts import ledger as module
from gosonde_collector.outward.alerts.alert import Alert
from gosonde_collector.outward.alerts.ledger import Ledger, Manner, Message, Wanted

MILD = Alert("1", "info", "opened", {"host": "web-1"}, {"live": "5"}, 7)
BAD = replace(MILD, severity="warning", state="growing")
REPEATING = Manner(repeat_ns=60, by_labels=True)


def wanted(*alerts: Alert, **others: str) -> Wanted:
    return Wanted({alert.finding: alert for alert in alerts}, others)


def ledger(manner: Manner = Manner(), told: Any = ()) -> Ledger:  # noqa: B008 - it is frozen
    return Ledger("receiver", manner, {one.finding: one for one in told})


def tell(of: Ledger, what: Wanted, now: int) -> list[Message]:
    due = of.due(what, now)
    for message in due:
        of.delivered(message, now)
    return due


def test_what_is_told_is_not_told_again_though_its_numbers_change() -> None:
    told = ledger()
    assert tell(told, wanted(MILD), 1) == [Message(MILD)]
    assert tell(told, wanted(replace(MILD, annotations={"live": "900"})), 10**18) == []


def test_what_was_not_delivered_stays_due_as_its_newest_state_alone() -> None:
    told = ledger()
    assert told.due(wanted(MILD), 1) == [Message(MILD)]
    assert told.due(wanted(BAD), 2) == [Message(BAD)]
    assert told.due(wanted(**{"1": "resolved"}), 3) == []


def test_a_severity_rises_and_never_falls_while_an_alert_goes_on() -> None:
    told = ledger()
    assert [m.alert.severity for m in tell(told, wanted(MILD), 1) + tell(told, wanted(BAD), 2)] == ["info", "warning"]
    assert tell(told, wanted(MILD), 3) == []
    (over,) = tell(told, wanted(**{"1": "resolved"}), 4)
    assert (over.alert.severity, over.alert.state, over.ended_unix_nano) == ("warning", "resolved", 4)


def test_who_knows_alerts_by_their_labels_is_told_that_those_of_before_are_over() -> None:
    told = ledger(REPEATING)
    tell(told, wanted(MILD), 1)
    over, begun = tell(told, wanted(BAD), 2)
    assert (over.alert.all_labels, over.ended_unix_nano) == (MILD.all_labels, 2)
    assert begun == Message(BAD)
    moved = replace(BAD, labels={"host": "web-1", "pod": "web-7"})
    assert [(m.alert.labels.get("pod"), m.is_firing) for m in tell(told, wanted(moved), 3)] == [
        (None, False),
        ("web-7", True),
    ]
    assert tell(told, wanted(moved), 4) == []


def test_what_goes_on_is_repeated_with_its_newest_numbers() -> None:
    told = ledger(REPEATING)
    tell(told, wanted(MILD), 1)
    assert tell(told, wanted(MILD), 60) == []
    newer = replace(MILD, annotations={"live": "6"})
    before = told.number
    assert tell(told, wanted(newer), 61) == [Message(newer)]
    assert told.number == before
    assert tell(told, wanted(newer), 62) == []


@pytest.mark.parametrize(
    ("others", "state"), [({"1": "muted"}, "muted"), ({"1": "withdrawn"}, "withdrawn"), ({}, "gone")]
)
def test_what_is_no_alert_any_more_is_told_to_be_over_once_and_why(others: dict[str, str], state: str) -> None:
    told = ledger(REPEATING)
    tell(told, wanted(MILD), 1)
    (over,) = tell(told, wanted(**others), 5)
    assert (over.alert.state, over.alert.annotations["state"], over.is_firing) == (state, state, False)
    assert tell(told, wanted(**others), 500) == []


def test_after_a_restart_nothing_is_told_twice_and_what_ended_meanwhile_is_told() -> None:
    first = ledger()
    tell(first, wanted(MILD, replace(BAD, finding="2")), 1)
    again = ledger(told=first.reported)
    (over,) = again.due(wanted(MILD, **{"2": "resolved"}), 9)
    assert (over.alert.finding, over.alert.labels, over.ended_unix_nano) == ("2", BAD.labels, 9)


def test_after_a_restart_who_wants_repetition_is_told_at_once() -> None:
    first = ledger(REPEATING)
    tell(first, wanted(MILD), 10**18)
    assert ledger(REPEATING, first.reported).due(wanted(MILD), 10**18 + 1) == [Message(MILD)]


def test_of_too_many_those_that_are_known_go_on_and_the_rest_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ALERTS", 2)
    told = ledger()
    tell(told, wanted(MILD), 1)
    many = wanted(*(replace(MILD, finding=str(number)) for number in (5, 4, 3, 1)))
    assert [message.alert.finding for message in tell(told, many, 2)] == ["5"]
    assert told.left_out == {"4", "3"}
    fewer = wanted(many.alerts["5"], many.alerts["4"])
    assert [m.alert.finding for now in (3, 4) for m in tell(told, fewer, now)] == ["1", "4"]
    assert told.left_out == frozenset()


def test_each_change_that_a_restart_must_know_of_has_a_number() -> None:
    told = ledger()
    for what in (wanted(MILD), wanted(BAD), wanted()):
        before = told.number
        tell(told, what, 1)
        assert told.number > before
    assert told.reported == []
