"""The source of an agent that may place no probes: readings of memory alone, of all processes of the host."""

import os
import time
from collections.abc import Collection

from gosonde_agent.golang.binary import GoBinary
from gosonde_agent.host.process_changes import Change, ProcessChanges
from gosonde_agent.sources.events import EVENT_EXEC, EVENT_EXIT, Event
from gosonde_agent.sources.kinds import MEMORY
from gosonde_agent.sources.plain import PlainSource

#: Numbers of images that are counted again go down from so far above the first, where other numbers never come.
FIRST_RESTARTED = 1 << 31
#: Between two looks at which processes there are, at least.
LOOK_SECONDS = 0.5


class WholeHostSource(PlainSource):
    """A Source that counts nothing, and sees which processes come and go when `events` is called.

    Attributes:
        event_fd: Never readable: nothing is known before somebody looks.
    """

    def __init__(self) -> None:
        super().__init__(MEMORY)
        self.event_fd = os.eventfd(0, os.EFD_CLOEXEC)
        self._last_restarted = self.first_epoch + FIRST_RESTARTED
        self._watched: set[int] = set()
        self._changes = ProcessChanges()
        self._changes.look(())  # those that are there have number 0: they are older than the source
        self._look_at = 0.0

    def attach(
        self, number: int, binary: GoBinary, fd: int, pid: int | None, probes: Collection[str] | None = None
    ) -> None:
        """See Source; there is nothing to attach."""

    def report_end(self, tgid: int, *, enabled: bool) -> None:
        """Has a process looked at whenever there is a look, or no longer."""
        if enabled:
            self._watched.add(tgid)
        else:
            self._watched.discard(tgid)

    def events(self) -> list[Event]:
        """Which processes have begun or ended since the last call, as far as a look at /proc shows it."""
        if time.monotonic() < self._look_at:
            return []
        self._look_at = time.monotonic() + LOOK_SECONDS
        return [self._event(pid, change) for pid, change in self._changes.look(self._watched)]

    def _event(self, pid: int, change: Change) -> Event:
        epoch, kind = self._epochs.pop(pid, 0), EVENT_EXIT
        if change is Change.BEGAN:
            epoch, kind = self._next_epoch(pid), EVENT_EXEC
        return Event(kind, pid, epoch, 0, 0, 0, time.monotonic_ns(), 0, 0, 0)

    def restart_counting(self, tgid: int) -> int:
        """See Source."""
        self._last_restarted -= 1
        self._epochs[tgid] = self._last_restarted
        return self._last_restarted

    def forget_exec(self, tgid: int, epoch: int) -> None:
        """See Source: the number of what has ended is forgotten already."""

    def close(self) -> None:
        """See Source."""
        os.close(self.event_fd)
