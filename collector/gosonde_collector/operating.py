"""What is done to a collector as a whole: it starts, reads its configuration again, and stops."""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog
from gosonde_common import __version__, logs
from gosonde_common.errors import GosondeError
from gosonde_common.otlp.keys import otlp_keys
from gosonde_common.values.audit import Act, Actor

from gosonde_collector.config import RELOADABLE, CollectorConfig, reloaded
from gosonde_collector.model.by import By
from gosonde_collector.model.errors import DiskFullError, StoreError
from gosonde_collector.outward.sending import Outward, Plan
from gosonde_collector.routine import Routine
from gosonde_collector.store.protocol import Store
from gosonde_collector.telemetry.otlp import Otlp
from gosonde_collector.telemetry.own_acts import OwnActs

log = structlog.get_logger(__name__)

ITSELF: Final = By(Actor.ITSELF)
RELOADING, STOPPING = By(Actor.SIGNAL, "SIGHUP"), By(Actor.SIGNAL, "SIGTERM or SIGINT")
#: How long an act may take to be stored: nothing waits longer for it.
NOTE_SECONDS: Final = 2.0

#: Reads the configuration again, flags included.
Reload = Callable[[], CollectorConfig]


class Operating:
    """Belongs to the collector's event loop.

    Attributes:
        stopping: Set when the collector is to stop.
    """

    def __init__(
        self,
        routine: Routine,
        store: Store,
        acts: OwnActs,
        reload: Reload,
        stopping: asyncio.Event,
        *,
        otlp: Otlp,
        outward: Outward,
    ) -> None:
        self._routine = routine
        self._outward = outward
        self._store = store
        self._acts = acts
        self._otlp = otlp
        self._reload = reload
        self._stopped_by = ITSELF
        self._turn = asyncio.Lock()
        self.stopping = stopping

    async def started(self) -> None:
        """Notes the start."""
        await self._note(Act.COLLECTOR_STARTED, ITSELF, f"version {__version__}")

    def stop(self) -> None:
        """Whoever runs it wants it to stop."""
        self._stopped_by = STOPPING
        self.stopping.set()

    async def stopped(self) -> None:
        """Notes that it stops."""
        is_wanted = self._stopped_by is STOPPING
        await self._note(
            Act.COLLECTOR_STOPPED, self._stopped_by, "" if is_wanted else "some of its work failed; its log says why"
        )

    async def reload(self) -> None:
        """Reads the configuration again; a wrong one changes nothing."""
        async with self._turn:
            await self._reloaded()

    async def _reloaded(self) -> None:
        before = self._routine.config
        try:
            config, ignored = reloaded(before, await asyncio.to_thread(self._reload))
            plan = await asyncio.to_thread(Plan, config)
        except GosondeError as error:
            log.error("configuration not reloaded; the former one stays", reason=str(error))  # noqa: TRY400
            await self._note(Act.RELOAD_REFUSED, RELOADING, str(error))
            return
        self._routine.config = config
        self._outward.follow(plan)
        logs.set_level(config.log_level)
        self._store.min_free_bytes = config.min_free_bytes
        self._otlp.apply(otlp_keys(config))
        log.info("configuration reloaded", needs_restart=list(ignored))
        changed = sorted(key for key in RELOADABLE if getattr(before, key) != getattr(config, key))
        detail = f"changed: {', '.join(changed) or 'nothing'}"
        if ignored:
            detail += f"; need a restart: {', '.join(ignored)}"
        await self._note(Act.CONFIGURATION_RELOADED, RELOADING, detail)

    async def _note(self, act: Act, by: By, detail: str = "") -> None:
        """What cannot be stored keeps nobody from starting, reloading and stopping."""
        try:
            async with asyncio.timeout(NOTE_SECONDS):
                await asyncio.to_thread(self._acts.note, act, by, detail=detail)
        except (TimeoutError, StoreError, DiskFullError) as error:
            log.warning("an act could not be noted", act=act, reason=str(error) or "the store takes too long")
