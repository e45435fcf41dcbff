"""Panels of the hosts that are chosen: which processes grow, whose pauses are long, what is lost."""

from collections.abc import Iterator

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import Panel

from scripts.dashboard import parts
from scripts.dashboard.expressions import HOSTS, PROCESS, growth, quantile, with_finding, without_finding

NAME = "{{exe}} {{pid}} {{host}}"


def panels() -> Iterator[Builder[Panel]]:
    """In the order in which they are read."""
    own = f'{HOSTS}, pid!="(others)"'
    grows = f"sum by ({PROCESS}) ({growth(own)})"
    yield _of_processes("Growth by process", "More live goroutines each second, of the ten that grow most.", grows)
    pauses = quantile(0.99, own, PROCESS)
    yield _of_processes("GC pauses by process", "99th percentile, of the ten with the longest.", pauses, "s")
    lost = f"sum by (instance, host, counter) (increase(gosonde_agent_lost_total{{{HOSTS}}}[$__rate_interval]))"
    yield parts.chart(
        "Losses",
        "What agents could not see or keep, by counter: docs/metrics.md explains each. 0 is good.",
        parts.query(f"topk(10, {lost})", "{{counter}} {{host}} {{instance}}"),
    )
    offsets = f"gosonde_collector_clock_offset_seconds{{{HOSTS}}}"
    yield parts.chart(
        "Clocks", "How far each host's clock is ahead of the collector's.", parts.query(offsets, "{{host}}"), unit="s"
    )


def _of_processes(title: str, said: str, what: str, unit: str = "short") -> Builder[Panel]:
    found = f"topk(10, {with_finding(what, PROCESS)})"
    others = f"topk(10, {without_finding(what, PROCESS)})"
    said = f"{said} Those that have an open finding lead to one."
    queries = parts.query(found, NAME), parts.query(others, NAME, "B")
    return parts.leading_to_findings(parts.chart(title, said, *queries, unit=unit))


def of_agents() -> Iterator[Builder[Panel]]:
    """What only agents say of themselves."""
    cpu, core = "gosonde_agent_cpu_ratio", "topk(10, gosonde_probe_core_ratio)"
    yield parts.chart(
        "CPU of agents",
        "Of agent and helper in the last minute, as a part of one core.",
        parts.query(cpu, "{{instance}}"),
        unit="percentunit",
        width=8,
    )
    yield parts.chart(
        "Cost of probes",
        "CPU time of a process that its probes took, as a part of one core; the ten with the highest.",
        parts.query(core, "{{exe}} {{pid}} {{instance}}"),
        unit="percentunit",
        width=8,
    )
    yield parts.chart(
        "Spools",
        "What waits for a collector.",
        parts.query("gosonde_agent_spool_bytes", "{{instance}}"),
        unit="bytes",
        width=8,
    )
