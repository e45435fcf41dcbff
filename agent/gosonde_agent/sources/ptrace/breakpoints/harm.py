"""When breakpoints do more harm than they may."""

import statistics
from collections import deque
from dataclasses import dataclass, field

#: More hits a second take more than 1 % of a core; a thread that is held so long, in the median, is noticed.
MOST_HITS, MOST_HELD_NS = 500, 1_000_000
#: Over how long hits are counted, and of how many hits the median is.
SECONDS, HELD = 1.0, 101
#: The fewest that have a median worth the name.
LEAST_HELD = 11


@dataclass(slots=True)
class Harm:
    """What the hits of a process have done to it lately.

    Attributes:
        began: When hits began to be counted, CLOCK_MONOTONIC seconds.
        waited_ns: How long the tracer had waited for a CPU by the last look, in all.
    """

    began: float
    waited_ns: int = 0
    _hits: int = 0
    _wakes: int = 0
    _held: deque[int] = field(default_factory=lambda: deque(maxlen=HELD))

    def add(self, held_ns: int) -> None:
        """Notes a hit, and how long its thread stood since the tracer woke up."""
        self._hits += 1
        self._held.append(held_ns)

    def woke(self) -> None:
        """Notes that the tracer woke up: it may have waited for a CPU before, and threads stood meanwhile."""
        self._wakes += 1

    def too_much(self, now: float, waited_ns: int) -> str:
        """Why the breakpoints have to go; empty while they may stay. `waited_ns` is the newest of the attribute."""
        late_ns = (waited_ns - self.waited_ns) / max(self._wakes, 1)
        self.waited_ns, self._wakes = waited_ns, 0
        seconds, hits = now - self.began, self._hits
        if seconds >= SECONDS:
            self.began, self._hits = now, 0
            if hits > MOST_HITS * seconds:
                return f"breakpoints were hit {hits / seconds:,.0f} times a second: more than {MOST_HITS}"
        held_ns = statistics.median(self._held) + late_ns if len(self._held) >= LEAST_HELD else 0
        if held_ns > MOST_HELD_NS:
            return f"a hit held its thread for {held_ns / 1e6:.1f} ms in the median: more than {MOST_HELD_NS / 1e6:g}"
        return ""
