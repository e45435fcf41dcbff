"""Processes that run no Go program: one may load a library that has Go in it, at any time, and nothing reports that."""

import time
from collections import OrderedDict

from gosonde_agent.golang.binary import FileIdentity
from gosonde_agent.watch.load import Load

#: How long after it was found a process is looked at for the first time; each pause is LONGER times the one before.
FIRST_SECONDS = 2.0
LONGER = 4
LONGEST_SECONDS = 600.0
#: Processes that are looked at in a second.
LOOKS = 16
#: Processes that are remembered; of further ones nobody looks at the libraries.
MAX_OTHERS = 16_384
MAX_FOUND = 4_096
#: Looks that may be held up at the same time by file systems that do not answer, and with each a thread.
MOST_HELD_UP = 8

#: (pid, epoch) of a process image.
Key = tuple[int, int]


class Others:
    """Says whose libraries are looked at next, and keeps which ones have Go in them."""

    def __init__(self) -> None:
        self._turns: dict[Key, tuple[float, float]] = {}
        self._found: OrderedDict[Key, FileIdentity] = OrderedDict()
        self._held_up: list[Load] = []
        self._looks = LOOKS
        self._second_ends = 0.0

    def add(self, key: Key) -> None:
        """A process image runs no Go program."""
        if key not in self._turns and len(self._turns) < MAX_OTHERS:
            self._turns[key] = (time.monotonic() + FIRST_SECONDS, FIRST_SECONDS)

    def remove(self, key: Key) -> None:
        """It has ended, or is none of those that are to be watched."""
        self._turns.pop(key, None)
        self._found.pop(key, None)

    def found(self, key: Key, library: FileIdentity) -> None:
        """It has a library with Go in it."""
        self._turns.pop(key, None)
        self._found[key] = library
        if len(self._found) > MAX_FOUND:
            self._found.popitem(last=False)

    def library(self, key: Key) -> FileIdentity | None:
        """The one that was found in it."""
        return self._found.get(key)

    def hold_up(self, look: Load) -> None:
        """A look does not end: nobody waits for it."""
        self._held_up.append(look)

    def looked(self, look: Load) -> None:
        """A look has ended, whether it was held up or not."""
        self._held_up = [held for held in self._held_up if held is not look]

    @property
    def has_due(self) -> bool:
        """Whether `next` has somebody."""
        now = time.monotonic()
        return self._may_look(now) and any(due <= now for due, _pause in self._turns.values())

    def next(self) -> Key | None:
        """A process whose turn it is; its next one comes later."""
        now = time.monotonic()
        key = next((key for key, (due, _pause) in self._turns.items() if due <= now), None)
        if key is None or not self._may_look(now):
            return None
        self._looks -= 1
        pause = min(self._turns[key][1] * LONGER, LONGEST_SECONDS)
        self._turns[key] = (now + pause, pause)
        return key

    def _may_look(self, now: float) -> bool:
        if now >= self._second_ends:
            self._looks, self._second_ends = LOOKS, now + 1.0
        return self._looks > 0 and len(self._held_up) < MOST_HELD_UP
