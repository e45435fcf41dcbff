"""What a live view shows at one moment."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from gosonde_cli.rendering import Figure

#: A rate that is not known.
NO_RATE: Final = Figure(-1, "-")
#: The function, file and line of a `go` statement.
Place = tuple[str, str, int]


class Key(NamedTuple):
    """Which row it is, from one picture to the next."""

    host: str
    pid: int
    function: str
    place: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A `go` statement of a process.

    Attributes:
        live: `rendering.About` where it is not precise.
        waits: What most of its goroutines wait for; empty where nothing is known.
        details: Lines about it that have no room in a row, such as the stack of most of its goroutines.
    """

    key: Key
    exe: str
    live: int
    created: Figure = NO_RATE
    exited: Figure = NO_RATE
    waits: str = ""
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Picture:
    """A moment.

    Attributes:
        title: What is watched.
        doing: What is done before the first rows are there; empty afterwards.
        summary: Totals and what the probes cost.
        pauses_ns: How long GC pauses took, oldest first; None where nothing sees them.
        notes: What is lost, stale or not known.
        about: Where the numbers come from, and what is not seen there; the help has it.
        seen: When it was taken, CLOCK_MONOTONIC seconds; 0 where nothing was.
        is_fleet: Rows are of several hosts or processes.
    """

    title: str
    doing: str = ""
    summary: str = ""
    entries: Sequence[Entry] = ()
    pauses_ns: Sequence[int] | None = None
    notes: Sequence[str] = ()
    about: Sequence[str] = ()
    seen: float = 0.0
    is_fleet: bool = False
