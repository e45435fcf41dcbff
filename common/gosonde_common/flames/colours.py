"""What the colours of a flame graph say: states, ages, shares or changes. All are light enough for black letters."""

import zlib
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from gosonde_common.flames.tree import Call

MINUTE_NS: Final = 60_000_000_000
#: From how many nanoseconds on, its colour, and what it is called.
AGES: Final = (
    (60 * MINUTE_NS, "#ff9a8a", "an hour or more"),
    (5 * MINUTE_NS, "#ffc08a", "5 minutes or more"),
    (MINUTE_NS, "#ffe08a", "a minute or more"),
    (0, "#c9e8a8", "less than a minute"),
)
NOT_KNOWN: Final = ("#dddddd", "wait not known")
SHARES: Final = (
    (0.5, "#ff9a8a", "half or more"),
    (0.1, "#ffc08a", "a tenth or more"),
    (0.01, "#ffe08a", "a hundredth or more"),
    (0.0, "#fff4cc", "less"),
)

#: Hues of states that are seen together; a hash places all others.
HUES: Final = {
    "chan receive": 205,
    "chan send": 20,
    "select": 140,
    "IO wait": 50,
    "sync.Mutex.Lock": 350,
    "semacquire": 320,
    "sleep": 265,
    "syscall": 180,
    "running": 95,
    "runnable": 70,
}

#: Of two snapshots: red is more, blue is fewer.
ALL_CAME: Final = ("#ff8f80", "all came")
MORE: Final = ("#ffc9bf", "more now")
AS_MANY: Final = ("#e4e4e4", "as many")
FEWER: Final = ("#c7dbff", "fewer now")
ALL_WENT: Final = ("#8fb8ff", "all went")

#: (colour, what it means) of a call among so many goroutines.
Paint = Callable[[Call, int], tuple[str, str]]


class ColourBy(StrEnum):
    """What is shown by colours."""

    STATE = "state"
    AGE = "age"
    COUNT = "count"


def by_state(call: Call, _total: int) -> tuple[str, str]:
    """By the state that most of its goroutines have."""
    state = call.states.most_common(1)[0][0] if call.states else ""
    hue = HUES.get(state, zlib.crc32(state.encode(errors="replace")) % 360)
    return f"hsl({hue},70%,78%)", state


def by_age(call: Call, _total: int) -> tuple[str, str]:
    """By the longest wait that is known of one of its goroutines."""
    if call.longest_ns is None:
        return NOT_KNOWN
    return next((colour, means) for least, colour, means in AGES if call.longest_ns >= least)


def by_count(call: Call, total: int) -> tuple[str, str]:
    """By its share of all goroutines."""
    share = call.goroutines / total if total else 0.0
    return next((colour, means) for least, colour, means in SHARES if share >= least)


def by_change(call: Call, _total: int) -> tuple[str, str]:
    """By whether more goroutines are in it than before, or fewer."""
    if call.goroutines == call.before:
        return AS_MANY
    if call.goroutines > call.before:
        return MORE if call.before else ALL_CAME
    return FEWER if call.goroutines else ALL_WENT


PAINTS: Final[dict[ColourBy, Paint]] = {
    ColourBy.STATE: by_state,
    ColourBy.AGE: by_age,
    ColourBy.COUNT: by_count,
}
