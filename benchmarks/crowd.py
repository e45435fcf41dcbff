"""Whether the agent keeps to `max_agent_cpu` beside 200 programs that are busy, and how old what it says becomes."""

import time
from collections.abc import Iterator
from contextlib import ExitStack

from benchmarks.agents import Agent, launched
from benchmarks.results import Row
from tests.go_programs import GoProgram, build

PROGRAMS = 200
#: Each of so many sites of a program makes a goroutine as often: 8,000 a second in all.
SITES, PERIOD_MS = 20, 500
#: Until all baselines are known.
SETTLE_SECONDS = 60.0
ASK_SECONDS = 5.0


def crowd(seconds: float) -> Iterator[Row]:
    """After all baselines were found."""
    with ExitStack() as stack:
        executable = build("sites")
        programs = [
            stack.enter_context(GoProgram(executable, str(PERIOD_MS), str(SITES))) for _number in range(PROGRAMS)
        ]
        running = stack.enter_context(launched(exe=f'["{executable}"]'))
        running.wait_until_started()
        time.sleep(SETTLE_SECONDS)
        for unit, values in _watched(running, programs[0].pid, seconds).items():
            yield Row("crowd", f"{PROGRAMS} programs", unit, values)


def _watched(running: Agent, pid: int, seconds: float) -> dict[str, tuple[float, ...]]:
    (helper,) = running.process.children()
    began, ages = time.monotonic(), list[float]()
    before = [sum(process.cpu_times()[:2]) for process in (running.process, helper)]
    while time.monotonic() < began + seconds:
        time.sleep(ASK_SECONDS)
        seen = running.observation(pid)
        ages.append((time.time_ns() - seen.taken_unix_nano) / 1e9 if seen else float("inf"))
    took = time.monotonic() - began
    agent_cpu, helper_cpu = (
        100 * (sum(process.cpu_times()[:2]) - earlier) / took
        for process, earlier in zip((running.process, helper), before, strict=True)
    )
    return {
        "% of one core": (agent_cpu,),
        "% of one core, helper": (helper_cpu,),
        "s since it was observed": tuple(ages),
    }
