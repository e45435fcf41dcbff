"""What a hit costs beside the least that it could: an empty program at the same instructions; and beside bpftrace.

Also what saturated servers lose that start two goroutines for each small request.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path

from benchmarks import probing, quiet, requests, servers
from benchmarks.effort import Effort
from benchmarks.results import Row
from tests.go_programs import GoProgram, build

Way = Callable[[GoProgram], AbstractContextManager[object]]
ALONE, EMPTY, GOSONDE, BPFTRACE = "no probes", "empty programs there", "gosonde", "bpftrace at the entry"
#: A goroutine takes bpftrace's script so much longer that a part of them shows it.
FEWER = 4
#: Two goroutines for each request: net/http's own and another, and the same without HTTP.
SERVERS: Mapping[str, requests.Serve] = {
    "server": partial(servers.http, 1, 1),
    "server of calls": partial(servers.streams, "calls"),
}


def hits(effort: Effort) -> Iterator[Row]:
    """Added ns of a goroutine's life, in rounds that have each way once, with ratios within rounds; then a server."""
    executable = build("bench")
    added = _added(executable, effort)
    for unit, by_way in added.items():
        for way, values in by_way.items():
            yield Row("hits", way, f"ns of {unit} more per life", tuple(values))
        for other in (EMPTY, BPFTRACE):
            ratios = tuple(own / its for own, its in zip(by_way[GOSONDE], by_way[other], strict=True))
            yield Row("hits", f"gosonde / {other}", f"times the {unit}", ratios)
    for name, serve in SERVERS.items():
        yield from _server(name, serve, effort)


def _added(executable: Path, effort: Effort) -> Mapping[str, Mapping[str, list[float]]]:
    """By unit and way."""
    ways: dict[str, Way] = {
        ALONE: lambda _: nullcontext(),
        EMPTY: lambda program: probing.empty(program.pid),
        GOSONDE: lambda program: probing.gosonde(program.pid),
        BPFTRACE: lambda _: probing.bpftrace(probing.bpftrace_counts(executable), 2),
    }
    added: dict[str, defaultdict[str, list[float]]] = {"time": defaultdict(list), "CPU": defaultdict(list)}
    with quiet.preferred():
        for _ in range(2 * effort.rounds):
            with GoProgram(executable) as program:
                alone: Mapping[str, float] = {}
                for name, way in ways.items():
                    with way(program):
                        cost = _life(program, effort.goroutines // (FEWER if name == BPFTRACE else 1))
                    if name == ALONE:
                        alone = cost
                        continue
                    for unit, values in added.items():
                        values[name].append(cost[unit] - alone[unit])
    return added


def _life(program: GoProgram, goroutines: int) -> Mapping[str, float]:
    """ns of a goroutine that does nothing, by unit."""
    program.ask(f"run {goroutines // 10}")
    ran = quiet.ran_ns(program.pid)
    elapsed = program.ask(f"run {goroutines}")["elapsed_ns"]
    return {"time": elapsed / goroutines, "CPU": (quiet.ran_ns(program.pid) - ran) / goroutines}


def _server(name: str, serve: requests.Serve, effort: Effort) -> Iterator[Row]:
    for case, blocks in requests.measured(serve, ("nothing", "level full"), effort, paced=False):
        slices = [one for block in blocks for one in block.without]
        if case == "nothing":
            yield Row("hits", f"{name}, no probes", "µs of CPU per request", tuple(one.cpu_us for one in slices))
        for unit, of in {"requests/s": lambda one: one.rate, "CPU per request": lambda one: one.cpu_us}.items():
            changes = tuple(block.change(of) for block in blocks)
            yield Row("hits", f"{name}, {case}", f"% more {unit}", changes, compared=True)
