"""What runtimes say of themselves: checked columns, UNKNOWN for what is not known."""

import numpy as np
from gosonde_common.values.runtime import UNLIMITED
from gosonde_common.wire.runtime import LIMITS, READINGS, UNKNOWN
from gosonde_pb.v1 import model_pb2

from gosonde_collector.ingest.columns import equal_lengths, numbers
from gosonde_collector.model.errors import BatchError
from gosonde_collector.model.values import Columns


def columns(message: model_pb2.RuntimeReadings) -> Columns:
    """The columns of a message.

    Raises:
        BatchError: A value is out of range, or the columns differ in length.
    """
    where = "runtime_readings"
    found = {name: numbers(f"{where}.{name}", getattr(message, name)) for name in ("process", "read_unix_nano")}
    for name in READINGS[1:]:
        column = found[name] = numbers(f"{where}.{name}", getattr(message, name), signed=True)
        least = UNLIMITED if name in LIMITS else 0
        wrong = np.flatnonzero((column.astype(np.int64) < least) & (column != np.int64(UNKNOWN)))
        if wrong.size:
            row = int(wrong[0])
            raise BatchError(f"{where}.{name}[{row}] is {column[row]}, which no runtime has")
    equal_lengths(where, list(map(len, found.values())))
    return found
