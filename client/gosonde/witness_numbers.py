"""The numbers behind a witness's verdict."""

from collections.abc import Iterable
from dataclasses import dataclass

from gosonde_pb.v1 import collector_pb2


@dataclass(frozen=True, slots=True)
class WitnessNumbers:
    """What a witness shows, and what the counters showed at the same moment.

    Attributes:
        what: Is counted: "live", "leaked" (goroutines that wait for ever), "stack_bytes" or "heap_bytes" (by how much
            they grew); "" if the collector is newer than this client.
        at_unix_nano: When both held.
        shown_low: What the witness shows, at least; None where it shows no number. `shown_high`: at most.
        counted_low: What the counters showed, or what follows from it, at least; None where nothing does.
        counted_high: At most; None where nothing bounds it.
    """

    what: str
    at_unix_nano: int
    shown_low: int | None
    shown_high: int | None
    counted_low: int | None
    counted_high: int | None


NAMES = {
    collector_pb2.COUNTED_LIVE: "live",
    collector_pb2.COUNTED_LEAKED: "leaked",
    collector_pb2.COUNTED_STACK_BYTES: "stack_bytes",
    collector_pb2.COUNTED_HEAP_BYTES: "heap_bytes",
}


def numbers_of(witnesses: Iterable[collector_pb2.Witness]) -> dict[str, WitnessNumbers]:
    """By the witnesses' names, of those that have any."""
    return {one.name: _numbers(one.numbers) for one in witnesses if one.HasField("numbers")}


def _numbers(found: collector_pb2.WitnessNumbers) -> WitnessNumbers:
    return WitnessNumbers(NAMES.get(found.counted, ""), found.at_unix_nano, *_ends(found.shown), *_ends(found.counters))


def _ends(span: collector_pb2.Span) -> tuple[int | None, int | None]:
    return span.low if span.HasField("low") else None, span.high if span.HasField("high") else None
