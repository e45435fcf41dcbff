"""What each agent is and lost, how its host's clock goes, and how old what it says is, as the newest batches say."""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Final, TypeVar

from gosonde_common.owners import OTHERS
from gosonde_common.staleness import is_stale

from gosonde_collector.model.ages import since
from gosonde_collector.model.values import Batch, KnownProcess, Loss

#: Agents and hosts that are remembered; those that said nothing for longest are forgotten.
MAX_AGENTS: Final = 10_000
#: Stands for those whose losses the store has, until one of them says more.
NO_AGENT: Final = ""
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
        self._versions: OrderedDict[str, str] = OrderedDict()

    def seed(self, known: Iterable[KnownProcess], losses: Iterable[Loss] = ()) -> None:
        """What the store says of processes that run, and of what each host lost, before the first batch comes."""
        with self._lock:
            for loss in losses:
                _put(self._losses, (loss.host, NO_AGENT), (0, {**self._lost(loss.host), loss.name: loss.total}))
            for one in known:
                if not one.process.ended_unix_nano:
                    heard = one.last_stored_unix_nano, one.last_observed_unix_nano, one.interval_ns
                    _put(self._heard, one.host, max(heard, self._heard.get(one.host, heard)))

    def take(self, batch: Batch, stored_unix_nano: int) -> None:
        """A batch was stored at a moment."""
        stream, offset = batch.stream, batch.taken_unix_nano - stored_unix_nano
        number = stored_unix_nano // WINDOW_NS
        with self._lock:
            self._losses.pop((stream.host, NO_AGENT), None)
            run, _ = self._losses.get((stream.host, stream.agent_id), (0, {}))
            if stream.agent_run >= run:
                _put(self._losses, (stream.host, stream.agent_id), (stream.agent_run, batch.losses))
            last, before, now = self._offsets.get(stream.host, (number, offset, offset))
            if last != number:
                before, now = now, offset
            _put(self._offsets, stream.host, (number, before, max(now, offset)))
            _put(self._heard, stream.host, (stored_unix_nano, batch.taken_unix_nano, batch.interval_ns))
            _put(self._versions, stream.host, stream.agent_version)

    def versions(self) -> dict[str, str]:
        """The version of each host's agent, of those from which a batch has come since the start."""
        with self._lock:
            return dict(self._versions)

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
            return {host: self._offset(host) for host in self._offsets}

    def ages(self, now_unix_nano: int) -> dict[str, tuple[int, bool]]:
        """How many nanoseconds old each host's newest observation is, and whether that is stale."""
        offsets = self.offsets()
        with self._lock:
            return {host: self._age(host, now_unix_nano, offsets.get(host, 0)) for host in self._heard}

    def age_of(self, host: str, now_unix_nano: int) -> tuple[int, bool]:
        """The same of one host; 0 and stale when nothing was ever heard of it."""
        with self._lock:
            return self._age(host, now_unix_nano, self._offset(host)) if host in self._heard else (0, True)

    def _lost(self, host: str) -> Mapping[str, int]:
        _, losses = self._losses.get((host, NO_AGENT), (0, {}))
        return losses

    def _age(self, host: str, now_unix_nano: int, offset_ns: int) -> tuple[int, bool]:
        stored, taken, interval_ns = self._heard[host]
        age_ns = since(taken, stored, now_unix_nano, offset_ns)
        return age_ns, is_stale(age_ns, interval_ns)

    def _offset(self, host: str) -> int:
        _, before, now = self._offsets.get(host, (0, 0, 0))
        return max(before, now)


def _put(known: OrderedDict[Key, Value], key: Key, value: Value) -> None:
    known[key] = value
    known.move_to_end(key)
    if len(known) > MAX_AGENTS:
        known.popitem(last=False)
