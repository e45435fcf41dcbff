"""What `gosonde trace` keeps of the observations of one process."""

from gosonde_agent.trace import Trace

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
