"""Everything that is known of one finding, put together when somebody asks."""

from dataclasses import dataclass
from typing import Final

from gosonde.errors import NotFoundError

from gosonde_collector.analysis.analyst import Analyst
from gosonde_collector.analysis.finding import Finding
from gosonde_collector.analysis.gc_signs import gc_signs
from gosonde_collector.analysis.growth import LOOKBACK_NS, Steps, moments
from gosonde_collector.analysis.witnesses import Witness, usable
from gosonde_collector.model import ProcessFilter
from gosonde_collector.store.protocol import Store
from gosonde_collector.store.records import Series

#: Points of the live count, at most.
POINTS: Final = 120
#: Cycles of the process that are looked at.
CYCLES: Final = 1_000


@dataclass(frozen=True, slots=True)
class Explanation:
    """A finding with its evidence. `points` are (unix_nano, live), oldest first; empty when the process has ended."""

    finding: Finding
    points: tuple[tuple[int, int], ...]
    gc_signs: tuple[Witness, ...]


def explain(store: Store, analyst: Analyst, finding_id: str) -> Explanation:
    """Raises NotFoundError when there is no such finding, StoreError when the store fails."""
    finding = next((found for found in analyst.findings(ProcessFilter()) if found.id == finding_id), None)
    if finding is None:
        raise NotFoundError(f"there is no finding {finding_id}; `gosonde findings` lists those that there are")
    series = store.site_series(finding.host, finding.process, finding.site.pc, LOOKBACK_NS)
    if series is None:
        return Explanation(finding, (), ())
    return Explanation(finding, _points(series), _signs(store, analyst, series))


def _points(series: Series) -> tuple[tuple[int, int], ...]:
    steps = Steps(series.unix_nano, series.created, series.exited, series.until_unix_nano)
    at = moments(int(series.unix_nano[0]), series.until_unix_nano, POINTS - 1)
    created, exited = steps.at(at)
    return tuple(zip(at.tolist(), (created - exited).tolist(), strict=True))


def _signs(store: Store, analyst: Analyst, series: Series) -> tuple[Witness, ...]:
    key = series.process.key
    cycles = [c for c in store.gc_cycles(ProcessFilter(series.host, key.pid), CYCLES) if c.process == key]
    snapshot = store.newest_snapshot(series.host, key, from_memory=True)
    profile = snapshot.profile if snapshot and usable(series, snapshot) else None
    return gc_signs(series, cycles, analyst.traces.of(series.host, key), profile)
