"""What an operator may change while the agent runs: switch probes, and reload the configuration."""

import asyncio
from collections.abc import Callable
from functools import partial

import structlog
from gosonde_common import logs
from gosonde_common.errors import GosondeError
from gosonde_common.values.audit import Act, Actor
from gosonde_common.values.observation import Process, ProcessKey

from gosonde_agent.config import RELOADABLE, AgentConfig, reloaded
from gosonde_agent.host.threads import in_thread
from gosonde_agent.model.trail import Trail
from gosonde_agent.watch.monitor import Monitor
from gosonde_agent.watch.observing import Observing
from gosonde_agent.watch.running import Running

log = structlog.get_logger(__name__)

#: How often it is checked whether probes are out.
CLOSING_SECONDS = 0.02


class Operating:
    """Does at once what the operator asks for, and has it observed."""

    def __init__(self, monitor: Monitor, running: Running, observing: Observing, trail: Trail) -> None:
        self._monitor = monitor
        self._desk = running.desk
        self._running = running
        self._observing = observing
        self._trail = trail

    async def switch(self, pid: int | None, *, on: bool) -> set[ProcessKey]:
        """Detaches probes or attaches them again, and returns when that is done and observed.

        Returns:
            The processes that this was done to.

        Raises:
            NotFoundError: No such process is watched.
        """
        self._running.awake.set()
        if on:
            await self._until_closed(pid)  # a probe beside one that can still be hit would count twice
        switched: list[Process] = await self._desk.do(partial(self._monitor.switch, pid, on=on))
        await self._until_closed(pid)
        await self._observing.observe()
        return {process.key for process in switched}

    async def _until_closed(self, pid: int | None) -> None:
        """Others that are closed meanwhile are not waited for."""
        while await self._desk.do(partial(self._monitor.is_closing_for, pid)):
            await asyncio.sleep(CLOSING_SECONDS)

    async def all_off(self) -> None:
        """Detaches all probes, until they are switched on again."""
        self._trail.note(Act.PROBES_OFF, Actor.SIGNAL, "SIGUSR2", detail="of all processes")
        self._running.awake.set()
        await self._desk.do(partial(self._monitor.switch, None, on=False))
        await self._observing.observe()

    async def reload(self, reread: Callable[[], AgentConfig]) -> None:
        """Takes over what may change while the agent runs; a configuration that is wrong changes nothing."""
        before = self._running.config
        try:
            self._running.config, ignored = reloaded(before, await in_thread(reread))
        except GosondeError as error:
            log.warning("configuration not reloaded", reason=str(error))
            self._trail.note(Act.RELOAD_REFUSED, Actor.SIGNAL, "SIGHUP", detail=str(error))
            return
        config = self._running.config
        changed = sorted(key for key in RELOADABLE if getattr(before, key) != getattr(config, key))
        detail = f"changed: {', '.join(changed) or 'nothing'}"
        if ignored:
            detail += f"; need a restart: {', '.join(ignored)}"
        self._trail.note(Act.CONFIGURATION_RELOADED, Actor.SIGNAL, "SIGHUP", detail=detail)
        logs.set_level(config.log_level)
        self._running.awake.set()
        await self._desk.do(partial(self._monitor.costs.set_budget, config.target_budget))
        await self._desk.do(partial(self._monitor.select, config.selection))
        await self._observing.observe()
        if ignored:
            log.warning("these keys need a restart", keys=list(ignored))
        log.info("configuration reloaded")
