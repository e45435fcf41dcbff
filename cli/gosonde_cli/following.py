"""Reads a log as it grows, also over its replacement, in pieces of whole lines."""

import io
import os
import select
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Final

from gosonde_common.errors import InvalidInputError

#: How often a file is checked, in seconds.
POLL_SECONDS: Final = 0.5
READ_BYTES: Final = 1 << 16
#: A line longer than this is not waited for any more.
MAX_LINE: Final = 1 << 20


def arriving(source: IO[bytes]) -> Iterator[bytes]:
    """What a pipe or file brings, as it comes; empty bytes whenever nothing came for a while. Ends with the source."""
    fd = source.fileno()
    while True:
        ready, _, _ = select.select([fd], [], [], POLL_SECONDS)
        if not ready:
            yield b""
        elif data := os.read(fd, READ_BYTES):
            yield data
        else:
            return


def followed(path: Path) -> Iterator[bytes]:
    """The content of a file and whatever is added to it, for ever, as `arriving`; a file that replaces it is read too.

    Raises:
        InvalidInputError: There is no such file at first.
    """
    file = _opened(path)
    if file is None:
        raise InvalidInputError(f"cannot read {path}: there is no such file")
    while True:
        while data := file.read(READ_BYTES):
            yield data
        file = _successor(path, file)
        yield b""
        time.sleep(POLL_SECONDS)


def _opened(path: Path) -> io.FileIO | None:
    try:
        return io.FileIO(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InvalidInputError(f"cannot read {path}: {error.strerror}") from error


def _successor(path: Path, file: io.FileIO) -> io.FileIO:
    """The file that has the name now, from its beginning when it is another one or was cut short."""
    try:
        fresh = _opened(path)
    except InvalidInputError:
        return file  # It may be readable at the next look.
    if fresh is None:
        return file
    if not os.path.samestat(os.fstat(fresh.fileno()), os.fstat(file.fileno())):
        file.close()
        return fresh
    if os.fstat(fresh.fileno()).st_size < file.tell():
        file.seek(0)
    fresh.close()
    return file


def pieces(data: Iterator[bytes], most_bytes: int, seconds: float, clock: Callable[[], float]) -> Iterator[bytes]:
    """Whole lines in pieces of about `most_bytes`, and no later than `seconds` after they came."""
    waiting, since = bytearray(), clock()
    for part in data:
        waiting += part
        if len(waiting) >= most_bytes or clock() - since >= seconds:
            end = waiting.rfind(b"\n") + 1 or (len(waiting) if len(waiting) > MAX_LINE else 0)
            if end:
                yield bytes(waiting[:end])
                del waiting[:end]
            since = clock()
    if waiting:
        yield bytes(waiting)
