"""From the start of a leak of five goroutines a second to its finding, in programs that are counted from memory alone.

All of them make many goroutines that end at once, so that their probes cost too much and are taken out. One of them
begins to leak while it runs; another, whose file nobody else runs, leaks from its start.
"""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

from gosonde.collector_client import CollectorClient
from gosonde_common.errors import UnavailableError
from gosonde_common.values.levels import Level

from benchmarks.agents import Agent, agent
from benchmarks.footprint import cpu_seconds
from benchmarks.quiet import preferred
from benchmarks.results import Row
from tests.agent_process import eventually
from tests.collector_process import CollectorProcess
from tests.go_programs import GoProgram, build

PROGRAMS = (1, 18, 100)
FEWER = (1, 100)
LEAK, FUNCTION = "leak 200", "main.stay"
#: How long all of them are counted from memory before the leaks begin: as on a host that has just been started.
SETTLE_SECONDS = 5.0
#: A finding that takes longer counts as so long.
LONGEST_SECONDS = 150.0
PATIENCE_SECONDS = 120.0
LATER, AT_START = "leak that begins later", "leak from the start"


def churn(*, thorough: bool) -> Iterator[Row]:
    """Both leaks at the same time, with a new agent and collector for each number of programs."""
    for programs in PROGRAMS if thorough else FEWER:
        with preferred():
            found, share = _seconds(programs)
        for case, seconds in found.items():
            yield Row("churn", case, "s", (seconds,), programs, "programs")
        yield Row("churn", "agent", "% of one core", (100 * share,), programs, "programs")


def _seconds(programs: int) -> tuple[dict[str, float], float]:
    """From the start of each leak to its finding, and what the agent takes of a core meanwhile."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        shared = build("churning")
        own = Path(shutil.copy2(shared, Path(folder) / "own"))
        collector = stack.enter_context(CollectorProcess(Path(folder)))
        config = {"exe": f'["{shared}", "{own}"]', "collector": f'["{collector.address}"]'}
        running = stack.enter_context(agent(**config))
        started = [stack.enter_context(GoProgram(shared)) for _ in range(programs)]
        eventually(lambda: _are_counted_from_memory(running, programs), PATIENCE_SECONDS)
        time.sleep(SETTLE_SECONDS)
        client = stack.enter_context(CollectorClient(collector.address))
        fresh = stack.enter_context(GoProgram(own))
        leaks = {LATER: started[0], AT_START: fresh}
        return _found(running, client, leaks)


def _are_counted_from_memory(running: Agent, programs: int) -> bool:
    seen = running.observation()
    levels = [process.level for process in seen.processes] if seen else []
    return len(levels) >= programs and Level.FULL not in levels and Level.CREATION not in levels


def _found(running: Agent, client: CollectorClient, leaks: dict[str, GoProgram]) -> tuple[dict[str, float], float]:
    began, cpu = {}, cpu_seconds(running.process.pid)
    for case, program in leaks.items():
        began[case] = time.time()
        program.ask(LEAK)
    found: dict[str, float] = {}
    end = time.time() + LONGEST_SECONDS
    while len(found) < len(leaks) and time.time() < end:
        time.sleep(0.5)
        for case, program in leaks.items():
            if case not in found and (opened := _opened(client, program.pid)):
                found[case] = opened - began[case]
    share = (cpu_seconds(running.process.pid) - cpu) / (time.time() - min(began.values()))
    return {case: found.get(case, LONGEST_SECONDS) for case in leaks}, share


def _opened(client: CollectorClient, pid: int) -> float | None:
    """When the finding of the leak was opened, in seconds since the Unix epoch; None while there is none."""
    with suppress(UnavailableError):  # on a busy machine it answers later
        for found in client.findings(pid=pid):
            if found.site.function == FUNCTION:
                return client.explain(found.id).opened_unix_nano / 1e9
    return None
