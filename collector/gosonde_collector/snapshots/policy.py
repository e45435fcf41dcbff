"""When the collector asks for snapshots by itself: when a site starts to grow, and while findings last.

docs/adr/0074-snapshots-on-suspicion.md says why, and how often.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import structlog
from gosonde_common.errors import GosondeError, NotFoundError, OverloadedError
from gosonde_common.ratelimit import Rates
from gosonde_common.values.audit import Actor

from gosonde_collector.model.by import By
from gosonde_collector.model.values import ProcessKey, SnapshotKind
from gosonde_collector.snapshots.requests import SnapshotRequests
from gosonde_collector.telemetry.counters import Telemetry

log = structlog.get_logger(__name__)

#: A process is asked for on suspicion no sooner than that many seconds after it was asked for last.
REST_S: Final = 300.0
#: Processes of one host that are asked for each second, and at once after a rest.
PER_SECOND, AT_ONCE = 0.1, 4.0
#: For how long it is remembered when a process was asked for, in seconds.
REMEMBER_S: Final = 86_400.0
SUSPICION, SCHEDULE, PROFILES = "suspicion", "schedule", "profiles"

#: A host, and a process of it.
Place = tuple[str, ProcessKey]


@dataclass(frozen=True, slots=True)
class Due:
    """A process of which a snapshot is to be taken now; `reason` is SUSPICION, SCHEDULE or PROFILES."""

    host: str
    process: ProcessKey
    reason: str


class SnapshotPolicy:
    """Chooses; to be used by one thread at a time."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._asked: dict[Place, float] = {}
        self._rates = Rates(PER_SECOND, AT_ONCE, clock=now)

    def rested(self, place: Place, seconds: float = REST_S) -> bool:
        """Whether the process was not asked for lately."""
        return self._now() - self._asked.get(place, -REMEMBER_S) >= seconds

    def due(
        self,
        suspected: Iterable[Place],
        found: Iterable[Place],
        every_s: float,
        *,
        running: Iterable[Place] = (),
        profiles_s: float = 0.0,
    ) -> list[Due]:
        """The processes to ask for now, as far as their hosts have been left in peace long enough.

        Args:
            suspected: Processes some site of which starts to grow.
            found: Those with open findings.
            every_s: How often to ask for the latter, in seconds; 0 for never.
            running: Those of which profiles are pushed to others.
            profiles_s: How often to ask for these, in seconds; 0 for never.
        """
        now = self._now()
        self._asked = {place: when for place, when in self._asked.items() if now - when < REMEMBER_S}
        wanted = [Due(*place, SUSPICION) for place in suspected if self.rested(place)]
        if every_s:
            wanted += [Due(*place, SCHEDULE) for place in found if self.rested(place, every_s)]
        if profiles_s:
            wanted += [
                Due(*place, PROFILES) for place in self._longest_rested(running) if self.rested(place, profiles_s)
            ]
        return [due for due in wanted if self._take((due.host, due.process), now)]

    def _longest_rested(self, places: Iterable[Place]) -> list[Place]:
        """All have their turn, also where there are more than their host is asked for."""
        return sorted(places, key=lambda place: self._asked.get(place, 0.0))

    def _take(self, place: Place, now: float) -> bool:
        if self._asked.get(place) == now or not self._rates.allows(place[0]):
            return False
        self._asked[place] = now
        return True


class SnapshotAsker:
    """Asks agents for what is due, beside everything else; belongs to the event loop."""

    def __init__(self, requests: SnapshotRequests, telemetry: Telemetry) -> None:
        self._requests = requests
        self._telemetry = telemetry
        self._tasks: set[asyncio.Task[None]] = set()

    def ask(self, dues: Iterable[Due]) -> None:
        """Returns at once; snapshots are stored as they come."""
        for due in dues:
            task = asyncio.create_task(self._ask(due))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _ask(self, due: Due) -> None:
        kinds = self._requests.kinds(due.host)
        for kind in kinds[:1] if due.reason == PROFILES else kinds:
            try:
                await self._requests.take_of(due.host, due.process, kind, By(Actor.ANALYSIS, why=due.reason))
            except (NotFoundError, OverloadedError) as error:
                log.info("snapshot not asked for", host=due.host, pid=due.process.pid, reason=str(error))
                return
            except GosondeError:  # logged where it was asked for
                self._telemetry.asked(due.reason, kind, "failed")
                if kind is SnapshotKind.PPROF:
                    return  # who does not answer to that has no other profile either
            else:
                self._telemetry.asked(due.reason, kind, "taken")
