"""A terminal for commands that draw on it: what is typed goes in, and what a person would see is kept."""

import fcntl
import os
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

SEQUENCE = re.compile(r"\x1b\[(\??)([0-9;]*)([A-Za-z])")
PATIENCE_S = 180.0


def open_terminal(columns: int, lines: int) -> tuple[int, int]:
    """(the end of who looks, the end of who writes) of a terminal of this size; both are to be closed."""
    here, there = os.openpty()
    _give_size(here, columns, lines)
    return here, there


def _give_size(terminal: int, columns: int, lines: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("4H", lines, columns, 0, 0))


class Terminal:
    """Runs a command. `screen` has the lines that are seen now, `modes` what private modes are on.

    `frames` counts how often a whole frame came, `beyond` what was written outside of the window.
    """

    def __init__(self, command: Sequence[str], columns: int = 80, lines: int = 24, **environment: str) -> None:
        self._here, there = open_terminal(columns, lines)
        self.columns, self.lines = columns, lines
        self.before = termios.tcgetattr(there)
        self._there = there
        self.modes: set[str] = set()
        self.screen: list[str] = []
        self.frames, self.beyond, self.written = 0, 0, 0
        self._text, self._row, self._column = "", 0, 0
        self.process = subprocess.Popen(
            ["setsid", "--ctty", *command],
            stdin=there,
            stdout=there,
            stderr=there,
            env={**os.environ, "TERM": "xterm", "LANG": "C.UTF-8", **environment},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._here)
        os.close(self._there)

    def resize(self, columns: int, lines: int) -> None:
        """Gives the window another size; the kernel says so to who runs in it."""
        self.columns, self.lines = columns, lines
        _give_size(self._here, columns, lines)

    def settings(self) -> list[Any]:
        """What the terminal does with keys, now."""
        return termios.tcgetattr(self._there)

    def spoil(self) -> None:
        """As a shell does that has the terminal in between: other settings, and nothing of the frame is left."""
        termios.tcsetattr(self._there, termios.TCSANOW, self.before)
        self.screen = [""] * self.lines

    def type(self, keys: str) -> None:
        """Presses keys."""
        os.write(self._here, keys.encode())

    def read(self, seconds: float = 0.1) -> None:
        """Takes what was written."""
        if select.select([self._here], [], [], seconds)[0]:
            data = os.read(self._here, 1 << 16)
            self.written += len(data)
            self._text += data.decode(errors="replace")
            self._interpret()

    def until(self, holds: Callable[[], bool]) -> None:
        """Reads until something holds; fails with what is on the screen when that takes too long."""
        end = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < end, "\n".join(self.screen)
            self.read()

    def shows(self, text: str) -> bool:
        """Whether a line has it."""
        return any(text in line for line in self.screen)

    def end(self) -> int:
        """Reads until the command has ended; its exit code."""
        self.until(lambda: self.process.poll() is not None)
        self.read(0)
        return self.process.returncode

    def _interpret(self) -> None:
        while self._text:
            if self._text[0] != "\x1b":
                end = self._text.find("\x1b")
                plain = self._text if end < 0 else self._text[:end]
                self._put(plain)
                self._text = self._text[len(plain) :]
            elif found := SEQUENCE.match(self._text):
                self._obey(*found.groups())
                self._text = self._text[found.end() :]
            else:
                assert len(self._text) < 32, f"no terminal knows {self._text[:32]!r}"
                return

    def _obey(self, private: str, numbers: str, what: str) -> None:
        if private:
            self.frames += (numbers, what) == ("2026", "l")
            (self.modes.add if what == "h" else self.modes.discard)(numbers)
        elif what == "H":
            self._row, self._column = (int(number) - 1 for number in numbers.split(";"))
        elif what == "J":
            self.screen = [""] * self.lines
        elif what == "K":
            self.screen[self._row] = self.screen[self._row][: self._column]
        else:
            assert what == "m", f"an unknown sequence: {what}"

    def _put(self, text: str) -> None:
        if "1049" not in self.modes:
            return
        assert text.isprintable(), repr(text)
        if self._row >= self.lines or self._column + len(text) > self.columns:
            self.beyond += 1
            return
        line = self.screen[self._row].ljust(self._column)
        self.screen[self._row] = line[: self._column] + text + line[self._column + len(text) :]
        self._column += len(text)
