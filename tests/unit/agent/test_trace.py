"""What `gosonde trace` keeps of the observations of one process."""

import pytest
from gosonde_agent.watch.trace import seen
from gosonde_agent.watch.trace.seen import Trace
from gosonde_common.values.observation import ProbeCost

from tests.unit.agent import observations as of


def test_a_stop_that_came_to_light_after_the_totals_belongs_to_them_when_they_count_it_and_only_then() -> None:
    traced, other = of.process(1), of.process(2)
    trace = Trace()
    trace.add(of.observed(traced, other, gc_totals=(of.total(traced, 1),), pauses=(of.pause(traced, 0),)), 1)
    trace.add_pauses(of.observed(traced, other, pauses=(of.pause(traced, 1), of.pause(other, 1), of.pause(traced, 2))))
    trace.keep_counted_pauses()
    assert trace.pauses == [of.pause(traced, 0), of.pause(traced, 1)]
    assert trace.gc is not None
    assert sum(pause.duration_ns for pause in trace.pauses) == trace.gc.gc_pause_ns


def test_what_the_probes_cost_is_kept_when_the_process_has_ended() -> None:
    traced, other = of.process(1), of.process(2)
    trace = Trace()
    costs = [ProbeCost(one.key, probe_ns, 1_000, 0, 0) for one, probe_ns in ((other, 7), (traced, 30))]
    trace.add(of.observed(traced, other, probe_costs=tuple(costs)), 1)
    trace.add(of.observed(traced, other), 1)
    assert trace.cost == costs[1]


def test_of_very_many_stops_the_newest_are_kept_and_the_others_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seen, "MOST_PAUSES", 3)
    traced = of.process(1)
    trace = seen.Trace()
    for end in (4, 8):
        pauses = tuple(of.pause(traced, ordinal) for ordinal in range(end - 4, end))
        trace.add(of.observed(traced, gc_totals=(of.total(traced, end // 2),), pauses=pauses), 1)
    trace.keep_counted_pauses()
    assert [pause.ordinal for pause in trace.pauses] == [5, 6, 7]
    assert trace.pauses_left_out == 5
