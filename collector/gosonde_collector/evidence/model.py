"""Profiles as plain values, whatever format they came in."""

from dataclasses import dataclass
from typing import Final

from gosonde_common.values.http import HostConnections
from gosonde_common.values.labels import PlaceLabels

#: The format of a profile that gosonde read from a process's memory.
MEMORY: Final = "memory"
#: The format of a dump that lacks its end: counts from it are too low.
CUT: Final = "debug=2, cut off"
#: What stands between a wait reason and what the channel belongs to, where that is known.
FOR_A: Final = ", for a "
#: Formats that name each goroutine's `go` statement and state.
WITH_STATEMENT: Final = frozenset({"debug=2", MEMORY, CUT})
#: What a profile is of, as the runtime names its profiles.
GOROUTINE, LEAK, HEAP, BLOCK, MUTEX = "goroutine", "goroutineleak", "heap", "block", "mutex"
#: What an execution trace (runtime/trace) says of blocking.
TRACE: Final = "trace"
#: Behind the state of a goroutine that the runtime itself found to wait for ever (runtime.goroutineheader, Go 1.26+).
LEAKED: Final = " (leaked)"

#: Behind the wait reason of a goroutine of testing/synctest that only its own bubble can wake (Go 1.25+).
DURABLE: Final = " (durable)"


@dataclass(frozen=True, slots=True)
class Frame:
    """A place in the program. `function` is as the format writes it: text formats shorten type arguments to `[...]`."""

    function: str
    file: str
    line: int


def as_reported(file: str, reported: str) -> str:
    """A file of a profile as its agent reports it: without its folder when `reported`, of that agent, has none."""
    return file if "/" in reported else file.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class GoroutineGroup:
    """Goroutines with the same stack.

    Attributes:
        count: How many, at least 1.
        frames: Innermost first; empty when the format gives no symbols.
        created_by: The `go` statement; only formats in WITH_STATEMENT name it, and not for the main goroutine.
        state: Wait reason or status, such as "chan receive"; as `created_by`. debug=2 writes LEAKED behind it.
        wait_s: The longest wait among them, in seconds (debug=2 has whole minutes); as `created_by`.
        goids: Who they are; as `created_by`.
        stack_bytes: What their stacks take together; 0 when the format does not say (MEMORY alone does).
        unread: Their stacks were not read, as there are too many goroutines; MEMORY alone has such.
    """

    count: int
    frames: tuple[Frame, ...]
    created_by: Frame | None = None
    state: str = ""
    wait_s: int = 0
    goids: tuple[int, ...] = ()
    stack_bytes: int = 0
    unread: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """How a text was read.

    Attributes:
        recognized: What stood around the goroutines, in words, each once.
        passed_over: Lines that belong to no goroutine and are nothing that a Go runtime writes around them.
        partial: Why the text is not whole; empty when nothing says so.
    """

    recognized: tuple[str, ...] = ()
    passed_over: int = 0
    partial: str = ""


@dataclass(frozen=True, slots=True)
class GoroutineProfile:
    """What a goroutine or goroutineleak profile says.

    Attributes:
        format: "proto", "debug=1", "debug=2", CUT or MEMORY.
        groups: In the order of the file.
        taken_unix_nano: When it was taken; 0 when the file does not say (the text formats never do).
        kind: GOROUTINE, or LEAK for goroutines of which the runtime proved that they wait for ever.
        reading: How it was read; text formats alone.
        hosts: To whom the process has HTTP connections; MEMORY alone.
        labels: pprof's labels by place: by `go` statement in formats of WITH_STATEMENT, by start function in others.
    """

    format: str
    groups: tuple[GoroutineGroup, ...]
    taken_unix_nano: int = 0
    kind: str = GOROUTINE
    reading: Reading = Reading()
    labels: tuple[PlaceLabels, ...] = ()
    hosts: tuple[HostConnections, ...] = ()

    @property
    def goroutines(self) -> int:
        """How many goroutines the profile shows."""
        return sum(group.count for group in self.groups)

    @property
    def read(self) -> int:
        """Of how many of them the stacks were read, or need not be."""
        return sum(group.count for group in self.groups if not group.unread)

    @property
    def stacks(self) -> frozenset[tuple[Frame, ...]]:
        """The distinct stacks, of those that were read."""
        return frozenset(group.frames for group in self.groups if not group.unread)
