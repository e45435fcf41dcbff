"""The totals of all processes that run, within quotas: nothing here grows with the store, or with what agents claim."""

import threading
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gosonde_collector.model.values import GcTotal, Process, Stream
from gosonde_collector.store.identity import process_number
from gosonde_collector.store.records import Counters, Running
from gosonde_collector.telemetry.totals import Column, ProcessTotals, Room

Agent = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Quotas:
    """How many rows of their own sites may have, how many more may be part of a sum, and how many processes may run.

    Attributes:
        process_sites: Of one process; with the row of the others as many as the analysis examines.
    """

    process_sites: int = 19_999
    host_sites: int = 100_000
    sites: int = 1_000_000
    host_summed: int = 100_000
    summed: int = 1_000_000
    host_processes: int = 5_000
    processes: int = 100_000


QUOTAS: Final = Quotas()


class RunningTotals:
    """Filled by one thread; others read in `reading`.

    Attributes:
        is_doubtful: A run began since the last `keep`, and what a store said may be another run's.
    """

    def __init__(self, quotas: Quotas = QUOTAS) -> None:
        self._quotas = quotas
        self._lock = threading.RLock()
        self._processes: dict[int, ProcessTotals] = {}
        self._agents: defaultdict[Agent, set[int]] = defaultdict(set)
        self._newest: dict[Agent, Stream] = {}
        self._sites: Counter[str] = Counter()
        self._summed: Counter[str] = Counter()
        self._counted: Counter[str] = Counter()
        self._live: Counter[str] = Counter()
        self._pids: Counter[tuple[str, int]] = Counter()
        self._touched: set[int] = set()
        self.is_doubtful = False

    def seed(self, running: Mapping[int, Running], counters: Counters, cycles: Iterable[GcTotal] = ()) -> None:
        """What a store says, before anything is added; which agent it is from shows when that sends more."""
        starts = np.flatnonzero(np.diff(counters.process, prepend=-1))
        for rows in np.split(np.arange(len(counters.process)), starts[1:]):
            number = int(counters.process[rows[0]]) if rows.size else 0
            if (known := running.get(number)) and (totals := self._seeded(number, known)):
                counts = np.stack([counters.created[rows], counters.exited[rows], counters.baseline[rows]])
                self.take(totals, counters.pc[rows], counts)
        numbers = {(known.host, known.process.key): number for number, known in running.items()}
        for total in cycles:
            number = numbers.get((total.host, total.process), 0)
            if number and (found := self._processes.get(number) or self._seeded(number, running[number])):
                found.cycles = total.cycles

    def _seeded(self, number: int, known: Running) -> ProcessTotals | None:
        stream, process = Stream("", "", known.host, ""), known.process
        if not self._has_room(known.host):
            return None
        return self._add(_described(ProcessTotals(number, stream, process.key, process.exe, process.build_id), process))

    def _add(self, totals: ProcessTotals) -> ProcessTotals:
        agent = _agent(totals.stream)
        self._processes[totals.number] = totals
        newest = self._newest.setdefault(agent, totals.stream)
        totals.is_current = newest.agent_epoch == totals.stream.agent_epoch
        self._pids[totals.stream.host, totals.key.pid] += 1
        self._agents[agent].add(totals.number)
        self._counted[totals.stream.host] += 1
        return totals

    @contextmanager
    def reading(self) -> Iterator[tuple[Sequence[ProcessTotals], Mapping[str, int]]]:
        """Every process of the newest run of each agent, and how many goroutines live on each host."""
        with self._lock:
            yield [totals for totals in self._processes.values() if totals.is_current], self._live

    def is_running(self, host: str, pid: int) -> bool:
        """Whether some process with the number runs."""
        return self._pids[host, pid] > 0

    def process(self, stream: Stream, process: Process) -> ProcessTotals | None:
        """The totals of a process that runs, or that ends just now; None when there is no room for it."""
        with self._lock:
            self._note_run(stream)
            number = process_number(stream, process.key)
            self._touched.add(number)
            totals = self._processes.get(number)
            if totals is None and not self._has_room(stream.host):
                return None
            if totals is not None and totals.stream.agent_id != stream.agent_id:
                self._agents[_agent(totals.stream)].discard(number)
                self._agents[_agent(stream)].add(number)
                totals.stream = stream
            if totals is None:
                totals = self._add(ProcessTotals(number, stream, process.key, process.exe, process.build_id))
            return _described(totals, process)

    def take(self, totals: ProcessTotals, pcs: NDArray[np.uint64], counts: Column) -> NDArray[np.bool_]:
        """See ProcessTotals.take."""
        quotas, host = self._quotas, totals.stream.host
        with self._lock:
            self._forget_sites(totals)
            own = min(quotas.host_sites - self._sites[host], quotas.sites - self._sites.total())
            summed = min(quotas.host_summed - self._summed[host], quotas.summed - self._summed.total())
            own = min(own, quotas.process_sites) - totals.sites
            before = totals.live
            found = totals.take(pcs, counts, Room(max(own, 0), max(summed - totals.summed, 0)))
            self._live[host] += (totals.live - before) * totals.is_current
            self._sites[host] += totals.sites
            self._summed[host] += totals.summed
        return found

    def estimate(self, totals: ProcessTotals, pcs: NDArray[np.uint64], estimates: Column) -> NDArray[np.bool_]:
        """See ProcessTotals.estimate."""
        with self._lock:
            return totals.estimate(pcs, estimates)

    def end(self, number: int) -> None:
        """The process runs no more."""
        with self._lock:
            if totals := self._processes.pop(number, None):
                host = totals.stream.host
                self._forget_sites(totals)
                self._live[host] -= totals.live * totals.is_current
                self._agents[_agent(totals.stream)].discard(number)
                self._pids[host, totals.key.pid] -= 1
                if not self._pids[host, totals.key.pid]:
                    del self._pids[host, totals.key.pid]
                self._counted[host] -= 1
                if not self._counted[host]:
                    for counts in (self._counted, self._sites, self._summed, self._live):
                        del counts[host]

    def begin_round(self) -> None:
        """From now on `keep` lets what agents name live."""
        with self._lock:
            self._touched.clear()
            self.is_doubtful = False

    def keep(self, numbers: Collection[int]) -> None:
        """Lets go of processes that are not among these, and were not named since `begin_round`."""
        with self._lock:
            for number in set(self._processes) - set(numbers) - self._touched:
                self.end(number)
            for agent in [agent for agent in self._newest if not self._agents[agent]]:
                del self._newest[agent], self._agents[agent]

    def _note_run(self, stream: Stream) -> None:
        """Another run of the agent counts from zero: what the former one said holds no more."""
        agent = _agent(stream)
        self.is_doubtful |= agent not in self._newest
        newest = self._newest.setdefault(agent, stream)
        if newest.agent_epoch != stream.agent_epoch and stream.agent_run >= newest.agent_run:
            self._newest[agent] = stream
            for number in tuple(self._agents[agent]):
                self.end(number)

    def _has_room(self, host: str) -> bool:
        return self._counted[host] < self._quotas.host_processes and len(self._processes) < self._quotas.processes

    def _forget_sites(self, totals: ProcessTotals) -> None:
        self._sites[totals.stream.host] -= totals.sites
        self._summed[totals.stream.host] -= totals.summed


def _described(totals: ProcessTotals, process: Process) -> ProcessTotals:
    totals.exe, totals.build_id, totals.container = process.exe, process.build_id, process.container
    totals.go_version, totals.since_unix_nano = process.go_version, process.counted_since_unix_nano
    totals.started_unix_nano = process.started_unix_nano
    return totals


def _agent(stream: Stream) -> Agent:
    return stream.host, stream.agent_id
