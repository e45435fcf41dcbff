"""How long pauses of the garbage collector take, against time, and the heap beside it."""

import math
from dataclasses import asdict, dataclass
from typing import Any, Final

from gosonde_collector.store.records import PAUSES_NS, Past
from gosonde_collector.web import time_axis
from gosonde_collector.web.time_axis import Span

#: So strong are the colours of few pauses and of the most, so that text on them can be read.
FAINT, STRONG = 0.1, 0.46
UNITS: Final = ((10**9, "s"), (10**6, "ms"), (10**3, "µs"))


@dataclass(frozen=True, slots=True)
class Cell:
    """Pauses of one length in one part of the time; `row` counts from the longest, `opacity` shows how many."""

    span: Span
    row: int
    at_least_ns: int
    length: str
    pauses: int
    opacity: float


@dataclass(frozen=True, slots=True)
class PauseMap:
    """Cells in order of time, and what each row stands for, the longest first."""

    cells: list[Cell]
    rows: list[str]


@dataclass(frozen=True, slots=True)
class HeapPoint:
    """The heap up to a moment: as HeapIn."""

    unix_nano: int
    before_bytes: int
    marked_bytes: int
    goal_bytes: int


@dataclass(frozen=True, slots=True)
class HeapLines:
    """Points, and lines through what each has, the highest of which reaches to `top_bytes`."""

    points: list[HeapPoint]
    top_bytes: int
    before: str
    marked: str
    goal: str


def pause_map(past: Past) -> PauseMap:
    """With rows from the longest to the shortest pause that there is."""
    steps = [one.step for one in past.pauses]
    if not steps:
        return PauseMap([], [])
    longest, most = max(steps), max(one.pauses for one in past.pauses)
    parts = time_axis.spans(past)
    cells = [
        Cell(parts[one.part], longest - one.step, PAUSES_NS[one.step], length(one.step), one.pauses,
             round(FAINT + (STRONG - FAINT) * math.log1p(one.pauses) / math.log1p(most), 2))
        for one in past.pauses
    ]  # fmt: skip
    return PauseMap(cells, [length(step) for step in range(longest, min(steps) - 1, -1)])


def length(step: int) -> str:
    """What pauses of a step of PAUSES_NS have in common."""
    return f"from {_duration(PAUSES_NS[step])}" if step else f"under {_duration(PAUSES_NS[1])}"


def _duration(nanoseconds: int) -> str:
    divisor, unit = next((divisor, unit) for divisor, unit in UNITS if nanoseconds >= divisor)
    return f"{nanoseconds // divisor} {unit}"


def heap_lines(past: Past) -> HeapLines:
    """Of the parts in which it is known."""
    points = _heap_points(past)
    top = max((max(one.before_bytes, one.marked_bytes, one.goal_bytes) for one in points), default=0)

    def line(name: str) -> str:
        return time_axis.path(past, [(one.unix_nano, getattr(one, name)) for one in points], top)

    return HeapLines(points, top, line("before_bytes"), line("marked_bytes"), line("goal_bytes"))


def _heap_points(past: Past) -> list[HeapPoint]:
    return [HeapPoint(past.ends_unix_nano[part], *sizes) for part, *sizes in past.heaps]


def document(past: Past) -> dict[str, Any]:
    """Keys of a process's JSON."""
    return {
        "pause_counts": [
            {
                "from_unix_nano": cell.span.from_unix_nano,
                "until_unix_nano": cell.span.until_unix_nano,
                "at_least_ns": cell.at_least_ns,
                "pauses": cell.pauses,
            }
            for cell in pause_map(past).cells
        ],
        "heap_points": list(map(asdict, _heap_points(past))),
    }
