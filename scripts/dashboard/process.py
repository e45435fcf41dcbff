"""Panels of the processes that are chosen: `go` statements, pauses, timers."""

from collections.abc import Iterator

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import Panel

from scripts.dashboard import parts
from scripts.dashboard.expressions import PROCESSES, SITE, growth, live, quantile, with_finding, without_finding

SITE_NAME = "{{function}} {{location}} {{pid}}"


def panels() -> Iterator[Builder[Panel]]:
    """In the order in which they are read."""
    by_site = f"sum by ({SITE}) ({live(PROCESSES)})"
    yield parts.stacked(
        parts.chart(
            "Live goroutines by go statement",
            "The ten with the most; (others) is the sum of those of a process that have no series of their own.",
            parts.query(f"topk(10, {by_site})", SITE_NAME),
        )
    )
    yield _growth()
    yield parts.chart(
        "Goroutines created and exited each second",
        "As counted; what is estimated beyond that is not in it.",
        parts.query(f"sum(rate(gosonde_goroutines_created_total{{{PROCESSES}}}[$__rate_interval]))", "created"),
        parts.query(f"sum(rate(gosonde_goroutines_exited_total{{{PROCESSES}}}[$__rate_interval]))", "exited", "B"),
    )
    timers = f"topk(10, sum by (callback, kind, waits_in) (gosonde_pending_timers{{{PROCESSES}}}))"
    yield parts.chart(
        "Pending timers", "By what they will call.", parts.query(timers, "{{callback}} {{kind}} {{waits_in}}")
    )
    buckets = f"sum by (le) (increase(gosonde_gc_pause_seconds_bucket{{{PROCESSES}}}[$__rate_interval]))"
    yield parts.map_of("GC pauses", "Stop-the-world pauses, by how long they were.", buckets, "s").links(
        [parts.link("Open the findings", "${web:raw}/findings")]
    )
    yield _quantiles()


def _growth() -> Builder[Panel]:
    what = growth(PROCESSES)
    return parts.leading_to_findings(
        parts.chart(
            "Growth by go statement",
            "More live goroutines each second, of the ten that grow most. Those with an open finding lead to it.",
            parts.query(f"topk(10, {with_finding(what, SITE)})", SITE_NAME),
            parts.query(f"topk(10, {without_finding(what, SITE)})", SITE_NAME, "B"),
        )
    )


def _quantiles() -> Builder[Panel]:
    cycles = f"sum(rate(gosonde_gc_cycles_total{{{PROCESSES}}}[$__rate_interval]))"
    panel = parts.chart(
        "GC pauses and cycles",
        "Median and 99th percentile of pauses; cycles each second, on the right.",
        parts.query(quantile(0.5, PROCESSES, ""), "p50"),
        parts.query(quantile(0.99, PROCESSES, ""), "p99", "B"),
        parts.query(cycles, "cycles each second", "C"),
        unit="s",
    )
    return panel.override_by_query("C", parts.ON_THE_RIGHT)
