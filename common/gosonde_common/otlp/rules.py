"""What each metric of Prometheus is called in OpenTelemetry. docs/otlp.md lists each."""

from collections.abc import Mapping
from enum import Enum, auto
from types import MappingProxyType
from typing import Final, NamedTuple


class Kind(Enum):
    """Of an instrument."""

    COUNTER = auto()
    UP_DOWN_COUNTER = auto()
    GAUGE = auto()
    HISTOGRAM = auto()


class Rule(NamedTuple):
    """Name, unit (UCUM) and kind."""

    name: str
    unit: str
    kind: Kind


#: By the semantic conventions for the Go runtime, of each process.
GOROUTINES: Final = Rule("go.goroutine.count", "{goroutine}", Kind.UP_DOWN_COUNTER)
GC_CYCLES: Final = Rule("go.memory.gc.cycles", "{gc_cycle}", Kind.COUNTER)


class Figure(NamedTuple):
    """A field of RuntimeFigures, and the attributes that it has besides."""

    rule: Rule
    field: str
    attributes: Mapping[str, str] = MappingProxyType({})


MEMORY_USED: Final = Rule("go.memory.used", "By", Kind.UP_DOWN_COUNTER)
#: What runtimes say of themselves, by the same conventions.
FIGURES: Final = (
    Figure(MEMORY_USED, "stack_bytes", MappingProxyType({"go.memory.type": "stack"})),
    Figure(MEMORY_USED, "other_bytes", MappingProxyType({"go.memory.type": "other"})),
    Figure(Rule("go.memory.limit", "By", Kind.UP_DOWN_COUNTER), "memory_limit_bytes"),
    Figure(Rule("go.memory.allocated", "By", Kind.COUNTER), "allocated_bytes"),
    Figure(Rule("go.memory.allocations", "{allocation}", Kind.COUNTER), "allocations"),
    Figure(Rule("go.memory.gc.goal", "By", Kind.UP_DOWN_COUNTER), "gc_goal_bytes"),
    Figure(Rule("go.config.gogc", "%", Kind.UP_DOWN_COUNTER), "gogc_percent"),
    Figure(Rule("go.processor.limit", "{thread}", Kind.UP_DOWN_COUNTER), "processors"),
)

#: By the name that the metric has in Prometheus, without the ending of counters. What is not here is not exported.
RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        "gosonde_gc_pause_seconds": Rule("go.memory.gc.pause.duration", "s", Kind.HISTOGRAM),
        "gosonde_goroutines_created": Rule("gosonde.goroutine.created", "{goroutine}", Kind.COUNTER),
        "gosonde_goroutines_exited": Rule("gosonde.goroutine.exited", "{goroutine}", Kind.COUNTER),
        "gosonde_goroutines_live": Rule("gosonde.goroutine.live", "{goroutine}", Kind.UP_DOWN_COUNTER),
        "gosonde_goroutines_created_estimate": Rule("gosonde.goroutine.created.estimate", "{goroutine}", Kind.GAUGE),
        "gosonde_goroutines_created_estimate_low": Rule("gosonde.goroutine.created.low", "{goroutine}", Kind.GAUGE),
        "gosonde_goroutines_created_estimate_high": Rule("gosonde.goroutine.created.high", "{goroutine}", Kind.GAUGE),
        "gosonde_goroutines_exited_estimate": Rule("gosonde.goroutine.exited.estimate", "{goroutine}", Kind.GAUGE),
        "gosonde_goroutines_exited_estimate_low": Rule("gosonde.goroutine.exited.low", "{goroutine}", Kind.GAUGE),
        "gosonde_goroutines_exited_estimate_high": Rule("gosonde.goroutine.exited.high", "{goroutine}", Kind.GAUGE),
        "gosonde_pending_timers": Rule("gosonde.timer.pending", "{timer}", Kind.UP_DOWN_COUNTER),
        "gosonde_probe_seconds": Rule("gosonde.probe.time", "s", Kind.COUNTER),
        "gosonde_probe_overhead_ratio": Rule("gosonde.probe.overhead", "1", Kind.GAUGE),
        "gosonde_findings": Rule("gosonde.finding.count", "{finding}", Kind.UP_DOWN_COUNTER),
        "gosonde_findings_muted": Rule("gosonde.finding.muted", "{finding}", Kind.UP_DOWN_COUNTER),
        "gosonde_analysis_age_seconds": Rule("gosonde.analysis.age", "s", Kind.GAUGE),
        "gosonde_agent_lost": Rule("gosonde.agent.lost", "1", Kind.COUNTER),
        "gosonde_observation_age_seconds": Rule("gosonde.observation.age", "s", Kind.GAUGE),
        "gosonde_observation_stale": Rule("gosonde.observation.stale", "1", Kind.GAUGE),
        "gosonde_otlp_sent": Rule("gosonde.otlp.sent", "1", Kind.COUNTER),
        "gosonde_otlp_dropped": Rule("gosonde.otlp.dropped", "1", Kind.COUNTER),
        "gosonde_otlp_failures": Rule("gosonde.otlp.failures", "1", Kind.COUNTER),
        "gosonde_otlp_queued": Rule("gosonde.otlp.queued", "1", Kind.UP_DOWN_COUNTER),
        "gosonde_otlp_left_out": Rule("gosonde.otlp.left_out", "{process}", Kind.UP_DOWN_COUNTER),
    }
)

#: What the labels of Prometheus metrics are called as attributes; those of Owner are part of the resource.
ATTRIBUTES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "function": "code.function.name",
        "phase": "gosonde.gc.phase",
        "kind": "gosonde.timer.kind",
        "callback": "gosonde.timer.callback",
        "waits_in": "gosonde.timer.waits_in",
        "repeats": "gosonde.timer.repeats",
        "state": "gosonde.finding.state",
        "counter": "gosonde.loss",
        "signal": "gosonde.otlp.signal",
        "reason": "gosonde.otlp.reason",
    }
)
