"""A stretch of a site's time up to now, in parts, as far as something was seen in each."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gosonde_collector.analysis.steps import SECOND, Counts, Floats, Steps, lowest, moments

#: Equal parts of a window.
PARTS: Final = 8
#: An agent on a busy host may look that rarely, in seconds: in parts between two of its looks nothing was seen.
MAX_GAP_S: Final = 30.0
#: The share of what is created up to which next to none exits.
QUIET: Final = 0.02


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """A stretch of time in PARTS equal parts.

    Attributes:
        floors: The lowest live count within each part, shape (PARTS,). A burst that drains within a part does not show.
        live: The live count now.
        seen: Whether each part is more than what lies between two looks of a busy agent; shape (PARTS,), bool.
        seconds_at: When what is known at each border was seen, in seconds, shape (PARTS + 1,).
        created: All that had been created by then, with what is estimated, the same shape.
        exited: All that had exited by then.
        lived_s: For how long all had lived by then, in sum.
        before: The highest live count before the window.
        silence_s: Since something new was last seen.
        gaps_s: The times between two steps.
        doubt: By how many more the first half may have created than `created` says, and by how many fewer the second.
        quiet: Next to none exits: neither by what is certain alone, nor by what is estimated beyond its error.
    """

    seconds: int
    floors: Counts
    live: int
    seen: NDArray[np.bool_]
    seconds_at: Floats
    created: Counts
    exited: Counts
    lived_s: Floats
    before: int
    silence_s: float
    gaps_s: Floats
    doubt: tuple[int, int]
    quiet: bool

    @classmethod
    def of(cls, steps: Steps, seconds: int, before: int) -> "Window":
        """The last so many seconds."""
        index = steps.index(moments(steps.until_unix_nano - seconds * SECOND, steps.until_unix_nano, PARTS))
        gaps = steps.gaps_s
        return cls(
            seconds,
            lowest(steps.live, index[:-1], index[1:] + 1),
            int(steps.live[-1]),
            (index[1:] > index[:-1]) | (gaps[index[:-1]] > MAX_GAP_S),
            steps.seconds[index],
            steps.begun[index],
            steps.ended[index],
            steps.lived_s[index],
            before,
            float(gaps[-1]),
            gaps[index[0] : -1],
            _doubt(steps, int(steps.unix_nano[index[0]]), int(steps.unix_nano[index[-1]])),
            _is_quiet(steps, int(index[0]), int(index[-1])),
        )

    @property
    def gap_s(self) -> float:
        """The usual time between two steps; 0 when there are none."""
        return float(np.median(self.gaps_s)) if self.gaps_s.size else 0.0

    @property
    def levels(self) -> Counts:
        """The floors of the parts that were seen, and the live count now."""
        return np.append(self.floors[self.seen], self.live)

    @property
    def begins(self) -> Floats:
        """When what is known of the levels was seen, in seconds, in their shape."""
        return np.append(self.seconds_at[:-1][self.seen], self.seconds_at[-1])

    @property
    def rise(self) -> int:
        """By how much the floor rose."""
        return int(self.floors[-1] - self.floors[0])

    @property
    def rising(self) -> int:
        """In how many of the parts that were seen the count rose."""
        levels = self.levels
        return int(np.count_nonzero(levels[1:] > levels[:-1]))

    @property
    def created_within(self) -> int:
        """How many were created."""
        return int(self.created[-1] - self.created[0])

    @property
    def exited_within(self) -> int:
        """How many exited."""
        return int(self.exited[-1] - self.exited[0])


def _is_quiet(steps: Steps, first: int, last: int) -> bool:
    created, exited = (int(counts[last] - counts[first]) for counts in (steps.created, steps.exited))
    if steps.estimates is None or exited > QUIET * created:
        return exited <= QUIET * created
    between = int(steps.unix_nano[first]), int(steps.unix_nano[last])
    return steps.exited_between(*between).low <= QUIET * steps.created_between(*between).number


def _doubt(steps: Steps, first: int, last: int) -> tuple[int, int]:
    if steps.estimates is None:
        return 0, 0
    middle = (first + last) // 2
    early, late = steps.created_between(first, middle), steps.created_between(middle, last)
    return early.high - early.number, late.number - late.low
