"""What `/metrics` shows of sites, cycles and losses is kept in memory, and is what the store says."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from gosonde_collector.ingest.quotas import QuotaKeeper
from gosonde_collector.model.values import ProcessFilter, ProcessKey, Stream
from gosonde_collector.store.duckdb import FILE_NAME, DuckDBStore, open_store
from gosonde_collector.telemetry.counters import Telemetry

from tests.unit.collector.batches import SECOND, SITE, START, STREAM, batch, process

ALL = ProcessFilter()
SITES = [replace(SITE, pc=0x1000 + 16 * place, line=place) for place in range(5)]


@dataclass
class Agent:
    """Counts the goroutines of some processes; each run counts from zero."""

    host: str
    random: np.random.Generator
    run: int = 1
    sequence: int = 0
    pids: list[int] = field(default_factory=lambda: [1, 2, 3])
    totals: dict[tuple[int, int], int] = field(default_factory=dict)

    @property
    def stream(self) -> Stream:
        return replace(STREAM, host=self.host, agent_id=self.host, agent_epoch=f"run-{self.run}", agent_run=self.run)


class Fleet:
    """A collector without its services: what agents send is stored and counted, and it may begin again."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.agents = [Agent(host, self.random) for host in ("web-1", "web-2")]
        self.now, self.folder = START, folder
        self.store = open_store(folder, lambda: self.now)
        self.begin()

    def begin(self) -> None:
        """As after a start."""
        self.telemetry = Telemetry()
        self.telemetry.seed(self.store)
        self.keeper = QuotaKeeper(self.telemetry.running, self.telemetry)

    def send(self, agent: Agent, ended: int = 0) -> None:
        """Some of the sites have counted on; a process may have ended."""
        agent.sequence += 1
        self.now += 20 * SECOND
        counters = []
        for place, pid in enumerate(agent.pids):
            for site in SITES:
                if self.random.random() < 0.6:
                    total = agent.totals.get((pid, site.pc), 0) + int(self.random.integers(1, 50))
                    agent.totals[pid, site.pc] = total
                    counters.append((place, site.pc, total, total // 2))
        described = [
            process(ProcessKey("boot", pid, pid, 0), ended_unix_nano=self.now if pid == ended else 0)
            for pid in agent.pids
        ]
        cycles = [(place, 7 * agent.sequence + place, 0, 0) for place in range(len(agent.pids))]
        sent = batch(
            agent.sequence, stream=agent.stream, taken_unix_nano=self.now, processes=described, sites=SITES,
            counters=counters, totals=cycles, losses={"x": agent.sequence, "y": 5}, baseline=3,
        )  # fmt: skip
        limited = self.keeper.limited(sent)
        self.store.append([limited])
        self.telemetry.stored(limited)
        if ended:
            agent.pids.remove(ended)

    def restart(self, agent: Agent) -> None:
        """The agent begins again, and counts from zero."""
        agent.run, agent.sequence, agent.totals = agent.run + 1, 0, {}
        self.send(agent)

    def end_one(self, agent: Agent) -> None:
        """A process ends, and another one begins."""
        self.send(agent, ended=agent.pids[0])
        agent.pids.append(max(agent.pids, default=0) + 1)

    def expire(self) -> None:
        """Old details go, and totals are thinned."""
        self.store.expire(self.now - 200 * SECOND, self.now - 400 * SECOND, self.now - 800 * SECOND)

    def restore(self) -> None:
        """A backup takes the store's place."""
        folder = self.folder.with_name(f"{self.folder.name}x")
        folder.mkdir()
        with self.store.backup() as copy, (folder / FILE_NAME).open("wb") as file:
            shutil.copyfileobj(copy, file)
        self.store.close()
        self.folder, self.store = folder, open_store(folder, lambda: self.now)
        self.begin()

    def keep(self) -> None:
        """As the routine does."""
        if self.telemetry.running.is_doubtful:
            self.telemetry.running.begin_round()
            self.telemetry.running.keep(self.store.running().keys())


def counted(fleet: Fleet) -> Iterator[tuple[object, ...]]:
    """Totals of each site, and cycles of each process, as the metrics have them."""
    with fleet.telemetry.running.reading() as (running, live):
        for totals in running:
            yield totals.stream.host, totals.key, "cycles", totals.cycles
            for pc, *counts in zip(totals.pcs.tolist(), *totals.counts.tolist(), strict=True):
                yield totals.stream.host, totals.key, pc, *counts
        for host, number in live.items():
            yield host, "live", number


def stored(store: DuckDBStore) -> Iterator[tuple[object, ...]]:
    """The same from the store."""
    running = {(known.host, known.process.key) for known in store.running().values()}
    live: dict[str, int] = {}
    for total in store.gc_totals():
        yield total.host, total.process, "cycles", total.cycles
    for row in store.sites(ALL):
        if (row.host, row.process) in running:
            yield row.host, row.process, row.site.pc, row.created, row.exited, row.baseline
            live[row.host] = live.get(row.host, 0) + row.baseline + row.created - row.exited
    for host, number in live.items():
        yield host, "live", number


@pytest.mark.parametrize("seed", [1, 2])
def test_running_totals_are_what_the_store_says_after_whatever_happened(tmp_path: Path, seed: int) -> None:
    fleet = Fleet(tmp_path / "data", seed)
    happens = [fleet.send, fleet.send, fleet.end_one, fleet.restart]
    everything = [fleet.begin, fleet.expire, fleet.restore]
    for number in range(48):
        happens[fleet.random.integers(len(happens))](fleet.agents[number % 2])
        if number % 6 == 5:
            everything[number // 6 % 3]()
        fleet.keep()
        assert sorted(map(str, counted(fleet))) == sorted(map(str, stored(fleet.store)))
        losses = {(loss.host, loss.name): loss.total for loss in fleet.telemetry.newest.losses()}
        assert losses == {(loss.host, loss.name): loss.total for loss in fleet.store.losses()}
    fleet.store.close()
