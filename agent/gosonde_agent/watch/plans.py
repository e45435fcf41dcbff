"""When each process's memory is read next, and how much it is suspected of growth that nothing else shows."""

from dataclasses import dataclass, field

from gosonde_common.values.levels import Level

from gosonde_agent.accounting.processes import GoProcess
from gosonde_agent.sources.counters import Hits, Image
from gosonde_agent.watch.reading_order import LOUDEST, SUSPECTED, Growth, Order

#: Readings in a visit right after attaching, for the baselines of busy sites.
FIRST_READINGS = 20


@dataclass(slots=True)
class Plan:
    """When a process is read next, CLOCK_MONOTONIC seconds.

    Attributes:
        rested: When it is read though no probe was hit since the last visit.
        hits: Of its probes, as far as was known then.
        growth: Whether it seems to grow.
        read_at: When it was last read.
        cpu_seconds: What that took.
    """

    due: float
    visits: int = 0
    failed: bool = False
    rested: float = 0.0
    hits: Hits | None = None
    growth: Growth = field(default_factory=Growth)
    read_at: float = float("-inf")
    cpu_seconds: float = 0.0


@dataclass(slots=True)
class Waiting:
    """A process that is to be read.

    Attributes:
        due: Since when it should be.
        suspicion: How much it is suspected of growth that only memory shows.
        ready: When there is time for it.
    """

    process: GoProcess
    image: Image
    plan: Plan
    wanted: int
    due: float
    suspicion: int
    ready: float = 0.0

    @property
    def first(self) -> bool:
        """Whether its report waits for this reading."""
        return not self.plan.visits or self.wanted == FIRST_READINGS

    @property
    def at(self) -> float:
        """When it is read at the earliest."""
        return max(self.due, self.ready)

    @property
    def order(self) -> Order:
        """Where it stands among those that are due."""
        return not self.first, self.due


def suspicion(process: GoProcess, plan: Plan, wanted: int) -> int:
    """How much a process is suspected of growth that only memory shows; what its report waits for goes first."""
    if not plan.visits or wanted == FIRST_READINGS:
        return LOUDEST
    if needs_memory(process):
        return plan.growth.suspicion
    return SUSPECTED if process.is_frozen else 0


def needs_memory(process: GoProcess) -> bool:
    """Whether only readings of its memory show what happens."""
    return process.level is not Level.FULL
