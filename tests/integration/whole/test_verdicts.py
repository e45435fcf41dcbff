"""`make accuracy-verdict` in small: a check of ten seconds names what nothing can wake, and nothing that is healthy."""

import pytest

from tests import labelled_programs, verdict_table, verdict_trials
from tests.verdict_trials import Judged, Situation

FOUND = ("leaky/channel_send", "leaky/one_in_a_hundred")
#: Held by something alive: ten seconds after the start nobody can know.
HELD = ("leaky/mutex_held", "leaky/ticker_never_stopped")
HEALTHY = ("healthy/listeners", "healthy/ramp_to_plateau", "healthy/socket_sessions", "healthy/worker_pool")
START = Situation("start", "check", 10.0)


@pytest.mark.usefixtures("ebpf")
def test_a_check_of_ten_seconds_names_leaks_and_nothing_that_is_healthy() -> None:
    labels = labelled_programs.leaky() + labelled_programs.healthy()
    chosen = [label for label in labels if label.name in {*FOUND, *HELD, *HEALTHY}]
    run = verdict_trials.run(chosen, [START], busy=False)
    judged = {one.label.name: one for one in run[START]}
    assert [name for name, one in judged.items() if one.found] == sorted(FOUND)
    assert [name for name in HELD if not judged[name].too_early] == []
    assert verdict_table.is_good(run), [(name, one.others) for name, one in judged.items()]


def test_the_table_has_precision_recall_and_who_was_misjudged() -> None:
    leak, other, pool = (labelled_programs.Labelled(name, cause=cause) for name, cause in NAMED)
    judged = [
        Judged(leak, True, False, ()),
        Judged(other, False, True, ()),
        Judged(pool, False, False, ("main.fill:7",)),
    ]
    run = {START: judged}
    assert not verdict_table.is_good(run)
    _, _, row, _, *wrong = verdict_table.lines({"quiet": run})
    assert row == "| start | quiet | 1 of 2 | 1 | 0 | 1 of 1 | 0 | 0.50 | 0.50 |"
    assert wrong == [
        "- start, quiet: named and not leaking: `healthy/pool` (main.fill:7).",
        "- start, quiet: too early to say: `leaky/other`.",
    ]


NAMED = (("leaky/one", "lock"), ("leaky/other", "lock"), ("healthy/pool", ""))
