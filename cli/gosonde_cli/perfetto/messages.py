"""Writes protobuf messages field by field: what a trace of Perfetto needs of the format, and no more.

The numbers of fields are from Perfetto's protos/perfetto/trace/perfetto_trace.proto.
"""

from collections.abc import Iterable

VARINT, FIXED_64, LENGTH = 0, 1, 2
WORD = (1 << 64) - 1


def varint(value: int) -> bytes:
    """A number; a negative one as its two's complement in 64 bits."""
    value &= WORD
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field: int, value: int) -> bytes:
    """A field of any integer type, bool or enum that is a varint."""
    return varint(field << 3 | VARINT) + varint(value)


def fixed(field: int, value: int) -> bytes:
    """A field fixed64."""
    return varint(field << 3 | FIXED_64) + value.to_bytes(8, "little")


def message(field: int, parts: Iterable[bytes]) -> bytes:
    """A field that is a message, from its own fields."""
    body = b"".join(parts)
    return varint(field << 3 | LENGTH) + varint(len(body)) + body


def text(field: int, value: str) -> bytes:
    """A field string; what UTF-8 cannot say is escaped."""
    return message(field, [value.encode("utf-8", "backslashreplace")])
