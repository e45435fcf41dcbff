"""Ways to learn from some creations which statements all are of: the error of the shares, and what a creation pays.

Beside the windows of level sampled there are two places in runtime.newproc1 of Go 1.27 (amd64) that not every
creation passes: where a P takes its next 16 goroutine ids, and where one of 8 goroutines, by chance, is chosen for the
runtime's own latencies. Both have the new g in AX, and its `go` statement is known by then.
"""

import math
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache, partial
from pathlib import Path

from gosonde_agent.accounting.site_names import SiteNames
from gosonde_agent.golang import binary as golang
from gosonde_agent.golang.known import KnownBinaries
from gosonde_agent.host import procfs
from gosonde_agent.sources.ebpf.loading import Probes
from gosonde_agent.sources.ebpf.source import EbpfSource
from gosonde_agent.sources.ebpf.uprobe import Place, close_all, placed
from gosonde_common.values.observation import Observation, SiteCount, SiteEstimate

from benchmarks import probing
from benchmarks.agents import Agent, agent
from benchmarks.results import Row
from tests.go_programs import GoProgram, build, site_line
from tests.kept_probes import load_kept

ORDERS = ("alternating", "in-step", "bursting", "mixed")
STATEMENTS = ("half", "third", "seventh", "twentieth")
PER_SECOND = 100_000
#: What repeats itself on one P is not mixed by where its threads run.
ON_ONE_P = {"GOMAXPROCS": "1"}
#: How long a place is looked at that is passed all the time.
PASSING_SECONDS = 3.0
#: The nop before `mov r10d, 16`, and `mov byte [rax+0xbe], 1` behind the jump of `test r8b, 7`.
PLACES = {
    "every 16th of a P": (bytes.fromhex("9041ba10000000"), 0),
    "an eighth by chance": (bytes.fromhex("41f6c0077507c680be000000"), 6),
}
#: How long windows and every 16th are looked at together, and what each goroutine does meanwhile.
TOGETHER_SECONDS, STEPS = 30.0, 3_500
#: Until there are estimates, on a machine that has much else to do.
MOST_SECONDS = 60.0
#: Bytes of newproc1 that are searched for them.
CODE_BYTES = 1_536
#: Goroutines by which a creation's CPU time is measured.
CREATIONS = 200_000
LINES = {site_line("shares", name): name for name in STATEMENTS}


def sampling(rounds: int, seconds: float) -> Iterator[Row]:
    """Each way with each order of the four statements' goroutines; windows for so long."""
    ways: dict[str, Callable[[str], float]] = {"windows": lambda order: _windows(seconds, order)[0]}
    ways |= {name: partial(_passing, name) for name in PLACES}
    for way, measure in ways.items():
        for order in ORDERS:
            errors = tuple(100 * measure(order) for _ in range(rounds))
            yield Row("sampling", f"{way}, {order}: largest error of a share", "% points", errors)
    costs = [_costs() for _ in range(rounds)]
    for name in costs[0]:
        yield Row("sampling", f"CPU of a creation, {name}", "ns", tuple(cost[name] for cost in costs))


@cache
def _source() -> tuple[Probes, EbpfSource]:
    probes = load_kept()
    return probes, EbpfSource(probes)


def _started(program: GoProgram) -> Counter[str]:
    return Counter(dict(zip(STATEMENTS, program.ask("count")["started"], strict=True)))


def _error(found: Counter[str], true: Counter[str]) -> float:
    """By how much a share of the four is wrong at most."""
    whole, every = max(found.total(), 1), true.total()
    return max(abs(found[name] / whole - true[name] / every) for name in STATEMENTS)


def sampling_together() -> Iterator[Row]:
    """Windows, and one of 16 creations between them, of goroutines that do enough for the budget to pay for both."""
    for order in ORDERS:
        error, half_width = _windows(TOGETHER_SECONDS, order, STEPS)
        case = f"windows and every 16th together, {order}"
        yield Row("sampling", f"{case}: largest error of a share", "% points", (100 * error,))
        yield Row("sampling", f"{case}: half of the widest bounds", "% of the rate", (100 * half_width,))


def _windows(seconds: float, order: str, steps: int = 0) -> tuple[float, float]:
    """The agent with its default budget; each goroutine takes so many steps, of about a nanosecond each.

    Returns:
        The largest error of a share, and half of what lies between the widest bounds, as a part of their estimate.
    """
    with tempfile.TemporaryDirectory() as folder, GoProgram(build("shares"), env=ON_ONE_P) as program:
        config = Path(folder) / "agent.toml"
        config.write_text("interval_seconds = 0.5\n")
        with agent(f"--config={config}", f"--pid={program.pid}") as running:
            running.wait_for(program.pid)
            program.ask(f"start {order} {PER_SECOND} {steps}")
            time.sleep(seconds)
            seen = _estimated(running, program.pid)
            found: Counter[str] = Counter()
            rows: list[SiteCount | SiteEstimate] = [*seen.site_counts, *seen.estimates]
            for row in rows:
                if name := LINES.get(row.site.line):
                    found[name] += row.created
            estimates = [row for row in seen.estimates if row.site.line in LINES]
            widths = [(row.created_high - row.created_low) / 2 / max(row.created, 1) for row in estimates]
            return _error(found, _started(program)), max(widths, default=math.inf)


def _estimated(running: Agent, pid: int) -> Observation:
    end = time.monotonic() + MOST_SECONDS
    while not ((seen := running.observation(pid)) and seen.estimates):
        assert time.monotonic() < end, "the agent estimates nothing"
        time.sleep(0.5)
    return seen


def _passing(way: str, order: str) -> float:
    """A probe at a place that some creations pass, all the time."""
    with GoProgram(build("shares"), env=ON_ONE_P) as program, _placed(way, program.pid) as found:
        program.ask(f"start {order} {PER_SECOND}")
        time.sleep(PASSING_SECONDS)
        true = _started(program)
        return _error(found(), true)


@contextmanager
def _placed(way: str, pid: int) -> Iterator[Callable[[], Counter[str]]]:
    """The program that reads the `go` statement of the g in AX, at one of PLACES; gives what it has counted."""
    code, behind = PLACES[way]
    path = Path(f"/proc/{pid}/exe").readlink()
    (probes, source), names = _source(), SiteNames()
    with path.open("rb") as file:
        found = golang.load(file.fileno(), str(path), KnownBinaries())
        begin = found.file_offsets["created"] - found.points["created"].offset
        newproc1 = os.pread(file.fileno(), CODE_BYTES, begin)
        assert newproc1.count(code) == 1, f"{path}: no place of that kind"
        place = Place(file.fileno(), begin + newproc1.index(code) + behind, pid)
        held = placed(probes, f"on_exited_{found.layout.gopc}", place, pid)

        def counted() -> Counter[str]:
            counts: Counter[str] = Counter()
            for sites in source.maps.file_sites(pid).values():
                for pc, (_, seen) in sites.items():
                    counts[LINES.get(names.of(pid, found, pc, None).line, "")] += seen
            return counts

        try:
            yield counted
        finally:
            close_all(held)


def _costs() -> dict[str, float]:
    """What a creation takes more with a probe at each place, and with the two of level full."""
    with GoProgram(build("churn")) as program:
        ways: dict[str, AbstractContextManager[object]] = {"none": nullcontext()}
        ways |= {name: _placed(name, program.pid) for name in PLACES} | {"all probes": probing.gosonde(program.pid)}
        cpu = {}
        for name, way in ways.items():
            with way:
                program.ask(f"run {CREATIONS // 10}")
                before = procfs.cpu_ns(program.pid)
                program.ask(f"run {CREATIONS}")
                cpu[name] = (procfs.cpu_ns(program.pid) - before) / CREATIONS
        return {name: cpu[name] - cpu["none"] for name in cpu if name != "none"}
