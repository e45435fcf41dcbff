"""What runtimes say of themselves, as an agent's messages have it, as values."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Final

from gosonde_pb.v1 import model_pb2

from gosonde_common.errors import InvalidInputError
from gosonde_common.values.observation import ProcessKey, RuntimeReading
from gosonde_common.values.runtime import SCHEDULE_BOUNDS_NS, UNLIMITED, RuntimeFigures

#: In the messages: a figure that is not known.
UNKNOWN: Final = -2
#: Columns of model.RuntimeReadings, after the process; the last has a message in each row, all others a number.
READINGS: Final = tuple(field.name for field in fields(RuntimeFigures))
DURATIONS: Final = READINGS[-1]
NUMBERS: Final = READINGS[:-1]
#: Elements of `counts`.
DURATION_COUNTS: Final = len(SCHEDULE_BOUNDS_NS) + 1
#: Those that may be UNLIMITED.
LIMITS: Final = ("memory_limit_bytes", "gogc_percent")


def encode_runtimes(
    message: model_pb2.RuntimeReadings, rows: Sequence[RuntimeFigures], positions: Sequence[int]
) -> None:
    """Adds a row for each, which is of the process at a position."""
    message.process.extend(positions)
    for name in NUMBERS:
        values = (getattr(row, name) for row in rows)
        getattr(message, name).extend([UNKNOWN if value is None else value for value in values])
    message.schedule_durations.extend(model_pb2.ScheduleDurations(counts=row.schedule_durations or ()) for row in rows)


def figures(row: Sequence[Any], counts: Sequence[int]) -> RuntimeFigures:
    """Of the columns NUMBERS, and of the counts of `schedule_durations`.

    Raises:
        InvalidInputError: A figure is below what it can be, or the counts are too many or too few.
    """
    for name, value in zip(NUMBERS, row, strict=True):
        if value < (UNLIMITED if name in LIMITS else 0) and (value != UNKNOWN or name == NUMBERS[0]):
            raise InvalidInputError(f"RuntimeReadings.{name} is {value}")
    if len(counts) not in {0, DURATION_COUNTS}:
        raise InvalidInputError(f"RuntimeReadings.{DURATIONS} has {len(counts)} counts, not {DURATION_COUNTS}")
    known: dict[str, Any] = {
        name: None if value == UNKNOWN else value for name, value in zip(NUMBERS, row, strict=True)
    }
    return RuntimeFigures(**known, schedule_durations=tuple(counts) or None)


def reading(process: ProcessKey, row: Sequence[Any]) -> RuntimeReading:
    """A row of model.RuntimeReadings with its process.

    Raises:
        InvalidInputError: As `figures`.
    """
    *numbers, durations = row
    return RuntimeReading(process, figures(numbers, durations.counts))


def single(message: model_pb2.RuntimeReadings) -> RuntimeFigures:
    """The figures of a message that has one row.

    Raises:
        InvalidInputError: It has not, or as `figures`.
    """
    try:
        ((*values,),) = zip(*(getattr(message, name) for name in READINGS), strict=True)
    except ValueError:
        raise InvalidInputError("RuntimeReadings: not one reading") from None
    *numbers, durations = values
    return figures(numbers, durations.counts)
