"""What a verdict says; docs/json.md describes each key."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Suspect:
    """A `go` statement that looks like a leak."""

    function: str
    file: str
    line: int
    live: int
    created_per_second: float | None
    exited_per_second: float | None
    cause: str
    remedy: str
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unsettled:
    """A `go` statement whose goroutines still become more, and of which it is too early to say whether they leak.

    Attributes:
        more: How many more there are than at first.
        run_seconds: How long to watch it to know.
    """

    function: str
    file: str
    line: int
    live: int
    more: int
    run_seconds: int
    cause: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found, those with the most goroutines first, what was looked at for that, and what is not known."""

    suspects: tuple[Suspect, ...]
    too_early: tuple[Unsettled, ...]
    looked_at: tuple[str, ...]
    not_known: tuple[str, ...]
