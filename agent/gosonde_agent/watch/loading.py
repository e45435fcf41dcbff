"""Handles what the kernel reports, and has new files read and probed."""

import asyncio

from gosonde_agent.watch.monitor import Monitor
from gosonde_agent.watch.running import Running


class Loading:
    """Loads files one at a time, so that everything else goes on in between."""

    def __init__(self, monitor: Monitor, running: Running) -> None:
        self._monitor = monitor
        self._running = running
        self._unknown = asyncio.Event()

    def on_event(self) -> None:
        """Handles what the kernel reports; new files wait for `run`."""
        self._monitor.poll()
        self.note_unknown()
        self._running.wake_unless(quiet=self._monitor.is_quiet)

    def note_unknown(self) -> None:
        """Has `run` load what waits for it."""
        if self._monitor.finder.has_unknown:
            self._unknown.set()

    async def run(self) -> None:
        """Reads and probes new files as they come."""
        while True:
            await self._unknown.wait()
            self._unknown.clear()
            await self.load_all()

    async def load_all(self) -> None:
        """Reads and probes every file that waits for it."""
        while self._monitor.finder.has_unknown:
            self._monitor.finder.load_next()
            await asyncio.sleep(0)
