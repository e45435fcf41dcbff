"""The two numbers that a witness's verdict compares: what it shows, and what the counters showed at the same time."""

from dataclasses import dataclass

#: What is counted: goroutines that live, those that wait for ever, and by how many bytes stacks or the heap grew.
LIVE, LEAKED, STACK_BYTES, HEAP_BYTES = "live", "leaked", "stack_bytes", "heap_bytes"


@dataclass(frozen=True, slots=True)
class Numbers:
    """Both as a range, with the same ends where there is one number.

    Attributes:
        what: LIVE, LEAKED, STACK_BYTES or HEAP_BYTES.
        at_unix_nano: When both held.
        shown_low: What the witness shows, at least; None where it shows no number. `shown_high`: at most.
        counted_low: What the counters showed, at least; of STACK_BYTES what follows from how many they saw come. None
            where nothing does.
        counted_high: At most; None where nothing bounds it.
    """

    what: str
    at_unix_nano: int
    shown_low: int | None = None
    shown_high: int | None = None
    counted_low: int | None = None
    counted_high: int | None = None
