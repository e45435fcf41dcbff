"""What the parts of a run share: the configuration in force, and when to stop, to work, and to rest."""

import asyncio

from gosonde_agent.config import AgentConfig
from gosonde_agent.host.desk import Desk
from gosonde_agent.host.own_budget import OwnBudget
from gosonde_agent.host.spending import ROOM_SECONDS, Spending, Taken

#: An event loop cannot wait without end.
LONGEST_SECONDS = 3600.0
#: How long to wait at least when nothing is due.
LEAST_PAUSE_SECONDS = 0.05


class Running:
    """One run of the agent.

    Attributes:
        config: The configuration in force; replaced when it is reloaded.
        stopping: Set when the run is to end.
        awake: Cleared while nothing happens, so that nothing is checked needlessly.
        arrived: Set when a process was found whose cost is not known.
        desk: Where everything of the monitor happens.
        spending: What the agent itself takes, and its helper, which is a process with the pid `helper`.
    """

    def __init__(self, config: AgentConfig, helper: int) -> None:
        self.config = config
        self.stopping = asyncio.Event()
        self.awake = asyncio.Event()
        self.awake.set()
        self.arrived = asyncio.Event()
        self.desk = Desk("monitor")
        self.spending = Spending(taken=Taken(helper))

    @property
    def own_budget(self) -> OwnBudget:
        """What reading, observing and searching may take now."""
        return self.config.own_budget.less(self.spending.rest())

    @property
    def has_room(self) -> bool:
        """Whether what can wait may be done now."""
        return self.spending.room(self.config.own_budget.cpu) > 0

    @property
    def is_crowded(self) -> bool:
        """Whether what cannot wait takes nearly all that the agent may take."""
        return self.spending.is_crowded(self.config.own_budget.cpu)

    async def room_for(self, work: str) -> None:
        """Waits until something that can wait may be done; for how long is kept by the name of that work."""
        while not self.has_room:
            await asyncio.sleep(ROOM_SECONDS)
            self.spending.put_off[work] += ROOM_SECONDS

    def wake_unless(self, *, quiet: bool) -> None:
        """Ends the rest, unless nothing has happened for a while."""
        if not quiet:
            self.awake.set()


async def first_of(*events: asyncio.Event, seconds: float) -> None:
    """Returns when one of the events is set, or after so long."""
    waits = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait(waits, timeout=min(seconds, LONGEST_SECONDS), return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
