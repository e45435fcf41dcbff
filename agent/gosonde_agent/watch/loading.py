"""Handles what the kernel reports, and has new files read and probed."""

import asyncio
import time

import structlog

from gosonde_agent.host.threads import in_thread
from gosonde_agent.watch.load import Load
from gosonde_agent.watch.monitor import Monitor
from gosonde_agent.watch.running import Running

log = structlog.get_logger(__name__)

#: How soon it is looked again whether probes are detached, so that whoever waits for a file gets it.
CLOSING_SECONDS = 0.02
#: What taking what happens takes of one core at most, and of the agent's limit where that is nearly taken; but nothing
#: waits for longer.
STORM_PART, CROWDED_PART = 0.05, 0.25
LONGEST_PAUSE_SECONDS = 0.25
#: How long others wait for the reading of one file: its file system can hold up whoever reads it.
LONGEST_LOAD_SECONDS = 2.0


class Loading:
    """Loads files one at a time, so that everything else goes on in between."""

    def __init__(self, monitor: Monitor, running: Running) -> None:
        self._monitor = monitor
        self._desk = running.desk
        self._running = running
        self._happened = asyncio.Event()
        self._unknown = asyncio.Event()
        self._loads: set[asyncio.Task[None]] = set()
        self._event_fd = -1
        self._taken = 0.0

    def listen(self, event_fd: int) -> None:
        """Has `follow` handle what the kernel reports whenever `event_fd` is readable."""
        self._event_fd = event_fd
        asyncio.get_running_loop().add_reader(event_fd, self.on_event)

    def on_event(self) -> None:
        """Something has happened that cannot wait: `follow` handles it."""
        asyncio.get_running_loop().remove_reader(self._event_fd)  # it stays readable until then
        self._happened.set()

    def close(self) -> None:
        """Listens no longer."""
        asyncio.get_running_loop().remove_reader(self._event_fd)

    async def follow(self) -> None:
        """Handles what happens as it does; new files wait for `run`."""
        loop = asyncio.get_running_loop()
        while True:
            await self._happened.wait()
            self._happened.clear()
            await self.handle_events()
            await asyncio.sleep(self._pause())
            loop.add_reader(self._event_fd, self.on_event)
            if self._monitor.files.attachments.leaving:
                loop.call_later(CLOSING_SECONDS, self._happened.set)

    def _pause(self) -> float:
        """How long what happens next waits, so that a storm of it is taken many at a time: longer in a crowd."""
        part = CROWDED_PART * self._running.config.own_budget.cpu if self._running.is_crowded else STORM_PART
        return min(self._taken / part, LONGEST_PAUSE_SECONDS)

    async def handle_events(self) -> None:
        """Handles what the kernel reports."""
        await self._desk.do(self._take_events)
        self._note_newcomers()
        self.note_unknown()
        self._running.wake_unless(quiet=self._monitor.is_quiet)

    def _take_events(self) -> None:
        began = time.thread_time()
        self._monitor.poll()
        self._monitor.settle()
        self._taken = time.thread_time() - began

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
        """Reads and probes every file that waits for it, but for those that are held up."""
        while not self._running.stopping.is_set() and (load := await self._desk.do(self._monitor.finder.next)):
            task = asyncio.create_task(self._load(load))
            self._loads.add(task)
            task.add_done_callback(self._loads.discard)
            await asyncio.wait({task}, timeout=LONGEST_LOAD_SECONDS)
            if task.done() or await self._is_waited_for(load):
                await task

    async def _load(self, load: Load) -> None:
        await in_thread(load.run)
        await self._desk.do(lambda: self._monitor.finder.take(load))
        self._note_newcomers()

    def _note_newcomers(self) -> None:
        if self._monitor.costs.has_newcomers:
            self._running.arrived.set()

    async def _is_waited_for(self, load: Load) -> bool:
        waits = await self._desk.do(lambda: self._monitor.finder.waits_for(load))
        if not waits:
            log.warning("a file system does not answer, and files of others are read meanwhile", pid=load.pid)
        return waits
