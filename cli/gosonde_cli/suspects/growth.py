"""Whose goroutines become more all the while that a process is watched."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Final

from gosonde_common.values.goroutines import Location

#: Spans of time that are kept apart; when there are more, two become one.
SPANS: Final = 64
FIRST_SPAN_SECONDS: Final = 0.1
#: The time is looked at in so many parts. That eight numbers never fall by chance happens once in 40,320 cases.
PARTS: Final = 8
#: So many times the least number of a part must be above that of the part before it.
RISES: Final = 3
#: So many more goroutines there must be in the last part than in the first.
MORE: Final = 10


class Growth:
    """The least number of live goroutines of each `go` statement in each span of time."""

    def __init__(self) -> None:
        self._spans: dict[int, dict[Location, int]] = {}
        self._seconds = FIRST_SPAN_SECONDS

    def add(self, elapsed: float, live: Mapping[Location, int]) -> None:
        """Takes the live goroutines at a moment, in seconds since the beginning."""
        while elapsed >= SPANS * self._seconds:
            self._join()
        self._take(self._spans, int(elapsed / self._seconds), live)

    def _join(self) -> None:
        joined: dict[int, dict[Location, int]] = {}
        for number, least in self._spans.items():
            self._take(joined, number // 2, least)
        self._spans, self._seconds = joined, 2 * self._seconds

    @staticmethod
    def _take(spans: dict[int, dict[Location, int]], number: int, live: Mapping[Location, int]) -> None:
        """Who is not in one of two countings of a span had no goroutines then."""
        if (before := spans.get(number)) is None:
            spans[number] = dict(live)
        else:
            spans[number] = {place: min(before.get(place, 0), live.get(place, 0)) for place in {**before, **live}}

    def of(self, statement: Location) -> int:
        """By how much its goroutines rose, if they never became fewer and still rise; else 0."""
        parts = self._parts(statement)
        if (
            len(parts) <= RISES
            or parts[-1] - parts[0] < MORE
            or any(after < before for before, after in pairwise(parts))
        ):
            return 0
        rises = sum(after > before for before, after in pairwise(parts))
        return parts[-1] - parts[0] if rises >= RISES and parts[-1] > parts[-3] else 0

    def is_steady(self, statement: Location) -> bool:
        """Whether they rose in the second half of the time by no less than a quarter of what they did in the first."""
        parts = self._parts(statement)
        middle = parts[len(parts) // 2] if parts else 0
        return bool(parts) and parts[-1] - middle >= max(MORE / 2, (middle - parts[0]) / 4)

    def rose(self, statement: Location) -> int:
        """By how much its goroutines rose from the first part of the time to the last, however they did; or 0."""
        parts = self._parts(statement)
        more = parts[-1] - parts[0] if parts else 0
        return more if more >= MORE else 0

    def _parts(self, statement: Location) -> list[int]:
        end = max(self._spans, default=0) + 1
        parts: dict[int, int] = {}
        for number, least in sorted(self._spans.items()):
            part, live = number * PARTS // end, least.get(statement, 0)
            parts[part] = min(parts.get(part, live), live)
        return list(parts.values())
