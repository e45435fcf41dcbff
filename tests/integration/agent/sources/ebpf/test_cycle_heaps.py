"""The heap's figures that are reported with a GC cycle are those that gctrace prints of it, or none."""

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from gosonde_common.values.observation import GcCycle, Heap

from tests import go_programs
from tests.agent_process import AgentProcess, eventually
from tests.collector_process import GOSONDE, CollectorProcess
from tests.go_programs import GoProgram
from tests.integration.watching import Watch, watching
from tests.versions import VERSIONS

pytestmark = pytest.mark.usefixtures("ebpf")

LINE = re.compile(r"gc \d+ @.* (\d+)->(\d+)->(\d+) MB, (\d+) MB goal", re.MULTILINE)
MB = 1 << 20
#: In MiB: what gctrace prints without a goal is more.
NO_GOAL = 1 << 30
Sizes = tuple[int, ...]


@dataclass(frozen=True)
class Traced:
    """A program that prints gctrace's lines."""

    program: GoProgram
    trace: Path

    def lines(self) -> list[Sizes]:
        """Heap at the start, at the end, found alive, goal (0: none): in MiB, of each cycle."""
        found = [tuple(map(int, line)) for line in LINE.findall(self.trace.read_text())]
        return [(*sizes, goal if goal < NO_GOAL else 0) for *sizes, goal in found]

    def collect(self, cycles: int = 1) -> list[Sizes]:
        """Collects so often; the lines of that, which the runtime may print a little later."""
        before = len(self.lines())
        self.program.ask(f"gc {cycles}")
        eventually(lambda: len(self.lines()) >= before + cycles)
        return self.lines()[before:]


@contextmanager
def traced(folder: Path, version: str, ldflags: tuple[str, ...] = (), percent: str = "1000") -> Iterator[Traced]:
    trace = folder / "stderr"
    executable = go_programs.build("parked", version, ldflags=ldflags)
    with (
        trace.open("wb") as stderr,
        GoProgram(executable, "9", env={"GODEBUG": "gctrace=1", "GOGC": percent}, stderr=stderr) as program,
    ):
        yield Traced(program, trace)


def in_mb(heap: Heap | None) -> Sizes | None:
    if heap is None:
        return None
    return tuple(size // MB for size in (heap.before_bytes, heap.after_bytes, heap.marked_bytes, heap.goal_bytes))


def observed(watch: Watch) -> list[GcCycle]:
    watch.cycles.clear()
    watch.observe()
    return watch.cycles


@pytest.mark.parametrize("stripped", [False, True])
@pytest.mark.parametrize("version", VERSIONS)
def test_each_cycle_has_the_heap_of_its_line(version: str, stripped: bool, tmp_path: Path) -> None:
    flags = ("-s", "-w") if stripped else ()
    with traced(tmp_path, version, ldflags=flags) as target, watching(pid=target.program.pid) as watch:
        watch.monitor.readings.read_due()  # before any cycle: where work is can be proved only later
        for _ in range(12):
            lines = target.collect()
            cycles = observed(watch)
            assert [in_mb(cycle.heap) for cycle in cycles] == lines
            assert [cycle.number for cycle in cycles] == [len(target.lines())]


def test_without_a_goal_the_other_figures_are_told(tmp_path: Path) -> None:
    with traced(tmp_path, VERSIONS[-1], percent="off") as target, watching(pid=target.program.pid) as watch:
        watch.monitor.readings.read_due()
        ((*sizes, goal),) = target.collect()
        assert ([in_mb(cycle.heap) for cycle in observed(watch)], goal) == ([(*sizes, 0)], 0)


def test_of_several_cycles_in_one_interval_the_last_has_a_heap(tmp_path: Path) -> None:
    with traced(tmp_path, VERSIONS[-1]) as target, watching(pid=target.program.pid) as watch:
        watch.monitor.readings.read_due()
        lines = target.collect(4)
        assert [in_mb(cycle.heap) for cycle in observed(watch)] == [None, None, None, lines[-1]]


def test_a_cycle_that_ends_after_the_reading_does_not_get_the_heap_of_the_one_before(tmp_path: Path) -> None:
    with traced(tmp_path, VERSIONS[-1]) as target, watching(pid=target.program.pid) as watch:
        watch.monitor.readings.read_due()
        lines = target.collect()
        watch.monitor.poll()
        reading = watch.monitor.readings.next_heaps()
        assert reading is not None
        reading.run()
        watch.monitor.readings.take_heaps(reading)
        target.collect()
        watch.monitor.poll()
        cycles = watch.monitor.observe().gc_cycles
        assert [in_mb(cycle.heap) for cycle in cycles] == [*lines, None]
        assert observed(watch) == []


def test_the_collector_shows_what_the_agent_read(tmp_path: Path) -> None:
    (tmp_path / "agent.toml").write_text("interval_seconds = 0.1\n")
    with traced(tmp_path, VERSIONS[-1]) as target, CollectorProcess(tmp_path) as collector:
        executable = str(Path(f"/proc/{target.program.pid}/exe").readlink())
        target.collect(3)  # before the agent counts
        agent = AgentProcess(tmp_path, collector.address, executable)

        def gc(*arguments: str) -> Any:
            command = [str(GOSONDE), "gc", "--json", *arguments]
            return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

        def shown() -> list[Sizes]:
            rows = gc("--collector", collector.address)
            names = ("before", "after", "marked", "goal")
            return [tuple(row[f"heap_{name}_bytes"] // MB for name in names) for row in rows if row["heap_goal_bytes"]]

        try:
            eventually(lambda: agent.counted(target.program.pid) >= 0)
            eventually(lambda: bool(target.collect()) and bool(shown()))
            assert set(shown()) <= set(target.lines())
            eventually(lambda: gc("--collector", collector.address)[0]["cycle"] == len(target.lines()))
            newest = gc("--here", str(target.program.pid))
            assert newest["last_cycle"]["cycle"] == newest["cycles"] == len(target.lines())
        finally:
            agent.kill()
