"""One run of the agent, from start to stop."""

import asyncio
import signal
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import asdict
from functools import partial

import structlog
from gosonde_common import __version__
from gosonde_common.errors import GosondeError, UnavailableError
from gosonde_common.notify import Notifier
from gosonde_common.otlp.keys import otlp_keys
from gosonde_common.stopping import on_stop
from gosonde_common.values.audit import Act, Actor
from gosonde_common.values.observation import Observation, Process, ProcessKey
from gosonde_common.values.reachability import SearchOutcome
from gosonde_common.values.status import AgentStatus

from gosonde_agent.config import AgentConfig
from gosonde_agent.discovery import kubelet_place, named
from gosonde_agent.discovery.container_runtime import ContainerRuntime
from gosonde_agent.discovery.kubelet import Kubelet
from gosonde_agent.discovery.limits import Limits
from gosonde_agent.helper import Helper
from gosonde_agent.host import identity, own_budget
from gosonde_agent.host.access import BREAK_SIGNAL
from gosonde_agent.host.background import Background
from gosonde_agent.host.spending import Spending
from gosonde_agent.model.spool_state import SpoolState
from gosonde_agent.model.trail import Trail
from gosonde_agent.serve.doors import open_doors
from gosonde_agent.serve.exports import Exports
from gosonde_agent.serve.latest import Latest
from gosonde_agent.snapshots import pprof_allowed
from gosonde_agent.snapshots.redaction import Redaction, same
from gosonde_agent.snapshots.taking import Snapshots
from gosonde_agent.sources import hit_costs
from gosonde_agent.sources.ebpf.source import EbpfSource
from gosonde_agent.sources.hit_costs import HitCosts
from gosonde_agent.sources.kinds import MEMORY
from gosonde_agent.sources.memory.whole_host import WholeHostSource
from gosonde_agent.sources.ptrace.held import while_held
from gosonde_agent.stream.journal import FILE_NAME, Journal, JournalLimits
from gosonde_agent.stream.uplink import Uplink
from gosonde_agent.watch.audit import Audit
from gosonde_agent.watch.governing import count_parks, govern, sample_sites
from gosonde_agent.watch.loading import CLOSING_SECONDS, Loading
from gosonde_agent.watch.memory import Memory
from gosonde_agent.watch.monitor import Monitor
from gosonde_agent.watch.naming import Naming
from gosonde_agent.watch.observing import Observing, Outlet
from gosonde_agent.watch.operating import Operating
from gosonde_agent.watch.proving import Proving
from gosonde_agent.watch.recalibrating import Recalibrating
from gosonde_agent.watch.running import Running
from gosonde_agent.watch.searches import Searches
from gosonde_agent.watch.timers import Timers
from gosonde_agent.watch.timing import Timing

log = structlog.get_logger(__name__)

STOP_GRACE_SECONDS = 1.0
#: How often it is said how many programs still have probes while the agent stops.
TELL_SECONDS = 1.0


def run(config: AgentConfig, reread: Callable[[], AgentConfig], helper: Helper) -> None:
    """Runs the agent until SIGTERM or SIGINT; `reread` gives the configuration again on SIGHUP.

    Call `without_privileges` before, and import this module only then: libraries start threads when they are imported.

    Raises:
        GosondeError: It could not start, or a part of it failed.
    """
    try:
        asyncio.run(_run(config, reread, helper))
    finally:
        helper.close()


async def _run(config: AgentConfig, reread: Callable[[], AgentConfig], helper: Helper) -> None:
    _ask_for_names(config)
    peers = _Peers(config, helper)
    doors = await open_doors(
        config,
        peers.latest,
        peers.status,
        peers.spool,
        peers.spending,
        redact=peers.redact,
        switch=peers.switch,
        prove=peers.snapshots.prove,
        trail=peers.trail,
    )
    try:
        source, costs = _source(config, helper, peers)
    except GosondeError:
        await doors.close(0)
        raise
    work = _Work(config, helper.pid, source, costs, peers)
    notifier = Notifier()
    desk = work.running.desk
    watchdog = notifier.watchdog(lambda: desk.is_stuck() or peers.uplink.is_stuck())
    loops = [peers.uplink.run(), watchdog, _end_with(helper), *work.loops()]
    if isinstance(source, EbpfSource):
        keep = partial(hit_costs.keep, config.state, peers.me.boot_id)
        recalibrating = Recalibrating(work.monitor, work.running, source.hit_costs, keep)
        loops.append(recalibrating.run(costs))
    background = Background(loops, work.running.stopping)
    work.listen(source.event_fd, reread, background, doors.exports)
    previous = peers.uplink.previous_end
    peers.trail.note(Act.AGENT_STARTED, Actor.AGENT, detail=f"version {__version__}; the run before: {previous}")
    try:
        await work.start()
        log.info(
            "agent started",
            agent_id=peers.me.agent_id,
            version=__version__,
            collectors=list(config.collector),
            previous_end=previous,
            hit_costs={
                name: round(cost, 3) if isinstance(cost, float) else cost for name, cost in asdict(costs).items()
            },
            probes_from=helper.probes.origin if helper.probes.descriptors else "",
            probes_compiled_because=helper.probes.compiled_because,
        )
        doors.exports.apply(otlp_keys(config))
        notifier.ready("watching")
        await work.observing.run()
    finally:
        notifier.stopping()
        await desk.do(work.monitor.leave)
        await background.cancel()
        await doors.close(STOP_GRACE_SECONDS)
        await peers.uplink.close()  # before the kernel has closed all probes: that may take longer than a stop may
        await work.close()
    background.check()
    log.info("agent stopped")


def _ask_for_names(config: AgentConfig) -> None:
    """Says who is asked for the names of containers, if the operator wants that."""
    if config.cri:
        named.use(ContainerRuntime(config.cri))
    elif config.kubelet:
        named.use(Kubelet(kubelet_place.place(config.kubelet, config.kubelet_token, config.kubelet_ca)))


def _source(config: AgentConfig, helper: Helper, peers: "_Peers") -> tuple[EbpfSource | WholeHostSource, HitCosts]:
    """What counts, and what a hit costs; without probes nothing is counted, and nothing hit."""
    if helper.no_probes_because:
        log.warning("no probes can be placed: what memory shows is all there is", reason=helper.no_probes_because)
        return WholeHostSource(), MEMORY.hit_costs
    source = EbpfSource(helper.probes)
    return source, hit_costs.cached(config.state, peers.me.boot_id, source.hit_costs)


async def _end_with(helper: Helper) -> None:
    """Raises UnavailableError as soon as the helper has ended: without it no process can be found or read."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(helper.life, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(helper.life)
    raise UnavailableError("the agent's helper has ended")


class _Peers:
    """Who asks the agent, and whom it reports to."""

    def __init__(self, config: AgentConfig, helper: Helper) -> None:
        self._no_probes_because = helper.no_probes_because
        self.me = identity.load(config.state, config.host)
        self.latest = Latest()
        self.trail = Trail()
        limits = JournalLimits(int(config.spool_mb * (1 << 20)), config.spool_hours * 3600)
        self.journal = Journal(self.me.boot_id, config.state / FILE_NAME, limits)
        self._redaction = Redaction() if config.redact_paths else None
        self.redact = self._redaction.goroutine if self._redaction else same
        pprof = tuple(map(pprof_allowed.place, config.pprof))
        stop = partial(while_held, helper.client) if config.ptrace_snapshots else None
        labels = frozenset(config.labels)
        self.snapshots = Snapshots(
            self._watches, self.redact, pprof, self._prove, stop, labels=labels, max_stacks=int(config.max_stacks)
        )
        self.uplink = Uplink(
            config.collector,
            self.me,
            config.interval_seconds,
            self.journal,
            tls=config.tls,
            snapshots=self.snapshots,
            no_probes_because=helper.no_probes_because,
            trail=self.trail,
        )
        self._started_unix_nano = time.time_ns()
        self._work: _Work | None = None

    def join(self, work: "_Work") -> None:
        """From now on there is something to ask."""
        self._work = work

    def status(self) -> AgentStatus:
        """Who the agent is, and how its uplink goes."""
        me, since = self.me, self._started_unix_nano
        return AgentStatus(
            me.agent_id, __version__, me.host, since, self.uplink.status(), no_probes_because=self._no_probes_because
        )

    def losses(self) -> Mapping[str, int]:
        """What was lost on the way to the collector, and of what it asked for."""
        uplink, trail = self.uplink.losses(), self.trail.losses()
        both = {name: uplink[name] + lost for name, lost in trail.items()}
        return {**uplink, **self.snapshots.losses(), **both}

    def spool(self) -> SpoolState:
        """What the spool holds, and where."""
        return SpoolState(self.journal.size, self.journal.is_without_disk)

    def spending(self) -> Spending | None:
        """What the agent and its helper take of a CPU; None while the agent is starting."""
        return self._work.running.spending if self._work else None

    def _watches(self, key: ProcessKey) -> bool:
        return self._work is not None and self._work.monitor.watches(key)

    async def _prove(self, key: ProcessKey) -> SearchOutcome:
        if self._work is None:
            raise UnavailableError("the agent is starting")
        return await self._work.proving.prove(key)

    async def switch(self, pid: int | None, on: bool) -> Sequence[Process]:  # a Switch
        """Detaches probes or attaches them again.

        Raises:
            UnavailableError: The agent is starting.
            NotFoundError: No such process is watched.
        """
        if self._work is None:
            raise UnavailableError("the agent is starting")
        keys = await self._work.operating.switch(pid, on=on)
        return [process for process in self.latest.current(None).processes if process.key in keys]

    async def report(self, observation: Observation) -> None:
        """Gives an observation to the uplink and to local queries: what a query has shown is on disk."""
        if self._redaction:
            observation = self._redaction.observation(observation)
        await self.uplink.offer(observation)
        self.latest.update(observation)


class _Work:
    """What goes on while the agent runs: finding, reading and observing processes."""

    def __init__(
        self, config: AgentConfig, helper: int, source: EbpfSource | WholeHostSource, costs: HitCosts, peers: _Peers
    ) -> None:
        self.running = Running(config, helper)
        self.monitor = Monitor(
            source,
            config.selection,
            config.reconcile_seconds,
            costs,
            config.target_budget,
            parks=config.park and source.kind.sees_stops,
            limits=Limits(int(config.max_probed_files)),
            sums_short_lived=True,
            starts_low=True,
        )
        self.loading = Loading(self.monitor, self.running)
        self._memory = Memory(self.monitor, self.running)
        outlet = Outlet(peers.report, peers.losses, lambda: peers.uplink.cpu_seconds)
        searches = Searches(lambda: self.running.own_budget, lambda: self.monitor.readings.binaries, time.monotonic)
        timers = Timers(
            lambda: self.running.own_budget,
            lambda: self.monitor.readings.binaries,
            lambda: self.monitor.is_quiet,
            time.monotonic,
        )
        self.observing = Observing(
            *(self.monitor, self.running, self.loading, self._memory, outlet),
            searches=searches,
            timers=timers,
            audit=Audit(peers.trail),
        )
        self._timing = Timing(timers, self.running)
        self._trail = peers.trail
        self.proving = Proving(searches, self.running, self.observing.observe)
        self.operating = Operating(self.monitor, self.running, self.observing, peers.trail)
        peers.join(self)

    def loops(self) -> list[Coroutine[None, None, None]]:
        """What goes on all the time beside the observations."""
        govern_probes = govern(self.monitor, self.running)
        windows = sample_sites(self.monitor, self.running)
        loops = [self.loading.follow(), self.loading.run(), self._memory.run(), self._memory.look()]
        loops += [self.proving.run(), self._timing.run(), govern_probes, windows]
        if self.running.config.asks_for_names:
            loops.append(Naming(self.monitor.processes, self.running).run())
        return [*loops, count_parks(self.monitor, self.running.desk)] if self.monitor.costs.parks else loops

    def listen(
        self, event_fd: int, reread: Callable[[], AgentConfig], background: Background, exports: Exports
    ) -> None:
        """Takes signals and the kernel's events from now on."""
        loop = asyncio.get_running_loop()
        on_stop(self._stop)
        loop.add_signal_handler(signal.SIGHUP, lambda: background.add(self._reload(reread, exports)))
        loop.add_signal_handler(signal.SIGUSR2, lambda: background.add(self.operating.all_off()))
        loop.add_signal_handler(BREAK_SIGNAL, self.loading.on_event)
        self.loading.listen(event_fd)

    async def _reload(self, reread: Callable[[], AgentConfig], exports: Exports) -> None:
        await self.operating.reload(reread)
        exports.apply(otlp_keys(self.running.config))

    def _stop(self) -> None:
        log.info("agent stopping; a second Ctrl-C ends it at once, and the kernel detaches the probes")
        self._trail.note(Act.AGENT_STOPPED, Actor.SIGNAL, "SIGTERM or SIGINT")
        self.running.stopping.set()

    async def start(self) -> None:
        """Finds and probes what runs now."""
        await self.running.desk.do(self.monitor.scan)
        await self.loading.load_all()
        await self.running.desk.do(own_budget.collect_rarely)
        await self.running.desk.do(own_budget.release_memory)
        self.running.spending.begin()

    async def close(self) -> None:
        """Returns when all probes are detached; says meanwhile how many programs still have some."""
        self.loading.close()
        tell_at = time.monotonic()
        while left := await self.running.desk.do(self.monitor.left):
            if time.monotonic() >= tell_at:
                log.info("detaching the probes", programs_left=left)
                tell_at += TELL_SECONDS
            await asyncio.sleep(CLOSING_SECONDS)
        await self.running.desk.do(self.monitor.close)
