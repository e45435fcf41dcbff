"""Goroutines by process and go statement, as Prometheus metrics: the top sites by name, the rest summed."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from gosonde_common.owners import OTHERS, Owner

#: Sites of a process that have metrics of their own, those with the most live goroutines first.
TOP_SITES: Final = 10
#: Sites that have metrics of their own in all.
MAX_SITES: Final = 2_000
LABELS: Final = (*Owner._fields, "function", "location")


class Estimated(NamedTuple):
    """How many creations and exits of which no statement is known were probably at one, with bounds."""

    created: int
    created_low: int
    created_high: int
    exited: int
    exited_low: int
    exited_high: int


@dataclass(frozen=True, slots=True)
class SiteRow:
    """A `go` statement of a process with its totals, and what is estimated to come on top of them."""

    owner: Owner
    function: str
    location: str
    created: int
    exited: int
    live: int
    estimated: Estimated | None = None


def goroutine_metrics(rows: Iterable[SiteRow], elsewhere: Mapping[str, int] = MappingProxyType({})) -> Iterator[Metric]:
    """gosonde_goroutines_created_total, gosonde_goroutines_exited_total, gosonde_goroutines_live, and estimates.

    A row whose function is OTHERS is the sum of a process's other sites; `elsewhere` says how many goroutines live in
    the other processes of each host.
    """
    created = CounterMetricFamily(
        "gosonde_goroutines_created", "Goroutines created since counting began.", labels=LABELS
    )
    exited = CounterMetricFamily("gosonde_goroutines_exited", "Goroutines exited since counting began.", labels=LABELS)
    live = GaugeMetricFamily("gosonde_goroutines_live", "Goroutines that are alive.", labels=LABELS)
    grouped = _grouped(rows)
    for labels, members in grouped.items():
        # Whose members change is no counter: it would fall when one of them gets metrics of its own.
        if OTHERS not in labels:
            created.add_metric(labels, sum(row.created for row in members))
            exited.add_metric(labels, sum(row.exited for row in members))
        more = elsewhere.get(labels[0], 0) if labels[1] == OTHERS else 0
        live.add_metric(labels, sum(row.live for row in members) + more)
    for host, more in elsewhere.items():
        if (labels := _elsewhere(host)) not in grouped:
            live.add_metric(labels, more)
    return iter((created, exited, live, *_estimates(grouped)))


def _estimates(grouped: Mapping[tuple[str, ...], Sequence[SiteRow]]) -> Iterator[Metric]:
    """gosonde_goroutines_created_estimate, gosonde_goroutines_exited_estimate, and the bounds of each."""
    estimates = {labels: found for labels, rows in grouped.items() if (found := _summed(rows)) and OTHERS not in labels}
    for name in Estimated._fields:
        what, _, bound = name.partition("_")
        said = f"Estimate of goroutines {what} at this go statement, beyond those counted"
        said += f": {bound} 95 % bound." if bound else "."
        metric = GaugeMetricFamily(f"gosonde_goroutines_{what}_estimate_{bound}".rstrip("_"), said, labels=LABELS)
        for labels, estimate in estimates.items():
            metric.add_metric(labels, getattr(estimate, name))
        yield metric


def _summed(rows: Sequence[SiteRow]) -> Estimated | None:
    """The sums of what is estimated of rows, bounds too: they are as wide as they may be. None where nothing is."""
    found = [row.estimated for row in rows if row.estimated]
    return Estimated(*map(sum, zip(*found, strict=True))) if found else None


def _grouped(rows: Iterable[SiteRow]) -> dict[tuple[str, ...], list[SiteRow]]:
    """Rows by labels; several rows of one statement (a line may have several, a library several copies) are summed."""
    processes: dict[Owner, list[SiteRow]] = defaultdict(list)
    for row in rows:
        processes[row.owner].append(row)
    grouped: dict[tuple[str, ...], list[SiteRow]] = defaultdict(list)
    for members in sorted(processes.values(), key=_live, reverse=True):
        members.sort(key=lambda row: (row.function == OTHERS, -row.live, -row.created))
        for place, row in enumerate(members):
            own = place < TOP_SITES and row.function != OTHERS
            grouped[_labels(row, own=own, room=len(grouped) < MAX_SITES)].append(row)
    return grouped


def _live(rows: Sequence[SiteRow]) -> int:
    return sum(row.live for row in rows)


def _labels(row: SiteRow, *, own: bool, room: bool) -> tuple[str, ...]:
    if not room:
        return _elsewhere(row.owner.host)
    if not own:
        return *row.owner, OTHERS, ""
    return *row.owner, row.function, row.location


def _elsewhere(host: str) -> tuple[str, ...]:
    return *Owner(host, OTHERS, OTHERS), OTHERS, ""
