"""What probes and the agent cost servers under load: requests a second, p99 and CPU, with and without, pair by pair.

A machine that does other work is never the same for two seconds. So one warm server and its connections stay, and what
is compared lies close together: slices without, with, with, without make a block, whose ratio is one value. Two equal
things are compared in the same way, which shows what can be distinguished and what cannot.
"""

import os
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial

from gosonde_common.values.levels import Level

from benchmarks import quiet, servers, switches
from benchmarks.effort import Effort
from benchmarks.results import Row
from benchmarks.servers import CLIENT_CPU, Load, Server, Slice
from benchmarks.switches import Switch

Serve = Callable[[], AbstractContextManager[Server]]
Way = Callable[[int], AbstractContextManager[Switch]]
Figure = Callable[[Slice], float]

SERVERS: Mapping[str, Serve] = {
    "http": servers.http,
    "streams": servers.streams,
    "prometheus": servers.prometheus,
    "etcd": servers.etcd,
}
#: For a thorough effort alone.
BESIDE_LOAD = "agent on the load's CPU"
WAYS: Mapping[str, Way] = {
    "nothing": lambda _: nullcontext(switches.Nothing()),
    "level full": lambda pid: switches.probes(pid, Level.FULL),
    "level creation": lambda pid: switches.probes(pid, Level.CREATION),
    "level memory": lambda pid: switches.probes(pid, Level.MEMORY),
    "agent": lambda pid: switches.agent(pid, beside_client=False),
    BESIDE_LOAD: lambda pid: switches.agent(pid, beside_client=True),
}
AT_SATURATION: Mapping[str, Figure] = {
    "% more requests/s": lambda one: one.rate,
    "% more CPU per request": lambda one: one.cpu_us,
    "% more p99 at saturation": lambda one: one.p99_us,
}
#: Servers for which a promise is made, and what shows whether it is kept.
PROMISED = ("http", "prometheus")
LIMITS = ("nothing", "agent")
#: That a handler starts.
GOROUTINES = (0, 1, 3, 7, 15)
#: In an answer.
ITEMS = (8, 32, 128)


@dataclass(frozen=True, slots=True)
class Block:
    """Two slices without, two with, and requests a second while it was switched on."""

    without: tuple[Slice, Slice]
    within: tuple[Slice, Slice]
    switching: float

    def change(self, of: Callable[[Slice], float]) -> float:
        """By how many percent a figure is larger with it."""
        return 100 * (sum(map(of, self.within)) / sum(map(of, self.without)) - 1)

    def added(self, of: Callable[[Slice], float]) -> float:
        """By how much a figure is larger with it."""
        return (sum(map(of, self.within)) - sum(map(of, self.without))) / 2

    @property
    def lost_while_switching(self) -> float:
        """Percent of the requests a second."""
        return 100 * (1 - self.switching / statistics.mean(one.rate for one in self.without))


@contextmanager
def _loaded(serve: Serve) -> Iterator[Load]:
    if len(os.sched_getaffinity(0)) < 2:
        raise SystemExit("a server and the load on it need a CPU each")
    with quiet.preferred(), quiet.on_cpus({CLIENT_CPU}), servers.loaded(serve) as load:
        yield load


def measured(serve: Serve, cases: Iterable[str], effort: Effort, *, paced: bool) -> Iterator[tuple[str, list[Block]]]:
    """The blocks of some of WAYS in one server."""
    with _loaded(serve) as load:
        for case in cases:
            with WAYS[case](load.server.pid) as switch:
                yield case, [_block(load, switch, effort.slice_seconds, paced=paced) for _ in range(effort.blocks)]


def _block(load: Load, switch: Switch, seconds: float, *, paced: bool) -> Block:
    seconds = max(seconds, switch.period_seconds)
    before = load.slice(seconds, paced=paced)
    switching = load.during(switch.on, switch.settle_seconds)
    within = load.slice(seconds, paced=paced), load.slice(seconds, paced=paced)
    load.during(switch.off, switch.settle_seconds)
    return Block((before, load.slice(seconds, paced=paced)), within, switching)


def requests(name: str, effort: Effort) -> Iterator[Row]:
    """One server: what each level and the agent change."""
    cases = [case for case in WAYS if effort.thorough or case != BESIDE_LOAD]
    for case, blocks in measured(SERVERS[name], cases, effort, paced=True):
        if case == "nothing":
            yield from _alone(name, blocks)
        yield from _changes(name, case, blocks, {**AT_SATURATION, "% more p99 at 70 %": lambda one: one.paced_p99_us})
        lost = tuple(block.lost_while_switching for block in blocks)
        yield Row(name, case, "% fewer requests/s at first", lost, compared=True)


def _changes(benchmark: str, case: str, blocks: list[Block], figures: Mapping[str, Figure]) -> Iterator[Row]:
    for unit, of in figures.items():
        yield Row(benchmark, case, unit, tuple(block.change(of) for block in blocks), compared=True)


def _alone(name: str, blocks: list[Block]) -> Iterator[Row]:
    """The server without anything, and how quiet the machine was."""
    slices = [one for block in blocks for one in block.without]
    for unit, of in {
        "requests/s": lambda one: one.rate,
        "µs of CPU per request": lambda one: one.cpu_us,
        "µs p99 at saturation": lambda one: one.p99_us,
        "µs p99 at 70 %": lambda one: one.paced_p99_us,
        "% of its CPU used": lambda one: 100 * one.used,
        "% of its CPU stolen": lambda one: 100 * one.stolen,
        "% idle on the load's CPU": lambda one: 100 * one.client_idle,
    }.items():
        yield Row(name, "no probes", unit, tuple(map(of, slices)))


def limits(effort: Effort) -> Iterator[Row]:
    """Whether the agent stays within what it promises at saturation: by more and longer slices than `requests` has."""
    effort = effort.for_limits(switches.Agent.period_seconds)
    for name in PROMISED:
        for case, blocks in measured(SERVERS[name], LIMITS, effort, paced=False):
            yield from _changes("limits", f"{name}: {case}", blocks, AT_SATURATION)


def lives(effort: Effort) -> Iterator[Row]:
    """What all probes cost a request, by the goroutines that it has, beside what calibration says that they cost."""
    for goroutines in GOROUTINES:
        with (
            _loaded(partial(servers.http, 8, goroutines)) as load,
            switches.probes(load.server.pid, Level.FULL) as probes,
        ):
            blocks = [_block(load, probes, effort.slice_seconds, paced=False) for _ in range(effort.blocks)]
            calibrated = _calibrated_us(load, probes, effort.slice_seconds)
        added = tuple(block.added(lambda one: one.cpu_us) for block in blocks)
        x = goroutines + 1  # net/http has one for each request
        yield Row("lives", "measured", "µs of CPU more per request", added, x, "goroutines per request")
        yield Row("lives", "calibrated", "µs of CPU more per request", (calibrated,), x, "goroutines per request")
        ratios = tuple(value / calibrated for value in added)
        yield Row("lives", "measured / calibrated", "times", ratios, x, "goroutines per request")


def prices(effort: Effort) -> Iterator[Row]:
    """What all probes cost a request of each server, beside what calibration says: its margin comes from here."""
    for name, serve in SERVERS.items():
        with _loaded(serve) as load, switches.probes(load.server.pid, Level.FULL) as probes:
            blocks = [_block(load, probes, effort.slice_seconds, paced=False) for _ in range(effort.blocks)]
            calibrated = _calibrated_us(load, probes, effort.slice_seconds)
        added = tuple(block.added(lambda one: one.cpu_us) for block in blocks)
        yield Row("prices", f"{name}: measured", "µs of CPU more per request", added)
        yield Row("prices", f"{name}: calibrated", "µs of CPU more per request", (calibrated,))
        ratios = tuple(value / calibrated for value in added)
        yield Row("prices", f"{name}: measured / calibrated", "times", ratios)


def work(effort: Effort) -> Iterator[Row]:
    """What all probes and the agent cost a request, by the work that it is: the agent should stay within its budget."""
    for items in ITEMS:
        for case, blocks in measured(partial(servers.http, items), ("level full", "agent"), effort, paced=False):
            alone = round(statistics.median(one.cpu_us for block in blocks for one in block.without))
            values = tuple(block.change(lambda one: one.cpu_us) for block in blocks)
            yield Row("work", case, "% more CPU per request", values, alone, "µs of CPU per request", compared=True)


def _calibrated_us(load: Load, probes: switches.Probes, seconds: float) -> float:
    probes.on()
    before = probes.cost_ns()
    requests = load.slice(seconds, paced=False).requests
    after = probes.cost_ns()
    probes.off()
    return (after - before) / requests / 1e3
