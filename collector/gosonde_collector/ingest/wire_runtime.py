"""What runtimes say of themselves: checked columns, UNKNOWN or an empty list for what is not known."""

from collections.abc import Sequence

import numpy as np
from gosonde_common.values.runtime import UNLIMITED
from gosonde_common.wire.runtime import DURATION_COUNTS, DURATIONS, LIMITS, NUMBERS, UNKNOWN
from gosonde_pb.v1 import model_pb2

from gosonde_collector.ingest.columns import bound, equal_lengths, numbers, objects
from gosonde_collector.model.errors import BatchError
from gosonde_collector.model.values import Columns


def columns(message: model_pb2.RuntimeReadings) -> Columns:
    """The columns of a message.

    Raises:
        BatchError: A value is out of range, or the columns differ in length.
    """
    where, durations = "runtime_readings", message.schedule_durations
    bound(f"{where}.{DURATIONS}", len(durations))
    found = {name: numbers(f"{where}.{name}", getattr(message, name)) for name in ("process", "read_unix_nano")}
    for name in NUMBERS[1:]:
        column = found[name] = numbers(f"{where}.{name}", getattr(message, name), signed=True)
        least = UNLIMITED if name in LIMITS else 0
        wrong = np.flatnonzero((column.astype(np.int64) < least) & (column != np.int64(UNKNOWN)))
        if wrong.size:
            row = int(wrong[0])
            raise BatchError(f"{where}.{name}[{row}] is {column[row]}, which no runtime has")
    lists = [_counts(f"{where}.{DURATIONS}[{row}]", one.counts) for row, one in enumerate(durations)]
    found[DURATIONS] = objects(lists)
    equal_lengths(where, list(map(len, found.values())))
    return found


def _counts(where: str, counts: Sequence[int]) -> list[int]:
    if len(counts) not in {0, DURATION_COUNTS}:
        raise BatchError(f"{where} has {len(counts)} counts, not {DURATION_COUNTS}")
    return [int(count) for count in numbers(f"{where}.counts", counts).tolist()]
