"""Where the parts of a process's past stand in a picture, and lines of numbers over them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gosonde_collector.store.records import Past

#: A line's own coordinates, which a browser stretches to the width that there is.
WIDE: Final = 1_000
HIGH: Final = 100
#: What is drawn of a single point.
DASH: Final = 8


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time; `x` and `width` are its place in percent of the picture's width."""

    from_unix_nano: int
    until_unix_nano: int
    x: float
    width: float


def percent(past: Past, unix_nano: int) -> float:
    """Where a moment stands, from 0 at the beginning to 100 at the end; what is beyond them stands there."""
    whole = max(past.ends_unix_nano[-1] - past.since_unix_nano, 1)
    return round(min(max(unix_nano - past.since_unix_nano, 0) / whole, 1.0) * 100, 2)


def span(past: Past, from_unix_nano: int, until_unix_nano: int) -> Span:
    """A stretch of the past."""
    x = percent(past, from_unix_nano)
    return Span(from_unix_nano, until_unix_nano, x, round(percent(past, until_unix_nano) - x, 2))


def spans(past: Past) -> list[Span]:
    """Of each part."""
    begins = (past.since_unix_nano, *past.ends_unix_nano[:-1])
    return [span(past, begin, end) for begin, end in zip(begins, past.ends_unix_nano, strict=True)]


def path(past: Past, points: Sequence[tuple[int, float]], top: float) -> str:
    """A line through (unix_nano, number from 0 to `top`), as an SVG's `path` has it; a single point is a dash."""
    places = [
        (round(percent(past, at) * WIDE / 100), round(HIGH - min(max(number / (top or 1), 0), 1) * HIGH, 1))
        for at, number in points
    ]
    if len(places) == 1:
        x, y = places[0]
        return f"M{max(x - DASH, 0)} {y:g}h{DASH}"
    return "M" + "L".join(f"{x} {y:g}" for x, y in places) if places else ""
