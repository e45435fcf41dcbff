"""The terminal: raw keys, another screen for as long as it lasts, and one write a frame of the lines that changed."""

import os
import sys
import termios
import tty
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from gosonde_common.errors import UsageError

from gosonde_cli.top.frame import Line

#: The alternate screen without a cursor, where no line is folded; and back.
ENTER: Final = b"\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J"
LEAVE: Final = b"\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l"
#: Around a frame: terminals that know it show the frame when it is whole.
BEGIN, END = "\x1b[?2026h", "\x1b[?2026l"
#: Where the system does not know how large the terminal is.
USUAL: Final = os.terminal_size((80, 24))
KEY_BYTES: Final = 1024


def refuse_without_terminal() -> None:
    """Where a live view cannot be shown.

    Raises:
        UsageError: Input or output is no terminal, or one that cannot move its cursor.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()) or os.environ.get("TERM", "dumb") == "dumb":
        raise UsageError(
            "gosonde top needs a terminal. Elsewhere use: gosonde trace PROCESS, or, with a collector, "
            "gosonde sites --watch; both have --json"
        )


class Screen:
    """To be used in a `with` statement, which leaves the terminal as it was."""

    def __init__(self) -> None:
        self._in, self._out = sys.stdin.fileno(), sys.stdout.fileno()
        self._encoding = sys.stdout.encoding
        self._shown: list[Line] = []
        self._size = USUAL

    def __enter__(self) -> Self:
        self._before = termios.tcgetattr(self._in)
        try:
            self.take()
        except BaseException:
            self._restore()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._restore()

    def take(self) -> None:
        """Has keys and the screen for itself: at first, and again when others may have had them."""
        tty.setcbreak(self._in, termios.TCSANOW)
        self._free_keys()
        self._write(ENTER)
        self._shown = []

    def fileno(self) -> int:
        """Readable when a key was pressed."""
        return self._in

    def read(self) -> bytes:
        """What was typed; nothing where the terminal is gone."""
        try:
            return os.read(self._in, KEY_BYTES)
        except OSError:
            return b""

    def size(self) -> tuple[int, int]:
        """(columns, lines), now; at least one each."""
        try:
            found = os.get_terminal_size(self._out)
        except OSError:
            found = USUAL
        found = found if found.columns > 0 and found.lines > 0 else USUAL
        if found != self._size:
            self._size, self._shown = found, []
        return found.columns, found.lines

    def draw(self, lines: Sequence[Line]) -> None:
        """Writes what differs from the frame before, as a whole; nothing where nothing does."""
        before = self._shown if len(self._shown) == len(lines) else None
        parts = ["\x1b[2J"] if before is None else []
        for row, line in enumerate(lines):
            if before is None or before[row] != line:
                parts.append(f"\x1b[{row + 1};1H\x1b[0;{line.style}m{line.text}\x1b[0m\x1b[K")
        if parts:
            self._write("".join((BEGIN, *parts, END)).encode(self._encoding, "replace"))
        self._shown = list(lines)

    def _free_keys(self) -> None:
        """Ctrl-Z would leave a shell on a screen that is not its own, and Ctrl-S have a frame wait for ever."""
        mode = termios.tcgetattr(self._in)
        mode[0] &= ~termios.IXON
        mode[6][termios.VSUSP] = b"\0"
        termios.tcsetattr(self._in, termios.TCSANOW, mode)

    def _restore(self) -> None:
        try:
            self._write(LEAVE)
        finally:
            try:
                termios.tcsetattr(self._in, termios.TCSANOW, self._before)
            except termios.error:
                return  # the terminal is gone

    def _write(self, data: bytes) -> None:
        try:
            while data:
                data = data[os.write(self._out, data) :]
        except OSError:
            return  # the terminal is gone: reading says so
