"""Bounds a protobuf message before it is decoded, so that a small file cannot become a huge object."""

from collections.abc import Iterator
from typing import Final

from gosonde_collector.model.errors import ProfileError, Refusal

#: Bytes of a decoded profile.proto; 100,000 distinct stacks take about 20 million.
MAX_PROTO_BYTES: Final = 32 << 20
#: Samples, locations, functions and strings together.
MAX_RECORDS: Final = 1_000_000
#: Bytes of one record; a stack of 128 frames takes less than 2,000.
MAX_RECORD_BYTES: Final = 64 << 10

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


def check_records(data: bytes) -> None:
    """Walks over the top-level fields.

    Raises:
        ProfileError: A field reaches behind the end (a file cut off), is too large, of no known wire type, or there
            are too many.
    """
    if len(data) > MAX_PROTO_BYTES:
        raise ProfileError(f"the profile is larger than {MAX_PROTO_BYTES} bytes", Refusal.TOO_LARGE)
    for number, (start, end) in enumerate(_fields(data)):
        if end > len(data):
            raise ProfileError(
                f"the profile is cut off: the field at byte {start} needs {end - len(data)} bytes more",
                Refusal.TRUNCATED,
            )
        if end - start > MAX_RECORD_BYTES:
            raise ProfileError(
                f"the profile's field at byte {start} is larger than {MAX_RECORD_BYTES} bytes", Refusal.TOO_LARGE
            )
        if number >= MAX_RECORDS:
            raise ProfileError(f"the profile has more than {MAX_RECORDS} records", Refusal.TOO_LARGE)


def _fields(data: bytes) -> Iterator[tuple[int, int]]:
    position = 0
    while position < len(data):
        start = position
        tag, position = _varint(data, position)
        if tag & 7 == BYTES:
            length, position = _varint(data, position)
            position += length
        elif tag & 7 == VARINT:
            _, position = _varint(data, position)
        elif tag & 7 in {FIXED64, FIXED32}:
            position += 8 if tag & 7 == FIXED64 else 4
        else:
            raise ProfileError(f"not a profile.proto: byte {start} begins no field")
        yield start, position


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            raise ProfileError(f"the profile is cut off within a number at byte {position}", Refusal.TRUNCATED)
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ProfileError(f"not a profile.proto: the number that ends at byte {position} is too long")
