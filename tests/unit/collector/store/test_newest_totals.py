"""What is put together now and then is what all rows say."""

from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from gosonde_collector.model.values import Batch, ProcessFilter, ProcessKey
from gosonde_collector.store import newest_totals
from gosonde_collector.store.duckdb import DuckDBStore, open_store

from tests.unit.collector.batches import SECOND, SITE, START, STREAM, batch, process

PCS = [0x1000 + 16 * place for place in range(4)]
HOSTS = ("web-1", "web-2", "web-3")


class Agents:
    """Three agents: sites rest for a while, clocks jump, agents fall silent and begin again, processes end."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._sequence, self._run = dict.fromkeys(HOSTS, 0), dict.fromkeys(HOSTS, 1)
        self._ahead = dict.fromkeys(HOSTS, 0)
        self._totals: dict[tuple[str, int, int], int] = {}
        self.now = START

    def batch(self) -> Batch:
        """What one of them sends next."""
        random, host = self._random, HOSTS[int(self._random.choice(3, p=[0.6, 0.35, 0.05]))]
        self.now += int(random.integers(1, 40)) * SECOND
        if random.random() < 0.05:
            self._ahead[host] = int(random.integers(-900, 900)) * SECOND
        if random.random() < 0.03:
            self._run[host], self._sequence[host] = self._run[host] + 1, 0
            self._totals = {key: total for key, total in self._totals.items() if key[0] != host}
        self._sequence[host] += 1
        counters = []
        for place in range(2):
            for pc in PCS:
                if random.random() < 0.3:
                    total = self._totals.get((host, place, pc), 0) + int(random.integers(0, 20))
                    self._totals[host, place, pc] = total
                    counters.append((place, pc, total, total // 3))
        ended = self.now if random.random() < 0.05 else 0
        keys = ProcessKey("boot", 1, 1, 0), ProcessKey("boot", 2, 2 + self._run[host], 0)
        run = self._run[host]
        return batch(
            self._sequence[host], taken_unix_nano=self.now + self._ahead[host], counters=counters,
            stream=replace(STREAM, host=host, agent_id=host, agent_epoch=f"run-{run}", agent_run=run),
            processes=[process(keys[0]), process(keys[1], ended_unix_nano=ended)], baseline=int(random.integers(9)),
            sites=[replace(SITE, pc=pc) for pc in PCS],
        )  # fmt: skip


def said(store: DuckDBStore, which: ProcessFilter) -> list[str]:
    return sorted(map(repr, (*store.sites(which), *store.processes(which))))


@pytest.mark.parametrize("seed", [1, 2])
def test_totals_that_were_put_together_are_what_all_rows_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(newest_totals, "SITES", 5)
    agents, random = Agents(seed), np.random.default_rng(seed)
    with ExitStack() as stack:
        plain, folded = (
            stack.enter_context(closing(open_store(tmp_path / name, lambda: agents.now)))
            for name in ("plain", "folded")
        )
        for _ in range(12):
            some = [agents.batch() for _ in range(int(random.integers(1, 7)))]
            plain.append(some)
            folded.append(some)
            if random.random() < 0.4:
                folded.expire(0)
            for which in (ProcessFilter(all_runs=True), ProcessFilter("web-1")):
                assert said(folded, which) == said(plain, which)
        (rows,) = folded._select("SELECT count(*) FROM site_totals")  # noqa: SLF001 - else the test could be of nothing
        assert rows > (0,)
