"""How a finding's site went over time, for its charts and for the numbers below them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from gosonde_collector.analysis.course import Point, course
from gosonde_collector.analysis.explanation import Explanation
from gosonde_collector.store.protocol import Store


@dataclass(frozen=True, slots=True)
class Course:
    """Points over time, the oldest first; none when the process has ended.

    Attributes:
        is_precise: Neither readings of memory nor losses are in the numbers of live goroutines.
    """

    points: Sequence[Point] = ()
    is_precise: bool = True

    @property
    def gaps(self) -> int:
        """Stretches in which nothing was observed."""
        return sum(point.is_after_gap for point in self.points)

    @property
    def is_estimated(self) -> bool:
        """Whether some rate contains an estimate."""
        return any(point.is_estimated for point in self.points)

    @property
    def most_created(self) -> float:
        """Per second, at most."""
        return max((point.created_per_second or 0.0 for point in self.points), default=0.0)

    @property
    def most_exited(self) -> float:
        """Per second, at most."""
        return max((point.exited_per_second or 0.0 for point in self.points), default=0.0)

    @property
    def longest_pause_ns(self) -> int:
        """0 when there was none."""
        return max((point.longest_pause_ns or 0 for point in self.points), default=0)

    @property
    def most_marked_bytes(self) -> int:
        """The most that a cycle found alive; 0 when none has shown it."""
        return max((point.heap_marked_bytes or 0 for point in self.points), default=0)


def course_of(store: Store, known: Explanation) -> Course:
    """Raises StoreError."""
    if known.series is None:
        return Course()
    process = known.series.process
    timers = known.finding.timers
    is_precise = not timers.is_estimated if timers else process.precise or process.level == "sampled"
    return Course(course(store, known.series), is_precise)


def documents(went: Course) -> list[dict[str, Any]]:
    """The points as JSON."""
    return list(map(asdict, went.points))
