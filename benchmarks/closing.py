"""What waits for the kernel while it takes probes out of many programs at once: steps, observations, and the end."""

import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from gosonde_agent.discovery.selection import Selection
from gosonde_agent.model.budget import Budget
from gosonde_agent.sources.ebpf.loading import load_probes
from gosonde_agent.sources.ebpf.source import EbpfSource
from gosonde_agent.sources.hit_costs import HitCosts
from gosonde_agent.watch.monitor import Monitor
from gosonde_common import logs
from gosonde_common.values.levels import Level

from benchmarks.effort import Effort
from benchmarks.results import Row
from tests.go_programs import GoProgram, build

#: So that every program steps, whatever the machine: see Governor.
DEAR = HitCosts(emulated=1e9, single_stepped=1e9)
GOROUTINES = 1_000
#: How the kernel closes probes: many at the same time (from Linux 6.10 on), or one after the other.
WAYS = {"together": True, "one by one": False}
Times = defaultdict[str, list[float]]


def closing(effort: Effort) -> Iterator[Row]:
    """Many files that all step down, and then are left."""
    logs.set_level("warning")
    programs = 40 if effort.thorough else 10
    for way, together in WAYS.items():
        times: Times = defaultdict(list)
        for _ in range(1 + effort.rounds // 4):
            _measure(programs, times, together=together)
        for name, values in times.items():
            yield Row("closing", f"{way}: {name}", "ms", tuple(values), programs, "programs")


def _measure(programs: int, times: Times, *, together: bool) -> None:
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="gosonde-bench."))
        copies = [Path(shutil.copy2(build("churn"), Path(folder, f"churn-{number}"))) for number in range(programs)]
        running = [stack.enter_context(GoProgram(copy)) for copy in copies]
        source = EbpfSource(load_probes(together=together))
        monitor = Monitor(source, Selection(exe=(f"{folder}/*",)), 1.0, DEAR, Budget(0.03))
        stack.callback(monitor.close)
        monitor.scan()
        while monitor.finder.has_unknown:
            monitor.finder.load_next()
        monitor.costs.govern()
        for program in running:
            program.ask(f"run {GOROUTINES}")
        began = time.monotonic()
        times["all steps are made"].append(_ms(monitor.costs.govern))
        times["an observation meanwhile"].append(_ms(monitor.observe))
        assert {process.level for process in monitor.processes} == {Level.MEMORY}
        times["until the last probe of a step is out"].append(_until(lambda: not monitor.is_closing, began))
        began = time.monotonic()
        times["all files are left"].append(_ms(monitor.leave))
        times["until the last probe of all is out"].append(_until(lambda: not monitor.left(), began))


def _ms(call: Callable[[], object]) -> float:
    began = time.monotonic()
    call()
    return 1e3 * (time.monotonic() - began)


def _until(is_over: Callable[[], bool], began: float) -> float:
    while not is_over():
        time.sleep(0.005)
    return 1e3 * (time.monotonic() - began)
