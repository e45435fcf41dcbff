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
    """What the hits of a process have done to it lately. `began`: when counting began, CLOCK_MONOTONIC seconds."""

    began: float
    _hits: int = 0
    _held: deque[int] = field(default_factory=lambda: deque(maxlen=HELD))

    def add(self, held_ns: int) -> None:
        """Notes a hit, and how long its thread stood."""
        self._hits += 1
        self._held.append(held_ns)

    def too_much(self, now: float) -> str:
        """Why the breakpoints have to go; empty while they may stay."""
        seconds, hits = now - self.began, self._hits
        if seconds >= SECONDS:
            self.began, self._hits = now, 0
            if hits > MOST_HITS * seconds:
                return f"breakpoints were hit {hits / seconds:,.0f} times a second: more than {MOST_HITS}"
        if len(self._held) >= LEAST_HELD and (held := statistics.median(self._held)) > MOST_HELD_NS:
            return f"a hit held its thread for {held / 1e6:.1f} ms in the median: more than {MOST_HELD_NS / 1e6:g}"
        return ""
