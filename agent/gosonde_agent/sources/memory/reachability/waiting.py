"""What a blocked goroutine waits for, by its wait reason: a channel, a lock, or nothing that there could ever be."""

from collections.abc import Sequence

import numpy as np

from gosonde_agent.sources.memory.goroutines import LEAKED, WAITING
from gosonde_agent.sources.memory.reachability.headers import Goroutines
from gosonde_agent.sources.memory.reachability.rows import Bools

CHANNEL = frozenset({"chan receive", "chan send", "select"})
NEVER = frozenset({"chan receive (nil chan)", "chan send (nil chan)", "select (no cases)"})
LOCK = frozenset(
    {
        *("sync.Cond.Wait", "sync.Mutex.Lock", "sync.RWMutex.RLock", "sync.RWMutex.Lock"),
        *("sync.WaitGroup.Wait", "semacquire"),
    }
)


class Reasons:
    """Which of one process's wait reasons are of which sort."""

    def __init__(self, names: Sequence[str]) -> None:
        """`names` by number."""
        self._sorts = {sort: np.array([name in sort for name in names]) for sort in (CHANNEL, NEVER, LOCK)}

    def are(self, sort: frozenset[str], goroutines: Goroutines) -> Bools:
        """Which goroutines wait for a reason of one sort."""
        table = self._sorts[sort]
        blocked = np.isin(goroutines.status, (WAITING, LEAKED)) & (goroutines.reason < len(table))
        found: Bools = blocked & table[np.where(blocked, goroutines.reason, 0)]
        return found

    def blocked(self, goroutines: Goroutines) -> Bools:
        """Which goroutines wait for a reason of any of these sorts."""
        found: Bools = self.are(CHANNEL, goroutines) | self.are(NEVER, goroutines) | self.are(LOCK, goroutines)
        return found
