"""Signals as something that a selector waits for."""

import os
import signal
from types import FrameType, TracebackType
from typing import Final, Self

ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Signals:
    """In a `with` statement: notes signals that end the command, and wakes who waits, also for another window size.

    `ending` is the first signal that asked for the end; 0 where none did. `was_stopped`: the command was stopped and
    goes on, and a shell may have had the terminal meanwhile.
    """

    def __init__(self) -> None:
        self.ending = 0
        self.was_stopped = False
        self._read, self._write = os.pipe()
        for fd in (self._read, self._write):
            os.set_blocking(fd, False)

    def __enter__(self) -> Self:
        self._woken = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        self._before = {
            number: signal.signal(number, self._note) for number in (*ENDING, signal.SIGWINCH, signal.SIGCONT)
        }
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
        signal.set_wakeup_fd(self._woken)
        os.close(self._read)
        os.close(self._write)

    def fileno(self) -> int:
        """Readable when a signal came."""
        return self._read

    def take(self) -> None:
        """Forgets that one came."""
        try:
            os.read(self._read, 1024)
        except BlockingIOError:
            return

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGCONT:
            self.was_stopped = True
        elif number in ENDING:
            self.ending = self.ending or number
