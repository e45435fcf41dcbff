"""Files that are sent in messages."""

from collections.abc import Iterator
from typing import IO, Final

#: Bytes of a file that are sent in one message.
CHUNK_BYTES: Final = 1 << 20


def chunks(file: IO[bytes]) -> Iterator[bytes]:
    """The pieces of a file."""
    while chunk := file.read(CHUNK_BYTES):
        yield chunk
