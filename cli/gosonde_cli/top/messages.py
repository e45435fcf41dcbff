"""What is written to standard error while a terminal shows a live view: read, not shown where it stands."""

import os
import sys
from collections import deque
from types import TracebackType
from typing import Final, Self

from gosonde_common import foreign

MOST_LINES: Final = 20
MOST_BYTES: Final = 1 << 16
STDERR: Final = 2


class Messages:
    """In a `with` statement: has the last lines. Where standard error is no terminal it is left alone."""

    def __init__(self) -> None:
        self.lines: deque[str] = deque(maxlen=MOST_LINES)
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        self._before = -1
        self._rest = b""

    def __enter__(self) -> Self:
        if os.isatty(STDERR):
            sys.stderr.flush()
            self._before = os.dup(STDERR)
            os.dup2(self._write, STDERR)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Prints the last lines. The pipe stays: a child process may still write to it."""
        if self._before >= 0:
            sys.stderr.flush()
            os.dup2(self._before, STDERR)
            os.close(self._before)
            self.take()
            for line in self.lines:
                print(line, file=sys.stderr)  # noqa: T201
        os.close(self._write)

    def fileno(self) -> int:
        """Readable when something was written."""
        return self._read

    def take(self) -> None:
        """Adds what was written."""
        try:
            read = os.read(self._read, MOST_BYTES)
        except BlockingIOError:
            return
        *whole, self._rest = (self._rest + read).split(b"\n")
        self._rest = self._rest[-MOST_BYTES:]
        self.lines.extend(foreign.shown(line.decode(errors="replace")) for line in whole[-MOST_LINES:] if line)
