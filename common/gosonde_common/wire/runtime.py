"""What runtimes say of themselves, as an agent's messages have it, as values."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Final

from gosonde_pb.v1 import model_pb2

from gosonde_common.errors import InvalidInputError
from gosonde_common.values.observation import ProcessKey, RuntimeReading
from gosonde_common.values.runtime import UNLIMITED, RuntimeFigures

#: In the messages: a figure that is not known.
UNKNOWN: Final = -2
#: Columns of model.RuntimeReadings, after the process.
READINGS: Final = tuple(field.name for field in fields(RuntimeFigures))
#: Those that may be UNLIMITED.
LIMITS: Final = ("memory_limit_bytes", "gogc_percent")


def encode_runtimes(
    message: model_pb2.RuntimeReadings, rows: Sequence[RuntimeFigures], positions: Sequence[int]
) -> None:
    """Adds a row for each, which is of the process at a position."""
    message.process.extend(positions)
    for name in READINGS:
        values = (getattr(row, name) for row in rows)
        getattr(message, name).extend([UNKNOWN if value is None else value for value in values])


def figures(row: Sequence[Any]) -> RuntimeFigures:
    """A row of model.RuntimeReadings, in the order of READINGS.

    Raises:
        InvalidInputError: A figure is below what it can be.
    """
    for name, value in zip(READINGS, row, strict=True):
        if value < (UNLIMITED if name in LIMITS else 0) and value != UNKNOWN:
            raise InvalidInputError(f"RuntimeReadings.{name} is {value}")
    read, *known = row
    return RuntimeFigures(read, *(None if value == UNKNOWN else value for value in known))


def reading(process: ProcessKey, row: Sequence[Any]) -> RuntimeReading:
    """A row of model.RuntimeReadings with its process.

    Raises:
        InvalidInputError: As `figures`.
    """
    return RuntimeReading(process, figures(row))


def single(message: model_pb2.RuntimeReadings) -> RuntimeFigures:
    """The figures of a message that has one row.

    Raises:
        InvalidInputError: It has not, or as `figures`.
    """
    try:
        ((*values,),) = zip(*(getattr(message, name) for name in READINGS), strict=True)
    except ValueError:
        raise InvalidInputError("RuntimeReadings: not one reading") from None
    return figures(values)
