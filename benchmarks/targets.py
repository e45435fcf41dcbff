"""What probes cost a goroutine's life and a park; whether counts are right, and the budget is kept, at high rates."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from gosonde_agent.overhead.governor import HITS_PART
from gosonde_agent.sources.ebpf.source import EbpfSource
from gosonde_common.values.levels import Level

from benchmarks import probing
from benchmarks.agents import agent
from benchmarks.effort import Effort
from benchmarks.results import Row
from tests.go_programs import GoProgram, build

RATES = (1_000, 10_000, 100_000, 300_000, 1_000_000)
#: Just over the budget; a level lower that program is well within it, because its goroutines have so much work.
EXCESS = 1.3
WORK_NS = 20_000
#: A second, of a program that does nothing else: not more than a burst may be, and too much all the same if it goes on.
FEW = 1_000

Way = Callable[[GoProgram], AbstractContextManager[object]]


def life(effort: Effort) -> Iterator[Row]:
    """ns of a goroutine that does nothing, on fresh processes of one program, the ways in turn."""
    executable = build("bench")
    ways: dict[str, Way] = {
        "no probes": lambda _: nullcontext(),
        "gosonde": lambda program: probing.gosonde(program.pid),
        "gosonde, creation only": lambda program: probing.gosonde(program.pid, level=Level.CREATION),
        "gosonde at the entry": lambda program: probing.gosonde(program.pid, at_entry=True),
        "bpftrace at the entry": lambda _: probing.bpftrace(probing.bpftrace_counts(executable), 2),
    }
    return _interleaved("life", executable, ways, f"run {effort.goroutines}", effort)


def park(effort: Effort) -> Iterator[Row]:
    """ns of a round of ping-pong between two goroutines, two parks each, on one P."""
    executable = build("bench")
    ways: dict[str, Way] = {
        "no probes": lambda _: nullcontext(),
        "gosonde": lambda program: probing.gosonde(program.pid, parks=True),
        "gosonde at the entry": lambda program: probing.gosonde(program.pid, parks=True, at_entry=True),
        "bpftrace at the entry": lambda _: probing.bpftrace(probing.bpftrace_parks(executable), 1),
    }
    return _interleaved("park", executable, ways, f"pingpong {effort.parks}", effort, GOMAXPROCS="1")


def _interleaved(
    benchmark: str, executable: Path, ways: dict[str, Way], command: str, effort: Effort, **environment: str
) -> Iterator[Row]:
    work = int(command.split()[1])
    values: defaultdict[str, list[float]] = defaultdict(list)
    for _ in range(effort.rounds):
        for case, way in ways.items():
            with GoProgram(executable, env=environment) as program, way(program):
                program.ask(f"{command.split(maxsplit=1)[0]} {work // 10}")
                values[case].append(program.ask(command)["elapsed_ns"] / work)
    for case, measured in values.items():
        yield Row(benchmark, case, "ns", tuple(measured))


def rates(effort: Effort) -> Iterator[Row]:
    """Counts by the probes less the program's own, at growing rates: 0 says that every one was counted."""
    for rate in RATES:
        reached, created, exited = [], [], []
        for _ in range(effort.rounds):
            with GoProgram(build("bench")) as program, probing.gosonde(program.pid) as probes:
                before = _counted(probes, program.pid)
                answer = program.ask(f"pace {rate} {round(effort.seconds * 400)} 0")
                after = _counted(probes, program.pid)
                reached.append(answer["created"] / answer["elapsed_ns"] * 1e9)
                created.append(float(after[0] - before[0] - answer["created"]))
                exited.append(float(after[1] - before[1] - answer["created"]))
        yield Row("rates", "reached", "goroutines/s", tuple(reached), rate, "goroutines/s asked")
        yield Row("rates", "created missed", "goroutines", tuple(created), rate, "goroutines/s asked")
        yield Row("rates", "exited missed", "goroutines", tuple(exited), rate, "goroutines/s asked")


def _counted(probes: EbpfSource, pid: int) -> tuple[int, int]:
    """The program's own statement is the busiest."""
    totals = [total for image, own in probes.counters().sites.items() if image.tgid == pid for total in own]
    busiest = max(totals, key=lambda total: total.created, default=None)
    return (busiest.created, busiest.exited) if busiest else (0, 0)


def budget(effort: Effort) -> Iterator[Row]:
    """How soon programs step down that pay too much, and what is counted of one that makes as many as it can."""
    missed: list[float] = []
    cases = {
        "as many as it can": _from_the_first(effort, 1_000_000, missed),
        f"{FEW:,} a second": _from_the_first(effort, FEW, []),
        f"{EXCESS} times what it may pay": _late_by_little(effort),
    }
    for case, late in cases.items():
        first, last = zip(*late, strict=True)
        yield Row("budget", f"{case}: first step", "s", first)
        yield Row("budget", f"{case}: last step", "s", last)
    yield Row("budget", "created missed after the end", "goroutines", tuple(missed))


def _from_the_first(effort: Effort, rate: int, missed: list[float]) -> Iterator[tuple[float, float]]:
    """Seconds from the first goroutine to the steps down, and how many goroutines are missing after the end."""
    for _ in range(effort.rounds):
        with GoProgram(build("bench")) as program, agent(f"--pid={program.pid}") as running:
            running.wait_for(program.pid)
            began = running.now()
            answer = program.ask(f"pace {rate} {round(effort.seconds * 1000)} 0")
            yield running.seconds_to_steps(program.pid, began)
            missed.append(running.created_missed(program.pid, answer["created"]))


def _late_by_little(effort: Effort) -> Iterator[tuple[float, float]]:
    """Seconds to the steps down of a program that pays but a little more than it may from then on."""
    command, free = f"pace 10000 {round(effort.seconds * 2000)} {WORK_NS}", {"max_target_overhead": '"off"'}
    for _ in range(effort.rounds):
        with GoProgram(build("bench")) as program, agent(f"--pid={program.pid}", **free) as running:
            running.wait_for(program.pid)
            program.ask(command)
            (paid,) = running.wait_for(program.pid).probe_costs
            may_pay = paid.probe_ns / paid.cpu_ns / EXCESS
            running.reload(max_target_overhead=f"{100 * may_pay / HITS_PART:.2f}")
            began = running.now()
            program.ask(command)
            yield running.seconds_to_steps(program.pid, began)
