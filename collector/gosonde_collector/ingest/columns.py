"""Repeated fields of messages into checked numpy columns."""

from collections.abc import Collection, Sequence
from itertools import islice
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from gosonde_collector.model.errors import BatchError

#: Rows of one column of a batch.
MAX_ROWS: Final = 200_000
#: Characters of one string.
MAX_TEXT: Final = 16_384
#: Steps of one path.
MAX_STEPS: Final = 32
#: Totals and times stay below, so that differences of two fit into 64 bits with a sign (times: until the year 2116).
MAX_VALUE: Final = (1 << 62) - 1


def numbers(where: str, values: Collection[int], *, address: bool = False, signed: bool = False) -> NDArray[np.generic]:
    """A column of 64-bit numbers, signed, or unsigned for addresses.

    Raises:
        BatchError: Too many rows, or a value outside of 0 to MAX_VALUE (of -MAX_VALUE, where it may have a sign;
            addresses may have any value).
    """
    bound(where, len(values))
    if address:
        return np.fromiter(values, np.uint64, len(values))
    try:
        column = np.fromiter(values, np.int64, len(values))
    except OverflowError:
        column = np.fromiter((min(value, MAX_VALUE + 1) for value in values), np.int64, len(values))
    least = -MAX_VALUE if signed else 0
    wrong = np.flatnonzero((column < least) | (column > MAX_VALUE))
    if wrong.size:
        row = int(wrong[0])
        value = next(islice(values, row, None))
        raise BatchError(f"{where}[{row}] is {value}, outside of {least} to {MAX_VALUE}")
    return column


def strings(where: str, values: Sequence[str]) -> NDArray[np.generic]:
    """A column of strings. Raises BatchError for too many rows or a string that is too long."""
    bound(where, len(values))
    if values and len(max(values, key=len)) > MAX_TEXT:
        row = next(row for row, value in enumerate(values) if len(value) > MAX_TEXT)
        raise BatchError(f"{where}[{row}] is longer than {MAX_TEXT} characters")
    return np.array(list(values), dtype=object)


def objects(values: Sequence[object]) -> NDArray[np.generic]:
    """A column of lists."""
    column = np.empty(len(values), dtype=object)
    for row, value in enumerate(values):
        column[row] = value
    return column


class Path(Protocol):
    """A message with the steps of a path."""

    @property
    def steps(self) -> Sequence[str]:
        """From a root on."""


def paths(where: str, values: Sequence[Path]) -> NDArray[np.generic]:
    """A column of lists of strings. Raises BatchError for too many rows, steps, or a string that is too long."""
    bound(where, len(values))
    column = np.empty(len(values), dtype=object)
    for row, path in enumerate(values):
        if len(path.steps) > MAX_STEPS:
            raise BatchError(f"{where}[{row}] has {len(path.steps)} steps; a path may have {MAX_STEPS}")
        column[row] = strings(f"{where}[{row}]", path.steps).tolist()
    return column


def text(where: str, value: str) -> str:
    """The string; raises BatchError when it is too long."""
    if len(value) > MAX_TEXT:
        raise BatchError(f"{where} is longer than {MAX_TEXT} characters")
    return value


def equal_lengths(where: str, lengths: Sequence[int]) -> None:
    """Raises BatchError unless all columns of a table are equally long."""
    if len(set(lengths)) > 1:
        raise BatchError(f"{where} has columns of different lengths: {', '.join(map(str, lengths))}")


def bound(where: str, rows: int) -> None:
    """Raises BatchError for more rows than a batch may have."""
    if rows > MAX_ROWS:
        raise BatchError(f"{where} has {rows} rows; a batch may have {MAX_ROWS}")
