"""Each process that is watched, and each change of its level, is noted once, with the program that it was done to."""

from dataclasses import replace

from gosonde_agent.model.trail import DROPPED, MOST_OF_AGENT, MOST_OF_OTHERS, REPEAT_SECONDS, Trail
from gosonde_agent.watch.audit import Audit
from gosonde_common.values.audit import MAX_DETAIL, Act, Actor
from gosonde_common.values.levels import Level, Reason, Step
from gosonde_common.values.observation import Process

from tests.unit.agent.observations import observed, process

ONE, TWO = process(1), process(2)
WHO = "uid 1000 pid 4711"


def noted(audit: Audit, *processes: Process) -> list[tuple[Act, int, str]]:
    return [(event.act, event.pid, event.detail) for event in audit.added_to(observed(*processes)).audit]


def test_a_process_begins_and_ends_once_however_often_it_is_observed() -> None:
    audit, ended = Audit(Trail()), replace(ONE, ended_unix_nano=9)
    assert noted(audit, ONE, TWO) == [(Act.WATCH_BEGAN, 1, "level full"), (Act.WATCH_BEGAN, 2, "level full")]
    assert noted(audit, ONE, TWO) == []
    assert noted(audit, ended, TWO) == [(Act.WATCH_ENDED, 1, "the process has ended")]
    assert noted(audit, ended, TWO) == []
    assert noted(audit, TWO) == []


def test_a_process_that_ended_before_it_was_observed_has_both_events_with_their_times() -> None:
    events = Audit(Trail()).added_to(observed(replace(ONE, ended_unix_nano=9))).audit
    assert [(event.act, event.at_unix_nano) for event in events] == [(Act.WATCH_BEGAN, 2), (Act.WATCH_ENDED, 9)]


def test_what_was_never_watched_and_sums_of_many_have_no_events() -> None:
    refused = replace(ONE, refusal="too old", counted_since_unix_nano=0)
    assert noted(Audit(Trail()), refused, replace(TWO, sums=7, ended_unix_nano=9)) == []


def test_a_process_that_is_no_longer_selected_ends_with_the_reason() -> None:
    audit = Audit(Trail())
    noted(audit, ONE)
    over = replace(ONE, refusal="not selected", ended_unix_nano=9)
    assert noted(audit, over) == [(Act.WATCH_ENDED, 1, "not selected")]


def test_each_step_between_two_observations_is_told_with_both_levels_and_the_reason() -> None:
    audit = Audit(Trail())
    noted(audit, ONE)
    steps = Step(5, Level.MEMORY, Reason.BUDGET, 70_000), Step(6, Level.OFF, Reason.OPERATOR, 0)
    changed = replace(ONE, level=Level.OFF, steps=steps)
    assert noted(audit, changed) == [
        (Act.LEVEL_CHANGED, 1, "full -> memory: budget"),
        (Act.LEVEL_CHANGED, 1, "memory -> off: operator"),
    ]
    assert noted(audit, changed) == []


def test_what_others_note_gets_the_executable_of_a_process_that_is_watched() -> None:
    trail = Trail()
    audit = Audit(trail)
    audit.added_to(observed(ONE))
    trail.note(Act.PROBES_OFF, Actor.LOCAL, WHO, pid=1)
    trail.note(Act.PROBES_OFF, Actor.LOCAL, WHO, pid=3)
    assert [event.exe for event in audit.added_to(observed(ONE)).audit] == ["/bin/1", ""]


def test_who_has_too_much_done_takes_no_room_from_others_and_gaps_show_what_was_dropped() -> None:
    trail = Trail()
    for number in range(MOST_OF_OTHERS + 3):
        trail.note(Act.PROBES_OFF, Actor.LOCAL, WHO, pid=number + 1)
    trail.note(Act.CONFIGURATION_RELOADED, Actor.SIGNAL, "SIGHUP")
    events = trail.take()
    assert [event.ordinal for event in events] == [*range(MOST_OF_OTHERS), MOST_OF_OTHERS + 3]
    assert events[-1].actor is Actor.SIGNAL
    assert trail.losses() == {DROPPED: 3}
    trail.note(Act.PROBES_ON, Actor.LOCAL, WHO)
    assert [event.ordinal for event in trail.take()] == [MOST_OF_OTHERS + 4]
    assert MOST_OF_AGENT > MOST_OF_OTHERS


def test_readings_that_are_repeated_are_one_event_a_minute() -> None:
    now = 0.0
    trail = Trail(lambda: now)
    for second in range(2 * int(REPEAT_SECONDS)):
        now = float(second)
        trail.note_reading(Act.GC_READ, WHO, 1)
    trail.note_reading(Act.GC_READ, "uid 0 pid 1", 1)
    trail.note_reading(Act.GC_READ, WHO, 2)
    assert [(event.who, event.pid) for event in trail.take()] == [(WHO, 1), (WHO, 1), ("uid 0 pid 1", 1), (WHO, 2)]


def test_long_words_are_cut() -> None:
    trail = Trail()
    trail.note(Act.RELOAD_REFUSED, Actor.SIGNAL, "SIGHUP", detail="x" * 10_000)
    (event,) = trail.take()
    assert len(event.detail) == MAX_DETAIL
    assert event.detail.endswith("…")
