"""Exports by OTLP of what the agent knows. Nothing of it is imported before there is a receiver."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from gosonde_common.clock import steady_unix_nano
from gosonde_common.otlp.keys import OtlpKeys
from gosonde_common.owners import owner_of
from gosonde_common.values.observation import Observation

from gosonde_agent.discovery import facts
from gosonde_agent.serve.latest import Latest

if TYPE_CHECKING:
    from gosonde_common.otlp.exporting import Exporting
    from gosonde_common.otlp.targets import Figures, Target

    from gosonde_agent.serve.telemetry import AgentMetrics


class Exports:
    """Belongs to the event loop; a thread of its own exports."""

    def __init__(self, host: str, latest: Latest, metrics: Callable[[], AgentMetrics]) -> None:
        self._host = host
        self._latest = latest
        self._metrics = metrics
        self._exporting: Exporting | None = None
        self._started_unix_nano = steady_unix_nano()

    def apply(self, keys: OtlpKeys) -> None:
        """Exports from now on as the configuration says."""
        if keys.otlp and not self._exporting:
            from gosonde_common.otlp.exporting import Exporting  # noqa: PLC0415

            self._exporting = Exporting(self.figures, "gosonde-agent", self._host)
            self._metrics().exports = self._exporting.counts
        if self._exporting:
            self._exporting.apply(keys)

    def close(self) -> None:
        """Exports nothing any more; takes a moment."""
        if self._exporting:
            self._exporting.close()

    def figures(self) -> Figures:
        """As of the newest observation. Called from the thread that exports."""
        from gosonde_common.otlp.targets import MAX_TARGETS, Figures  # noqa: PLC0415

        newest = self._latest.current(None)
        targets = sorted(_targets(newest), key=lambda target: -(target.goroutines or 0))
        age_ns = max(steady_unix_nano() - newest.taken_unix_nano, 0) if newest.taken_unix_nano else 0
        families = tuple(self._metrics().collect())
        left_out = len(targets[MAX_TARGETS:])
        return Figures(families, targets[:MAX_TARGETS], {"": age_ns}, left_out, self._started_unix_nano)


def _targets(newest: Observation) -> Iterator[Target]:
    """Every process of its own that runs and is watched."""
    from gosonde_common.otlp.targets import Target  # noqa: PLC0415

    goroutines: Counter[object] = Counter()
    for row in newest.site_counts:
        goroutines[row.process] += row.live
    cycles = {total.process: total.cycles for total in newest.gc_totals}
    figures = {row.process: row.runtime_figures for row in newest.runtimes}
    for process in newest.processes:
        if process.refusal or process.ended_unix_nano or process.sums:
            continue
        key = process.key
        yield Target(
            owner=owner_of("", key.pid, process.exe, process.container),
            boot_id=key.boot_id,
            start_ticks=key.start_ticks,
            go_version=process.go_version,
            container=process.container,
            units=tuple(facts.units(key.pid)),
            since_unix_nano=process.counted_since_unix_nano,
            goroutines=goroutines[key],
            gc_cycles=cycles.get(key),
            started_unix_nano=process.started_unix_nano,
            runtime_figures=figures.get(key),
        )
