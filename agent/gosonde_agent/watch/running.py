"""What the parts of a run share: the configuration in force, and when to stop, to work, and to rest."""

import asyncio

from gosonde_agent.config import AgentConfig
from gosonde_agent.host.desk import Desk
from gosonde_agent.host.own_budget import OwnBudget, Spending

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
        spending: What the agent itself takes.
    """

    def __init__(self, config: AgentConfig) -> None:
        self.config = config
        self.stopping = asyncio.Event()
        self.awake = asyncio.Event()
        self.awake.set()
        self.arrived = asyncio.Event()
        self.desk = Desk("monitor")
        self.spending = Spending()

    @property
    def own_budget(self) -> OwnBudget:
        """What reading, observing and searching may take now."""
        return self.config.own_budget.less(self.spending.rest)

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
