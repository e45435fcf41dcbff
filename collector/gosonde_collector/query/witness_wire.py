"""Witnesses into messages."""

from gosonde_pb.v1 import collector_pb2

from gosonde_collector.analysis.numbers import HEAP_BYTES, LEAKED, LIVE, STACK_BYTES, Numbers
from gosonde_collector.analysis.witnesses import Witness

VERDICTS = {
    "agrees": collector_pb2.VERDICT_AGREES,
    "disagrees": collector_pb2.VERDICT_DISAGREES,
    "silent": collector_pb2.VERDICT_SILENT,
}
COUNTED = {
    LIVE: collector_pb2.COUNTED_LIVE,
    LEAKED: collector_pb2.COUNTED_LEAKED,
    STACK_BYTES: collector_pb2.COUNTED_STACK_BYTES,
    HEAP_BYTES: collector_pb2.COUNTED_HEAP_BYTES,
}


def witness(one: Witness) -> collector_pb2.Witness:
    """Its verdict, in words and in numbers."""
    return collector_pb2.Witness(
        name=one.name,
        verdict=VERDICTS[one.verdict],
        detail=one.detail,
        numbers=_numbers(one.numbers) if one.numbers else None,
    )


def _numbers(numbers: Numbers) -> collector_pb2.WitnessNumbers:
    return collector_pb2.WitnessNumbers(
        counted=COUNTED[numbers.what],
        at_unix_nano=numbers.at_unix_nano,
        shown=collector_pb2.Span(low=numbers.shown_low, high=numbers.shown_high),
        counters=collector_pb2.Span(low=numbers.counted_low, high=numbers.counted_high),
    )
