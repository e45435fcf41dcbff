"""Parks by windows: the estimate beside the program's own count, what windows cost it, and what a hit really costs."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from gosonde_agent.host import procfs
from gosonde_common.values.observation import Observation

from benchmarks import probing
from benchmarks.agents import Agent, agent
from benchmarks.results import Row
from tests.go_programs import GoProgram, build

#: Rounds of ping-pong a second, two parks each; 0: as many as it can. With the number that stands for it in the table.
RATES = {500: 1_000, 5_000: 10_000, 50_000: 100_000, 0: 10_000_000}
ON_ONE_P = {"GOMAXPROCS": "1"}
#: Rounds in which the cost of a hit is measured.
ROUNDS = 200_000
#: Until there were enough windows, on a machine that has much else to do.
MOST_SECONDS = 60.0


def parking(rounds: int, seconds: float) -> Iterator[Row]:
    """At each rate, an agent with `park = true` for so long; then hits of a probe that stays in."""
    for rate, asked in RATES.items():
        measured = [_estimated(rate, seconds) for _ in range(rounds)]
        for case in measured[0]:
            unit = "ns" if case.startswith("CPU") else "% of CPU" if case.startswith("reported") else "parks/s"
            values = tuple(one[case] for one in measured if case in one)
            yield Row("parking", case, unit, values, asked, "parks/s asked")
    yield Row("parking", "a hit, by what is reported of it", "ratio", tuple(_hit_ratio() for _ in range(rounds)))


def _estimated(rate: int, seconds: float) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder, GoProgram(build("parks"), str(rate), env=ON_ONE_P) as program:
        config = Path(folder) / "agent.toml"
        config.write_text("park = true\ninterval_seconds = 0.5\n")
        without = _cpu_per_park(program, seconds / 4)
        with agent(f"--config={config}", f"--pid={program.pid}") as running:
            running.wait_for(program.pid)
            began, before = time.monotonic(), program.ask("counts")["received"]
            per_park = _cpu_per_park(program, seconds)
            true = (program.ask("counts")["received"] - before) / (time.monotonic() - began)
            seen = _reported(running, program.pid)
    rows = [row for row in seen.park_counts if row.wait_reason.startswith("chan")]
    covered = max(row.covered_ns for row in rows) / 1e9
    highs = [row.parks_high for row in rows if row.parks_high is not None]
    (cost,) = seen.probe_costs
    figures = {
        "true": true,
        "estimate": sum(row.parks for row in rows) / covered,
        "low": sum(row.parks_low for row in rows) / covered,
        "reported cost": 100 * cost.probe_ns / max(cost.cpu_ns, 1),
    }
    if rate == 0:  # others sleep, and what waking up costs varies by more than windows do
        figures |= {"CPU of a park, no agent": without, "CPU of a park, park = true": per_park}
    return figures | ({"high": sum(highs) / covered} if len(highs) == len(rows) else {})


def _reported(running: Agent, pid: int) -> Observation:
    """What the agent knows once there were enough windows."""
    end = time.monotonic() + MOST_SECONDS
    while not ((seen := running.observation(pid)) and seen.park_counts):
        assert time.monotonic() < end, "the agent reports no parks"
        time.sleep(0.5)
    return seen


def _cpu_per_park(program: GoProgram, seconds: float) -> float:
    before, cpu_ns = program.ask("counts")["received"], procfs.cpu_ns(program.pid)
    time.sleep(seconds)
    parks: int = program.ask("counts")["received"] - before
    return (procfs.cpu_ns(program.pid) - cpu_ns) / parks


def _hit_ratio() -> float:
    """What a hit of the park probe costs a program that does nothing else, by what it is reported to cost."""
    with GoProgram(build("bench"), env=ON_ONE_P) as program:
        without = _cpu_of_pingpong(program)
        with probing.gosonde(program.pid, parks=True) as source:
            # The probe at gopark's `push rbp` is emulated.
            extra_ns: float = (_cpu_of_pingpong(program) - without) / 2
            return extra_ns / source.hit_costs().emulated


def _cpu_of_pingpong(program: GoProgram) -> float:
    program.ask(f"pingpong {ROUNDS // 10}")
    before = procfs.cpu_ns(program.pid)
    program.ask(f"pingpong {ROUNDS}")
    return (procfs.cpu_ns(program.pid) - before) / ROUNDS
