"""Counts the elements of a serialized message before it is decoded: two bytes of it can take hundreds in memory."""

from typing import Any, Final

from gosonde_common.errors import InvalidInputError

#: Fields that are looked at, whatever they hold.
MAX_FIELDS: Final = 500_000
#: No message of ours is nested as deeply.
MAX_DEPTH: Final = 16
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
FIXED: Final = {FIXED64: 8, FIXED32: 4}


def check_elements(data: bytes, descriptor: Any, most: int) -> None:  # noqa: ANN401 - untyped in protobuf's stubs
    """Looks at the messages inside a serialized message of the type, as deep as they can be repeated.

    Raises:
        InvalidInputError: There are more than `most` of them, or the bytes are no message of any type.
    """
    _Scan(data, most).message(0, len(data), descriptor, MAX_DEPTH)


class _Scan:
    def __init__(self, data: bytes, most: int) -> None:
        self._data = data
        self._most = most
        self._elements = 0
        self._fields = 0

    def message(self, at: int, end: int, descriptor: Any, depth: int) -> None:  # noqa: ANN401
        inner = {field.number: field.message_type for field in descriptor.fields if field.message_type}
        while at < end:
            key, at = self._varint(at, end)
            begin, at = self._value(key & 7, at, end)
            self._fields += 1
            if kind := inner.get(key >> 3):
                self._elements += 1
                if key & 7 == BYTES and depth and _repeats(kind):
                    self.message(begin, at, kind, depth - 1)
            if self._elements > self._most or self._fields > MAX_FIELDS:
                raise InvalidInputError(f"a request has more than {self._most} elements or {MAX_FIELDS} fields")

    def _value(self, wire: int, at: int, end: int) -> tuple[int, int]:
        """Where the value of a field begins and ends."""
        length = FIXED.get(wire)
        if wire == VARINT:
            return at, self._varint(at, end)[1]
        if wire == BYTES:
            length, at = self._varint(at, end)
        if length is None or length > end - at:
            raise InvalidInputError("a request is cut off, or is no protobuf message")
        return at, at + length

    def _varint(self, at: int, end: int) -> tuple[int, int]:
        value = 0
        for place, byte in enumerate(self._data[at : min(at + 10, end)]):
            value |= (byte & 0x7F) << 7 * place
            if byte < 0x80:
                return value, at + place + 1
        raise InvalidInputError("a request is cut off, or is no protobuf message")


def _repeats(descriptor: Any) -> bool:  # noqa: ANN401
    """Whether messages are repeated anywhere inside of the type."""
    inner = [field for field in descriptor.fields if field.message_type]
    return any(field.is_repeated or _repeats(field.message_type) for field in inner)
