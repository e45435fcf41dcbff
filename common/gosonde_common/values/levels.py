"""How much of a process the probes see, and what a step from one level to another is."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Level(StrEnum):
    """What is probed. Each but `full` leaves to readings of memory what it does not probe."""

    FULL = "full"
    #: Exits are not probed.
    CREATION = "creation"
    #: Creations and exits are probed in short windows; stop-the-world pauses all the time.
    SAMPLED = "sampled"
    #: Neither creations nor exits are probed; stop-the-world pauses still are.
    MEMORY = "memory"
    #: Nothing is probed, because the operator said so.
    OFF = "off"


class Reason(StrEnum):
    """Why there was a step."""

    #: The probes cost more than the budget.
    BUDGET = "budget"
    #: They would cost less than half of it, for a while.
    RECOVERED = "recovered"
    OPERATOR = "operator"
    #: The agent may place no probes on this host.
    NO_PROBES = "no_probes"


WORLD: Final = frozenset({"started", "stopped", "mark_termination"})
#: What each level has in the file all the time.
PROBES: Final[Mapping[Level, frozenset[str]]] = {
    Level.FULL: WORLD | {"created", "exited"},
    Level.CREATION: WORLD | {"created"},
    Level.SAMPLED: WORLD,
    Level.MEMORY: WORLD,
    Level.OFF: frozenset(),
}

#: Steps that are reported for a process, the newest.
MAX_STEPS = 16


@dataclass(frozen=True, slots=True)
class Step:
    """A change of level. `target_ppm` is what the probes of level full cost then, or would have cost."""

    at_unix_nano: int
    level: Level
    reason: Reason
    target_ppm: int
