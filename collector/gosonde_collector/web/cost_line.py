"""Which levels a process had, against time, and what its probes cost."""

from dataclasses import asdict, dataclass
from typing import Any

from gosonde_collector.model.values import Process
from gosonde_collector.store.records import Past
from gosonde_collector.web import time_axis
from gosonde_collector.web.process_rows import PPM
from gosonde_collector.web.time_axis import Span


@dataclass(frozen=True, slots=True)
class Held:
    """A level that held for a time; `row` is its place in Costs.levels."""

    level: str
    row: int
    span: Span


@dataclass(frozen=True, slots=True)
class CostPoint:
    """What the probes cost at a moment, and the most since the point before, in percent of the process's CPU time."""

    unix_nano: int
    overhead_percent: float
    highest_overhead_percent: float


@dataclass(frozen=True, slots=True)
class Costs:
    """The line through the highest costs reaches to `top_percent`; levels stand in the order in which they came."""

    held: list[Held]
    levels: list[str]
    points: list[CostPoint]
    top_percent: float
    line: str


def costs(past: Past) -> Costs:
    """In the past of a process."""
    held = _held(past, past.known.process)
    levels = list(dict.fromkeys(level for level, _ in held))
    points = _points(past)
    top = max((one.highest_overhead_percent for one in points), default=0.0)
    return Costs(
        [Held(level, levels.index(level), time_axis.span(past, *times)) for level, times in held],
        levels,
        points,
        top,
        time_axis.path(past, [(one.unix_nano, one.highest_overhead_percent) for one in points], top),
    )


def _held(past: Past, process: Process) -> list[tuple[str, tuple[int, int]]]:
    """(level, (from, until)) in order; nothing before the first change that is known of."""
    since, until = past.since_unix_nano, past.ends_unix_nano[-1]
    if not process.steps:
        return [(process.level, (since, until))]
    begins = [min(max(step.at_unix_nano, since), until) for step in process.steps]
    times = zip(begins, [*begins[1:], until], strict=True)
    return [(step.level, (a, b)) for step, (a, b) in zip(process.steps, times, strict=True) if a < b]


def _points(past: Past) -> list[CostPoint]:
    """One for each part from the first of which the cost is known; what was not said again still holds."""
    said = {one.part: one for one in past.costs}
    points: list[CostPoint] = []
    for part, end in enumerate(past.ends_unix_nano):
        if one := said.get(part):
            points.append(CostPoint(end, one.ppm / PPM, one.highest_ppm / PPM))
        elif points:
            cost = points[-1].overhead_percent
            points.append(CostPoint(end, cost, cost))
    return points


def document(past: Past) -> dict[str, Any]:
    """Keys of a process's JSON."""
    known = costs(past)
    return {
        "levels": [
            {
                "level": one.level,
                "from_unix_nano": one.span.from_unix_nano,
                "until_unix_nano": one.span.until_unix_nano,
            }
            for one in known.held
        ],
        "costs": list(map(asdict, known.points)),
    }
