"""Ctrl-C as something that is noted, for who has to finish a step first."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType


@dataclass(slots=True)
class Interrupt:
    """Whether Ctrl-C came."""

    came: bool = False


@contextlib.contextmanager
def interruptible() -> Iterator[Interrupt]:
    """Notes Ctrl-C, so that no step is left in its middle; a second Ctrl-C does what it did before.

    Signals are the main thread's: in another one nothing is noted.
    """
    interrupt, before = Interrupt(), signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return

    def note(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        interrupt.came = True

    if before is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, note)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, before)
