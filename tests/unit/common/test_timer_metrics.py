"""Metrics of pending timers: a bounded number of series, whose sum is what is pending."""

from gosonde_common.gc_metrics import MAX_PROCESSES
from gosonde_common.owners import Owner
from gosonde_common.timer_metrics import MAX_GROUPS, timer_metrics
from gosonde_common.values.observation import ProcessKey, TimerReading
from gosonde_common.values.timers import PendingTimers, TimerGroup, TimerKind


def reading(pid: int, groups: int, others: int = 0, unread: str = "") -> tuple[Owner, TimerReading]:
    found = [TimerGroup(f"main.f{number}", "", TimerKind.FUNC, 10, 5, None, None, 0) for number in range(groups)]
    row = TimerReading(ProcessKey("boot", pid, 7, 0), 5, PendingTimers(found), others, others, unread)
    return Owner("", str(pid), "/bin/x"), row


def test_the_groups_beyond_the_tenth_are_summed() -> None:
    (metric,) = timer_metrics([reading(1, MAX_GROUPS + 2, others=3)])
    assert len(metric.samples) == MAX_GROUPS + 1
    assert [sample.value for sample in metric.samples if sample.labels["callback"] == "(others)"] == [23]


def test_the_processes_beyond_the_500_with_the_most_timers_are_summed() -> None:
    (metric,) = timer_metrics([reading(pid, 1) for pid in range(1, MAX_PROCESSES + 5)])
    assert len(metric.samples) == MAX_PROCESSES + 1
    assert [sample.value for sample in metric.samples if sample.labels["pid"] == "(others)"] == [40]


def test_a_process_whose_timers_could_not_be_read_has_no_number() -> None:
    (metric,) = timer_metrics([reading(1, 0, unread="no rights")])
    assert metric.samples == []
