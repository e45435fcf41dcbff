"""What a server at saturation loses from when an agent begins to watch it on, and whether that is within limits.

The agent runs all the time and watches nothing; in each turn it is asked to watch the server, and later to watch it no
longer. Load goes on in short slices. Each turn is compared with the slices right before and after it, and every other
turn nothing happens: that shows what can be distinguished. A limit holds where no stretch of time since the agent was
asked has its 95 % interval above it, and does not where one has it above alone; otherwise more turns are needed.
"""

import os
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks import agents, quiet, servers
from benchmarks.effort import Effort
from benchmarks.requests import SERVERS
from benchmarks.results import Row
from benchmarks.servers import CLIENT_CPU, Load, Slice

SLICE_SECONDS = 0.5
#: Slices in a turn, and between two turns.
WITHIN, BETWEEN = 6, 4
#: After the agent was asked to watch the server no longer, until it has left.
LEAVE_SECONDS = 1.0
#: For what a busy host does late.
PATIENCE_SECONDS = 30.0
WATCHED, NOTHING = "agent", "nothing"

#: A figure of some slices in a row.
Figure = Callable[[Sequence[Slice]], float]


@dataclass(frozen=True, slots=True)
class Limit:
    """What is promised at the default budget: a figure is up by no more than so many percent in any so many slices."""

    unit: str
    of: Figure
    slices: int
    percent: float


def _seconds_per_request(slices: Sequence[Slice]) -> float:
    return len(slices) / sum(one.rate for one in slices)


def _cpu_per_request(slices: Sequence[Slice]) -> float:
    return sum(one.cpu_us * one.requests for one in slices) / sum(one.requests for one in slices)


def _p99(slices: Sequence[Slice]) -> float:
    return statistics.median(one.p99_us for one in slices)


#: Two percent fewer requests are as much as each taking two percent longer.
LIMITS = (
    Limit("% longer per request, in 2 s", _seconds_per_request, 4, 2.0),
    Limit("% more CPU per request, in 1 s", _cpu_per_request, 2, 3.0),
    Limit("% more p99, in 3 s", _p99, WITHIN, 3.0),
)


@dataclass(frozen=True, slots=True)
class Turn:
    """Slices from when the agent was asked to watch (or was not), and those without on both sides.

    Attributes:
        level: Which the probes ended with; "" where nothing was watched.
        hits_percent: What the agent says that hits took of the server's CPU time.
    """

    without: Sequence[Slice]
    within: Sequence[Slice]
    level: str = ""
    hits_percent: float = 0.0

    def changes(self, limit: Limit) -> list[float]:
        """By how many percent a figure is larger than without, by stretch of time."""
        alone = limit.of(self.without)
        stretches = (self.within[at : at + limit.slices] for at in range(WITHIN - limit.slices + 1))
        return [100 * (limit.of(stretch) / alone - 1) for stretch in stretches]


def onset(name: str, effort: Effort) -> Iterator[Row]:
    """One server, in turns with an agent and without."""
    with (
        quiet.preferred(),
        quiet.on_cpus({CLIENT_CPU}),
        servers.loaded(SERVERS[name]) as load,
        agents.agent(pid=f"[{os.getpid()}]") as running,
    ):
        turns = list(_turns(load, running, 2 * effort.rounds))
    benchmark = f"onset_{name}"
    for case in (NOTHING, WATCHED):
        own = [turn for turn in turns if bool(turn.level) == (case == WATCHED)]
        for limit in LIMITS:
            yield from _rows(benchmark, case, limit, own)
    watched = [turn for turn in turns if turn.level]
    yield Row(benchmark, WATCHED, "% of its CPU time for hits", tuple(turn.hits_percent for turn in watched))
    for level, count in sorted(Counter(turn.level for turn in watched).items()):
        yield Row(benchmark, f"ends at {level}", "turns", (count,))


def _turns(load: Load, running: agents.Agent, pairs: int) -> Iterator[Turn]:
    before = _slices(load, BETWEEN)
    for number in range(2 * pairs):
        turn = _watched(load, running) if number % 2 else Turn((), _slices(load, WITHIN))
        after = _slices(load, BETWEEN)
        yield Turn((*before, *after), turn.within, turn.level, turn.hits_percent)
        before = after


def _watched(load: Load, running: agents.Agent) -> Turn:
    running.reconfigure(pid=f"[{load.server.pid}]")
    within = _slices(load, WITHIN)
    end = time.monotonic() + PATIENCE_SECONDS
    while not ((seen := running.observation(load.server.pid)) and seen.processes):
        assert time.monotonic() < end, "the agent never saw the server"
        load.saturate(SLICE_SECONDS)
    running.reconfigure(pid=f"[{os.getpid()}]")
    load.saturate(LEAVE_SECONDS)
    hits = sum(100 * cost.probe_ns / cost.cpu_ns for cost in seen.probe_costs if cost.cpu_ns)
    return Turn((), within, seen.processes[0].level.value, hits)


def _slices(load: Load, count: int) -> list[Slice]:
    return [load.slice(SLICE_SECONDS, paced=False) for _ in range(count)]


def _rows(benchmark: str, case: str, limit: Limit, turns: Sequence[Turn]) -> Iterator[Row]:
    """The changes by when their stretch begins, and whether the limit holds."""
    rows = [
        Row(benchmark, f"{case}, from {at * SLICE_SECONDS:g} s on", limit.unit, values, compared=True)
        for at, values in enumerate(zip(*(turn.changes(limit) for turn in turns), strict=True))
    ]
    yield from rows
    yield Row(benchmark, f"{case}: {limit.percent:g} % {_verdict(rows, limit.percent)}", limit.unit, (len(turns),))


def _verdict(rows: Sequence[Row], percent: float) -> str:
    """Whether figures are within a limit, as far as turns have shown."""
    intervals = [row.interval for row in rows]
    if any(interval and interval[0] > percent for interval in intervals):
        return "is exceeded"
    if all(interval and interval[1] <= percent for interval in intervals):
        return "holds"
    return "is not decided"
