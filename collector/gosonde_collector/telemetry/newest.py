"""What each agent lost, how its host's clock goes, and how old what it says is, as the newest batches say."""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Final, TypeVar

from gosonde_common.goroutine_metrics import OTHERS
from gosonde_common.staleness import is_stale

from gosonde_collector.model.values import Batch, KnownProcess, Loss

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
        self._heard: OrderedDict[str, tuple[int, int, int]] = OrderedDict()

    def seed(self, known: Iterable[KnownProcess]) -> None:
        """What the store says of processes that run, before the first batch comes."""
        with self._lock:
            for one in known:
                if not one.process.ended_unix_nano:
                    heard = one.last_stored_unix_nano, one.last_observed_unix_nano, one.interval_ns
                    _put(self._heard, one.host, max(heard, self._heard.get(one.host, heard)))

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
            _put(self._heard, stream.host, (stored_unix_nano, batch.taken_unix_nano, batch.interval_ns))

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

    def ages(self, now_unix_nano: int) -> dict[str, tuple[int, bool]]:
        """How many nanoseconds old each host's newest observation is, and whether that is stale."""
        offsets = self.offsets()
        with self._lock:
            heard = dict(self._heard)
        ages = {
            host: max(now_unix_nano - stored, now_unix_nano + offsets.get(host, 0) - taken, 0)
            for host, (stored, taken, _) in heard.items()
        }
        return {host: (age, is_stale(age, heard[host][2])) for host, age in ages.items()}


def _put(known: OrderedDict[Key, Value], key: Key, value: Value) -> None:
    known[key] = value
    known.move_to_end(key)
    if len(known) > MAX_AGENTS:
        known.popitem(last=False)
