"""How a live count grew: since when, for how long, and in which shape."""

from typing import Final

import numpy as np

from gosonde_collector.analysis.steps import SECOND, Counts, Steps, moments
from gosonde_collector.analysis.window import QUIET

#: How far, against the whole rise, a count must lie below the straight line for growth to have begun later.
KNEE: Final = 0.05
#: A rise lasts from the moment when it has come so far, in shares of all it comes to, until it lacks as little.
ENDS: Final = 0.05
STEADY, STEPS, BESIDE_EXITS, EXITS_STOPPED = "steady", "steps", "some exit", "exits stopped"
#: Exits have stopped where this share of at least so many had exited before.
EXITED, EXITED_OF = 0.5, 20
#: A rise of that many at once, and nothing in that share of the time, is a step.
STEP, IDLE_SHARE = 4, 0.5
#: Parts in which steps are looked for, at most.
MOMENTS: Final = 512


def shape_of(steps: Steps, seconds: int, *, quiet: bool) -> str:
    """The shape of the last so many seconds, in which next to none exits when `quiet`."""
    start = steps.until_unix_nano - seconds * SECOND
    created, exited = steps.at(np.array([(start + steps.until_unix_nano) // 2, steps.until_unix_nano]))
    stopped = exited[1] - exited[0] <= QUIET * (created[1] - created[0])
    if stopped and created[0] >= EXITED_OF and exited[0] >= EXITED * created[0]:
        return EXITS_STOPPED
    if not quiet:
        return BESIDE_EXITS
    rises = np.diff(steps.live_at(moments(start, steps.until_unix_nano, min(seconds, MOMENTS))))
    idle = np.count_nonzero(rises <= 0) / len(rises)
    return STEPS if idle >= IDLE_SHARE and rises[rises > 0].mean() >= STEP else STEADY


def lasting_s(steps: Steps, seconds: int) -> float:
    """How long the rise of the last so many seconds has lasted, at least, in seconds; less when it is over."""
    first = int(steps.index(np.array([steps.until_unix_nano - seconds * SECOND]))[0])
    live, times = steps.live[first:], steps.seconds[first:]
    least = int(live[0])
    rise = int(live[-1]) - least
    risen = int(np.argmax(live >= least + (1 - ENDS) * rise))
    return float(times[risen] - times[: risen + 1][live[: risen + 1] <= least + ENDS * rise][-1])


def swings(live: Counts) -> int:
    """How often a count rose to half of its range or more, and then fell to a quarter of it or less."""
    low, high = int(live.min()), int(live.max())
    number, up = 0, False
    for count in live.tolist():
        if not up and count >= (low + high) / 2:
            up = True
        elif up and count <= low + (high - low) / 4:
            number, up = number + 1, False
    return number


def since(steps: Steps) -> int:
    """When growth began: where the live count is furthest below the straight line from its first to its last value.

    The first step when it is nowhere below that line by more than KNEE of the whole rise.
    """
    live, times = steps.live, steps.unix_nano - steps.unix_nano[0]
    if not times[-1]:
        return int(steps.unix_nano[0])
    below = live[0] + (live[-1] - live[0]) * (times / times[-1]) - live
    furthest = int(np.argmax(below))
    if below[furthest] <= KNEE * (live.max() - live.min()):
        return int(steps.unix_nano[0])
    return int(steps.unix_nano[furthest])
