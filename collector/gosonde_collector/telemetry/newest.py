"""What each agent lost, and how its host's clock goes, as the newest batches say."""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final, TypeVar

from gosonde_common.goroutine_metrics import OTHERS

from gosonde_collector.model.values import Batch, Loss

#: Agents and hosts that are remembered; those that said nothing for longest are forgotten.
MAX_AGENTS: Final = 10_000
#: Counters that have a name in all.
MAX_COUNTERS: Final = 20_000
#: The batch that took least in one such time says how a clock goes, in nanoseconds.
WINDOW_NS: Final = 300_000_000_000

Key = TypeVar("Key")
Value = TypeVar("Value")


class Newest:
    """Filled as batches are stored; any thread may read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._losses: OrderedDict[tuple[str, str], tuple[int, Mapping[str, int]]] = OrderedDict()
        self._offsets: OrderedDict[str, tuple[int, int, int]] = OrderedDict()

    def take(self, batch: Batch, stored_unix_nano: int) -> None:
        """A batch was stored at a moment."""
        stream, offset = batch.stream, batch.taken_unix_nano - stored_unix_nano
        number = stored_unix_nano // WINDOW_NS
        with self._lock:
            run, _ = self._losses.get((stream.host, stream.agent_id), (0, {}))
            if stream.agent_run >= run:
                _put(self._losses, (stream.host, stream.agent_id), (stream.agent_run, batch.losses))
            last, before, now = self._offsets.get(stream.host, (number, offset, offset))
            if last != number:
                before, now = now, offset
            _put(self._offsets, stream.host, (number, before, max(now, offset)))

    def losses(self) -> list[Loss]:
        """The newest total of every loss counter of each host, agents of one host summed."""
        sums: dict[tuple[str, str], int] = {}
        with self._lock:
            for (host, _), (_, losses) in self._losses.items():
                for name, total in losses.items():
                    key = (host, name) if (host, name) in sums or len(sums) < MAX_COUNTERS else (OTHERS, OTHERS)
                    sums[key] = sums.get(key, 0) + total
        return [Loss(host, name, total) for (host, name), total in sums.items()]

    def offsets(self) -> dict[str, int]:
        """By how many nanoseconds each host's clock is ahead of the collector's, of late."""
        with self._lock:
            return {host: max(before, now) for host, (_, before, now) in self._offsets.items()}


def _put(known: OrderedDict[Key, Value], key: Key, value: Value) -> None:
    known[key] = value
    known.move_to_end(key)
    if len(known) > MAX_AGENTS:
        known.popitem(last=False)
