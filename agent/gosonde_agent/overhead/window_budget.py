"""What windows may cost a process: what the probes that are always there leave of its budget.

A window costs more in its moment than the budget has for it. So it must be paid, by what was left over since the one
before, when the next one opens. What is left over beyond that is not saved up.
"""

import time
from dataclasses import dataclass

from gosonde_common.errors import GosondeError

from gosonde_agent.accounting.processes import GoProcess
from gosonde_agent.host import procfs
from gosonde_agent.overhead.governor import Governor


@dataclass(slots=True)
class Spent:
    """Of one process, when its last window ended (before the first: when it was found).

    Attributes:
        others_ns: What everything else that comes first had cost it.
        debt_ns: What the window cost it.
    """

    at: float
    cpu_ns: int
    others_ns: float
    debt_ns: float


@dataclass(frozen=True, slots=True)
class Left:
    """What the budget has left since then, in ns, and so much of it each second."""

    ns: float
    per_second: float

    @property
    def due_in(self) -> float:
        """Seconds until the window is paid."""
        if self.ns >= 0:
            return 0.0
        return -self.ns / self.per_second if self.per_second > 0 else float("inf")


class WindowBudget:
    """Accounts of windows that may take `part` of what is left over."""

    def __init__(self, governor: Governor, part: float = 1.0) -> None:
        self._governor = governor
        self._part = part

    @staticmethod
    def spent(process: GoProcess, others_ns: float, debt_ns: float = 0.0) -> Spent:
        """A new account: a window has ended, which cost a process `debt_ns`."""
        return Spent(time.monotonic(), cpu_ns(process), others_ns, debt_ns)

    def left(self, process: GoProcess, spent: Spent, others_ns: float) -> Left:
        """What is left over now, less the debt."""
        seconds = max(time.monotonic() - spent.at, 1e-3)
        taken_ns = max(cpu_ns(process) - spent.cpu_ns, 1)
        allowed = self._governor.allowed_ns(process.description.exe, taken_ns, seconds)
        left = (allowed - (others_ns - spent.others_ns)) * self._part
        return Left(left - spent.debt_ns, left / seconds)


def cpu_ns(process: GoProcess) -> int:
    """CPU time of a process; 0 when it has just ended."""
    try:
        return procfs.cpu_ns(process.key.pid)
    except GosondeError:
        return 0
