"""Commands and services in a terminal of 80 columns, and what a person would see of them."""

import os
import re
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.terminal import Terminal, open_terminal
from tests.transcripts.place import FILES

COLUMNS: Final = 80
GOSONDE: Final = str(Path(sys.executable).with_name("gosonde"))
#: What a terminal obeys, and text between.
PIECES = re.compile(r"\x1b\[([?0-9;]*)([A-Za-z])|([\r\n])|([^\x1b\r\n]+)")
PATIENCE_S = 600.0


class InTerminal:
    """A command line as it is typed, whose output goes to a terminal; it runs in the folder of files."""

    def __init__(self, line: str) -> None:
        self._here, there = open_terminal(COLUMNS, 24)
        self._pieces: list[bytes] = []
        environment = {**os.environ, "TERM": "xterm", "LANG": "C.UTF-8"}
        command = [GOSONDE, *shlex.split(line)[1:]]
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=there, stderr=there, cwd=FILES, env=environment
        )
        os.close(there)
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.process.kill()
        self.process.wait()

    @property
    def text(self) -> str:
        """What a person sees of what it has printed so far."""
        return "\n".join(seen(b"".join(self._pieces).decode(errors="replace"))).rstrip("\n")

    def end(self, number: signal.Signals | None = None) -> str:
        """Its whole text when it has ended; ends it by a signal, where there is one."""
        if number:
            self.process.send_signal(number)
        self.process.wait(PATIENCE_S)
        self._reading.join(PATIENCE_S)
        return self.text

    def _read(self) -> None:
        try:
            while piece := os.read(self._here, 1 << 16):
                self._pieces.append(piece)
        except OSError:  # nobody writes any more
            os.close(self._here)


def seen(written: str) -> list[str]:
    """The lines that stand in a terminal in the end: bars of progress are written over, colours are left out."""
    rows, row, column = [""], 0, 0
    for numbers, what, control, text in PIECES.findall(written):
        if control == "\n":
            row += 1
            rows += [""] * (row == len(rows))
        elif control == "\r":
            column = 0
        elif text:
            rows[row] = rows[row].ljust(column)[:column] + text + rows[row][column + len(text) :]
            column += len(text)
        elif what == "A":
            row -= int(numbers or 1)
        elif (what, numbers) == ("K", "2"):
            rows[row] = ""
    return [line.rstrip() for line in rows]


def folded(text: str) -> str:
    """With lines broken as a terminal breaks those that are too long."""
    lines = (line[at : at + COLUMNS] for line in text.split("\n") for at in range(0, max(len(line), 1), COLUMNS))
    return "\n".join(lines)


def screen(line: str, texts: Sequence[str]) -> str:
    """What stands in a window of 80 columns and 24 lines as soon as it has all these texts; then it is left by `q`."""
    with Terminal([GOSONDE, *shlex.split(line)[1:]], COLUMNS, 24) as terminal:
        terminal.until(lambda: all(map(terminal.shows, texts)))
        shown = "\n".join(row.rstrip() for row in terminal.screen)
        terminal.type("q")
        terminal.end()
    return shown
