"""What a proof says of a process: which blocked goroutines nothing alive can wake, and who holds the others."""

from dataclasses import dataclass

from gosonde_common.values.goroutines import Location


@dataclass(frozen=True, slots=True)
class Holder:
    """By what some goroutines can still be woken.

    Attributes:
        path: From a root to what they wait for: ("main.subscribers", "map", "channel").
        goroutines: How many are held that way.
    """

    path: tuple[str, ...]
    goroutines: int


@dataclass(frozen=True, slots=True)
class SiteProof:
    """The goroutines of one `go` statement.

    Attributes:
        created_by: The `go` statement.
        live: How many goroutines of it there are, whatever they do; those that are proved among them.
        blocked: How many of those wait for a channel or a lock, so that they could be looked at.
        proved: How many of those can never run again.
        probable: How many more were found in fewer scans than a proof needs.
        undecided: How many of `blocked` were given up, or of which it was not found what they wait for.
        held_by: Who can still wake others, by the number of goroutines; not every one of them has to be in it.
        retained_stack_bytes: What the stacks of the proved ones take.
        retained_heap_bytes: What only the proved ones can reach, at least; None where it was not worked out.
        oldest_wait_ns: How long the one that waits longest has waited; None where the runtime has not noted it.
    """

    created_by: Location
    start_function: str
    live: int
    blocked: int
    proved: int
    probable: int
    undecided: int
    held_by: tuple[Holder, ...] = ()
    retained_stack_bytes: int = 0
    retained_heap_bytes: int | None = None
    oldest_wait_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Proof:
    """What was found out about one process.

    Attributes:
        decided: Whether it was looked at to the end. What is proved is so in any case.
        why: Why it was not; empty when it was.
        scans: How often its memory was gone through.
        quiet: It did not run during one of them, so that one was enough.
    """

    decided: bool
    why: str
    scans: int
    quiet: bool
    sites: tuple[SiteProof, ...]


@dataclass(frozen=True, slots=True)
class SearchOutcome:
    """What one search of a process's memory found of all its goroutines.

    Attributes:
        searched_unix_nano: When its last scan ended.
        scans: How many there were.
        undecided: Why nothing is decided, or not all; empty when all is.
        examined: Goroutines that wait for a channel, a lock or the like.
        proved: Of these, such as can never run again.
        probable: Of the others, such as fewer scans say the same of.
    """

    searched_unix_nano: int
    scans: int
    undecided: str
    examined: int
    proved: int
    probable: int

    @property
    def held(self) -> int:
        """Of the examined the rest: something can still wake them, or it was not found out whether anything can."""
        return self.examined - self.proved - self.probable
