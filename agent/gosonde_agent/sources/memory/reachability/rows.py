"""Numbers out of structures that were read as rows of bytes: little-endian, at an offset of each row."""

import numpy as np
import numpy.typing as npt

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.uint8]

#: Nothing in user space lies at or above it where the heap's words are looked up.
ADDRESS_LIMIT = 1 << 48


def words(rows: Rows, offset: int) -> U64:
    """uint64[n]: the 8 bytes at an offset of each row."""
    return np.ascontiguousarray(rows[:, offset : offset + 8]).view("<u8")[:, 0].astype(np.uint64)


def numbers(rows: Rows, offset: int, size: int) -> I64:
    """int64[n]: the unsigned number of 1, 2, 4 or 8 bytes at an offset of each row."""
    return np.ascontiguousarray(rows[:, offset : offset + size]).view(f"<u{size}")[:, 0].astype(np.int64)


def joined(parts: list[U64]) -> U64:
    """Parts one behind the other; there may be none."""
    return np.concatenate(parts) if parts else np.zeros(0, np.uint64)


def joined_numbers(parts: list[I64]) -> I64:
    """As `joined`, for int64."""
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def among(found: U64 | I64, known: U64 | I64) -> Bools:
    """bool[n]: which of some numbers are in an array in order; both of the same type."""
    if not len(known):
        return np.zeros(len(found), np.bool_)
    places = np.minimum(np.searchsorted(known, found), len(known) - 1)
    same: Bools = known[places] == found
    return same


def distinct(values: U64) -> U64:
    """Each value once, in order; for addresses sorting is faster than the hashes of np.unique."""
    ordered = np.sort(values)
    is_new = np.concatenate((np.ones(min(len(ordered), 1), np.bool_), ordered[1:] != ordered[:-1]))
    found: U64 = ordered[is_new]
    return found
