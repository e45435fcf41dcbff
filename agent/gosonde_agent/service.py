"""The whole story of the agent's run, top to bottom."""

import asyncio
import signal
import time
from collections.abc import Callable, Coroutine
from dataclasses import asdict, replace

import structlog
from gosonde_common import __version__, logs
from gosonde_common.errors import GosondeError, UnavailableError
from gosonde_common.metrics import MetricsServer
from gosonde_common.notify import Notifier
from gosonde_common.values.observation import Observation, Process, ProcessKey
from gosonde_common.values.status import AgentStatus

from gosonde_agent.config import AgentConfig, reloaded
from gosonde_agent.discovery.lease import BREAK_SIGNAL
from gosonde_agent.discovery.selection import Selection, parse_rules
from gosonde_agent.host import identity, own_budget, privileges
from gosonde_agent.host.background import Background
from gosonde_agent.host.own_budget import Smoothed, resident_bytes
from gosonde_agent.host.threads import in_thread
from gosonde_agent.overhead.governor import TICK_SECONDS
from gosonde_agent.serve.latest import Latest
from gosonde_agent.serve.query_service import LocalGate, start_query_service
from gosonde_agent.serve.telemetry import AgentMetrics
from gosonde_agent.snapshots import pprof_allowed
from gosonde_agent.snapshots.redaction import Redaction, same
from gosonde_agent.snapshots.taking import Snapshots
from gosonde_agent.sources.ebpf import hit_costs
from gosonde_agent.sources.ebpf.loading import Probes
from gosonde_agent.sources.ebpf.source import EbpfSource
from gosonde_agent.stream.journal import FILE_NAME, Journal, JournalLimits
from gosonde_agent.stream.uplink import Uplink
from gosonde_agent.watch.heaps import HeapReading
from gosonde_agent.watch.monitor import Monitor
from gosonde_agent.watch.reconciliation import Scan

log = structlog.get_logger(__name__)

STOP_GRACE_SECONDS = 1.0
#: How often it is looked whether probes are out.
CLOSING_SECONDS = 0.02
#: How long to wait at least and at most when no process is due to be read.
LEAST_PAUSE_SECONDS, READING_PAUSE_SECONDS = 0.05, 1.0
#: An event loop cannot wait without end.
LONGEST_SECONDS = 3600.0
#: How often it is told that nothing happens.
HEARTBEAT_SECONDS = 10.0
#: How long an observation waits at most for what memory says of the heap.
HEAPS_SECONDS = 0.1
#: How long the others wait for the reading of one process: it can hold up whoever reads its memory.
LONGEST_READING_SECONDS = 5.0
#: Between two times that memory is given back because there is too much of it.
GIVE_BACK_SECONDS = 60.0


def run(config: AgentConfig, reread: Callable[[], AgentConfig], probes: Probes) -> None:
    """Runs the agent until SIGTERM or SIGINT; `reread` gives the configuration anew on SIGHUP.

    Raises:
        GosondeError: It could not start, or a part of it failed.
    """
    # Capabilities belong to threads: the others are not there yet.
    kept = privileges.drop(keep_admin=privileges.uprobes_need_admin())
    log.info("capabilities dropped", kept=sorted(kept))
    asyncio.run(_run(config, reread, probes))


async def _run(config: AgentConfig, reread: Callable[[], AgentConfig], probes: Probes) -> None:
    me = identity.load(config.state)
    started_unix_nano = time.time_ns()
    journal = Journal(me.boot_id, config.state / FILE_NAME, _journal_limits(config))

    def watches(key: ProcessKey) -> bool:
        return monitor.watches(key)

    redaction = Redaction() if config.redact_paths else None
    redact = redaction.goroutine if redaction else same
    snapshots = Snapshots(watches, redact, tuple(map(pprof_allowed.place, config.pprof)))
    uplink = Uplink(config.collector, me, config.interval_seconds, journal, tls=config.tls, snapshots=snapshots)
    latest = Latest()

    def status() -> AgentStatus:
        return AgentStatus(me.agent_id, __version__, me.host, started_unix_nano, uplink.status())

    agent: _Agent | None = None

    async def switch(pid: int | None, on: bool) -> list[Process]:
        if agent:
            return await agent.switched(pid, on=on)
        raise UnavailableError("the agent is starting")

    gate = LocalGate()
    server = await start_query_service(config.listen, latest, status, redact, gate=gate, switch=switch)
    metrics = AgentMetrics(latest, uplink.status, lambda: journal.size, gate.refused_total)
    http = MetricsServer(config.http, metrics.registry(), metrics.unready) if config.http else None
    try:
        source = EbpfSource(probes)
        costs = hit_costs.cached(config.state, me.boot_id, source.hit_costs)
    except GosondeError:
        await server.stop(0)
        raise
    monitor = Monitor(
        source, _selection(config), config.reconcile_seconds, costs, config.target_budget, parks=config.park
    )
    agent = _Agent(config, monitor, uplink, latest, redaction)
    agent.listen(source.event_fd, reread)
    notifier = Notifier()
    background = Background((uplink.run(), notifier.watchdog(), *agent.work()), agent.stopping)
    try:
        monitor.scan()
        await agent.load_all()
        own_budget.collect_rarely()
        own_budget.give_memory_back()
        log.info(
            "agent started",
            agent_id=me.agent_id,
            version=__version__,
            collectors=list(config.collector),
            previous_end=uplink.previous_end,
            hit_costs=asdict(costs),
        )
        notifier.ready("watching")
        await agent.observe_until_stopped()
    finally:
        notifier.stopping()
        asyncio.get_running_loop().remove_reader(source.event_fd)
        await background.cancel()
        await server.stop(STOP_GRACE_SECONDS)
        monitor.close()
        journal.close()
        if http:
            http.close()
    background.check()
    log.info("agent stopped")


def _journal_limits(config: AgentConfig) -> JournalLimits:
    return JournalLimits(int(config.spool_mb * (1 << 20)), config.spool_hours * 3600)


def _selection(config: AgentConfig) -> Selection:
    rules = parse_rules("allow", config.allow), parse_rules("deny", config.deny)
    return Selection(config.exe, frozenset(config.pid), *rules)


class _Agent:
    """What happens between start and stop."""

    def __init__(
        self, config: AgentConfig, monitor: Monitor, uplink: Uplink, latest: Latest, redaction: Redaction | None
    ) -> None:
        self._config = config
        self._redaction = redaction
        self._monitor = monitor
        self._uplink = uplink
        self._latest = latest
        self._unknown = asyncio.Event()
        self._effort = Smoothed()
        self._give_back_at = 0.0
        # Cleared while nothing happens, so that nothing is looked at in vain.
        self._awake = asyncio.Event()
        self._awake.set()
        self._readings: set[asyncio.Task[None]] = set()
        self._heap_seconds = 0.0
        self.stopping = asyncio.Event()

    def listen(self, event_fd: int, reread: Callable[[], AgentConfig]) -> None:
        """Takes signals and the kernel's events from now on."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stopping.set)
        loop.add_signal_handler(signal.SIGHUP, self.reload, reread)
        loop.add_signal_handler(signal.SIGUSR2, self.all_off)
        loop.add_signal_handler(BREAK_SIGNAL, self.on_event)
        loop.add_reader(event_fd, self.on_event)

    def work(self) -> list[Coroutine[None, None, None]]:
        """What goes on all the time beside the observations."""
        work = [self.load_unknown(), self.read_memory(), self.govern()]
        return [*work, self.count_parks()] if self._config.park else work

    def on_event(self) -> None:
        """Takes in what the kernel reports; new files wait for `load_unknown`."""
        self._monitor.poll()
        if self._monitor.has_unknown:
            self._unknown.set()
        self._wake()

    def _wake(self) -> None:
        if not self._monitor.is_quiet:
            self._awake.set()

    async def load_unknown(self) -> None:
        """Reads and probes new files, one at a time, so that everything else goes on in between."""
        while True:
            await self._unknown.wait()
            self._unknown.clear()
            await self.load_all()

    async def load_all(self) -> None:
        """Reads and probes every file that waits for it."""
        while self._monitor.has_unknown:
            self._monitor.load_next()
            await asyncio.sleep(0)

    async def read_memory(self) -> None:
        """Reads the memory of what is due, one process at a time and in a thread, so that everything else goes on."""
        while True:
            scan = self._monitor.next_reading()
            if scan is None:
                await self._pause_readings(max(self._monitor.reading_due_in(), LEAST_PAUSE_SECONDS))
                continue
            await self._unless_held_up(self._read(scan), LONGEST_READING_SECONDS)
            if not scan.has_ended:
                log.warning("reading memory is held up, and others are read meanwhile", pid=scan.image.tgid)
            pause = self._config.own_budget.pause_after_reading(scan.cpu_seconds, first=scan.first)
            if not scan.urgent:  # what is urgent need not wait for it
                self._monitor.rest_readings(pause)
            await asyncio.sleep(pause if scan.urgent else min(pause, READING_PAUSE_SECONDS))

    async def _read(self, scan: Scan) -> None:
        await in_thread(scan.run)
        self._monitor.take_reading(scan)
        self._wake()

    async def _unless_held_up(self, reading: Coroutine[None, None, None], seconds: float) -> None:
        """Waits for a reading, but no longer than that: it goes on, and is taken in when it ends."""
        task = asyncio.create_task(reading)
        self._readings.add(task)
        task.add_done_callback(self._readings.discard)
        await asyncio.wait({task}, timeout=seconds)
        if task.done():
            task.result()

    async def _pause_readings(self, due_in: float) -> None:
        """Until the next reading is due, as far as is known; a process that is found may be due at once."""
        if self._awake.is_set():
            await asyncio.sleep(min(due_in, READING_PAUSE_SECONDS))
        else:
            await _first_of(self._awake, seconds=due_in)

    async def govern(self) -> None:
        """Keeps what the probes cost within the budget."""
        while True:
            await self._awake.wait()
            self._monitor.govern()
            await asyncio.sleep(TICK_SECONDS)

    async def count_parks(self) -> None:
        """Counts parks in one file at a time, for a short while and in a thread, so that everything else goes on."""
        while True:
            if (parking := self._monitor.next_parking()) is None:
                await asyncio.sleep(max(self._monitor.parking_due_in(), LEAST_PAUSE_SECONDS))
                continue
            await asyncio.to_thread(parking.window.run)
            self._monitor.take_parking(parking)

    async def switched(self, pid: int | None, *, on: bool) -> list[Process]:
        """Takes probes out or puts them in again, and returns when that is done.

        Raises:
            NotFoundError: No such process is watched.
        """
        self._awake.set()
        keys = {process.key for process in self._monitor.switch(pid, on=on)}
        while self._monitor.is_closing:
            await asyncio.sleep(CLOSING_SECONDS)
        self.observe()
        return [process for process in self._latest.current(None).processes if process.key in keys]

    def all_off(self) -> None:
        """Takes all probes out, until they are switched on again."""
        self._awake.set()
        self._monitor.switch(None, on=False)

    async def observe_until_stopped(self) -> None:
        """One observation each interval, and a last one at the end.

        While nothing happens there is one now and then, and one as soon as something does.
        """
        while not self.stopping.is_set():
            await self.read_heaps()
            self._effort.begin()
            self.observe()
            self._effort.end(beside=self._uplink.cpu_seconds + self._heap_seconds)
            self._keep_memory()
            interval = self._config.own_budget.interval(self._config.interval_seconds, self._effort.seconds)
            if self._monitor.may_sleep():
                self._awake.clear()
                await _first_of(self.stopping, self._awake, seconds=max(interval, HEARTBEAT_SECONDS))
            else:
                self._awake.set()
                await _first_of(self.stopping, seconds=interval)
        self.observe()

    async def read_heaps(self) -> None:
        """Reads the heap's figures of GC cycles that have just ended, as far as that can be done soon."""
        self.on_event()
        if reading := self._monitor.next_heaps():
            await self._unless_held_up(self._read_heaps(reading), HEAPS_SECONDS)
            self._monitor.take_heaps(reading)

    async def _read_heaps(self, reading: HeapReading) -> None:
        await in_thread(reading.run)
        self._heap_seconds += reading.cpu_seconds

    def _keep_memory(self) -> None:
        """Gives back what is not needed when the agent has more than it may."""
        if time.monotonic() >= self._give_back_at and self._config.own_budget.is_over_memory():
            self._give_back_at = time.monotonic() + GIVE_BACK_SECONDS
            self._monitor.forget_binaries()
            own_budget.give_memory_back()
            log.warning("the agent had more memory than it may, and gave some back", resident_bytes=resident_bytes())

    def observe(self) -> None:
        """Tells the uplink and local queries what is known now."""
        self.on_event()
        observation = self._with_losses(self._monitor.observe())
        if self._monitor.has_unknown:
            self._unknown.set()
        if self._redaction:
            observation = self._redaction.observation(observation)
        # What a local query has shown is on disk.
        self._uplink.offer(observation)
        self._latest.update(observation)

    def _with_losses(self, observation: Observation) -> Observation:
        return replace(observation, losses={**observation.losses, **self._uplink.losses()})

    def reload(self, reread: Callable[[], AgentConfig]) -> None:
        """Takes over what may change while the agent runs; a configuration that is wrong changes nothing."""
        try:
            self._config, ignored = reloaded(self._config, reread())
        except GosondeError as error:
            log.warning("configuration not reloaded", reason=str(error))
            return
        logs.set_level(self._config.log_level)
        self._awake.set()
        self._monitor.set_budget(self._config.target_budget)
        self._monitor.select(_selection(self._config))
        self.observe()
        if ignored:
            log.warning("these keys need a restart", keys=list(ignored))
        log.info("configuration reloaded")


async def _first_of(*events: asyncio.Event, seconds: float) -> None:
    """Returns when one of the events is set, or after so long."""
    waits = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait(waits, timeout=min(seconds, LONGEST_SECONDS), return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
