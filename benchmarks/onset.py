"""What servers at saturation lose from the moment on at which an agent begins to watch them.

The agent runs all the time and watches nothing; in each turn it is told to watch the server, and later to watch it no
longer. Load goes on in short slices. What counts is the worst of all windows of 2 s, those across the moment among
them, beside the worst of as many windows without: chance alone makes a worst one.
"""

import os
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gosonde_common.values.levels import Step

from benchmarks import agents, quiet, servers
from benchmarks.effort import Effort
from benchmarks.requests import SERVERS, Figure
from benchmarks.results import Row
from benchmarks.servers import CLIENT_CPU, Load, Slice

SLICE_SECONDS = 0.5
#: Slices in a window of 2 s, and in a turn with and in each of the two beside it without.
WINDOW, SLICES = 4, 12
#: After the agent was told to watch the server no longer, until it has left.
LEAVE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Turn:
    """Slices before, from when the agent was told to watch, and after it has left; and the steps that it made."""

    before: Sequence[Slice]
    within: Sequence[Slice]
    after: Sequence[Slice]
    steps: Sequence[Step]
    began_unix_nano: int

    def lost(self) -> list[float]:
        """Percent of the requests without, by window."""
        return _lost(self.within, [*self.before, *self.after])

    def lost_without(self) -> list[float]:
        """The same of as many windows without."""
        return _lost([*self.before[-SLICES // 2 :], *self.after[: SLICES // 2]], [*self.before, *self.after])

    def more(self, of: Figure, slices: Sequence[Slice]) -> float:
        """By how many percent a figure is larger in some slices than without, in the median."""
        without = statistics.median(map(of, [*self.before, *self.after]))
        return 100 * (statistics.median(map(of, slices)) / without - 1)

    def seconds_to_last_step(self) -> float:
        """From when the agent was told to watch; 0 where it stayed at level full."""
        return max((step.at_unix_nano - self.began_unix_nano for step in self.steps), default=0) / 1e9


def _lost(slices: Sequence[Slice], without: Sequence[Slice]) -> list[float]:
    alone = statistics.median(one.rate for one in without)
    windows = (slices[first : first + WINDOW] for first in range(len(slices) - WINDOW + 1))
    return [100 * (1 - statistics.mean(one.rate for one in window) / alone) for window in windows]


def onset(effort: Effort) -> Iterator[Row]:
    """Each server, in turns without, with and without."""
    names = SERVERS if effort.thorough else ("http", "streams")
    for name in names:
        with (
            quiet.preferred(),
            quiet.on_cpus({CLIENT_CPU}),
            servers.loaded(SERVERS[name]) as load,
            agents.agent(pid=f"[{os.getpid()}]") as running,
        ):
            yield from _rows(name, [_turn(load, running) for _ in range(1 + effort.rounds // 4)])


def _turn(load: Load, running: agents.Agent) -> Turn:
    before = _slices(load)
    began = running.now()
    running.reconfigure(pid=f"[{load.server.pid}]")
    within = _slices(load)
    seen = running.observation(load.server.pid)
    assert seen is not None, "the agent never saw the server"
    running.reconfigure(pid=f"[{os.getpid()}]")
    load.saturate(LEAVE_SECONDS)
    return Turn(before, within, _slices(load), seen.processes[0].steps, began)


def _slices(load: Load) -> list[Slice]:
    return [load.slice(SLICE_SECONDS, paced=False) for _ in range(SLICES)]


def _rows(name: str, turns: Sequence[Turn]) -> Iterator[Row]:
    first, worst = "% fewer requests in the first 2 s", "% fewer requests in the worst 2 s"
    yield Row("onset", f"{name}: nothing", worst, tuple(max(turn.lost_without()) for turn in turns), compared=True)
    yield Row("onset", f"{name}: agent", worst, tuple(max(turn.lost()) for turn in turns), compared=True)
    yield Row("onset", f"{name}: agent", first, tuple(turn.lost()[0] for turn in turns), compared=True)
    medians = tuple(statistics.median(turn.lost()) for turn in turns)
    yield Row("onset", f"{name}: agent", "% fewer requests in the median 2 s", medians, compared=True)
    for unit, of in {"% more p99": lambda one: one.p99_us, "% more CPU per request": lambda one: one.cpu_us}.items():
        values = tuple(turn.more(of, turn.within) for turn in turns)
        yield Row("onset", f"{name}: agent", unit, values, compared=True)
        values = tuple(turn.more(of, turn.within[:WINDOW]) for turn in turns)
        yield Row("onset", f"{name}: agent", f"{unit} in the first 2 s", values, compared=True)
    to_last = tuple(turn.seconds_to_last_step() for turn in turns)
    yield Row("onset", f"{name}: agent", "s to the last step", to_last)
    ends = Counter(turn.steps[-1].level.value if turn.steps else "full" for turn in turns)
    for level, count in sorted(ends.items()):
        yield Row("onset", f"{name}: ends at {level}", "turns", (count,))
