"""Pending timers as metrics of an agent or a collector: a bounded number of series, the rest summed."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final, Protocol

from prometheus_client.core import GaugeMetricFamily, Metric

from gosonde_common.gc_metrics import MAX_PROCESSES
from gosonde_common.owners import OTHERS, Owner
from gosonde_common.values.timers import PendingTimers

#: Groups of a process with series of their own.
MAX_GROUPS: Final = 10


class Reading(Protocol):
    """What an agent or a collector knows of the timers of a process."""

    @property
    def found(self) -> PendingTimers:
        """What was found, with the largest groups alone."""

    @property
    def unread(self) -> str:
        """Why nothing was; empty otherwise."""

    @property
    def pending(self) -> int:
        """All that are pending."""


def timer_metrics(rows: Iterable[tuple[Owner, Reading]]) -> Iterator[Metric]:
    """How many are pending, by callback; a process whose timers could not be read has none."""
    labels = (*Owner._fields, "kind", "callback", "waits_in", "repeats")
    pending = GaugeMetricFamily("gosonde_pending_timers", "Timers that have not fired yet.", labels=labels)
    others: Counter[tuple[str, ...]] = Counter()
    most = sorted((row for row in rows if not row[1].unread), key=lambda row: -row[1].pending)
    for owner, row in most[:MAX_PROCESSES]:
        sums: Counter[tuple[str, ...]] = Counter()
        for group in row.found.groups[:MAX_GROUPS]:
            repeats = "yes" if group.period_ns else "no"
            sums[(*owner, group.kind.value, group.callback, group.waits_in, repeats)] += group.pending
        for values, number in sums.items():
            pending.add_metric(values, number)
        others[(*owner, "", OTHERS, "", "")] += row.pending - sum(sums.values())
    for owner, row in most[MAX_PROCESSES:]:
        others[(*Owner(owner.host, OTHERS, ""), "", OTHERS, "", "")] += row.pending
    for values, number in (+others).items():
        pending.add_metric(values, number)
    return iter((pending,))
