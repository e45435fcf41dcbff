"""What the runtime of a watched process says of itself is reported: as a visit and as each GC cycle showed it."""

import time
from collections.abc import Callable

import pytest
from gosonde_agent.watch import heaps
from gosonde_common.values.runtime import UNLIMITED, RuntimeFigures

from tests.go_programs import GoProgram
from tests.integration.watching import Watch, watching

pytestmark = pytest.mark.usefixtures("ebpf")


def figures(watch: Watch, wanted: Callable[[RuntimeFigures], bool]) -> RuntimeFigures:
    """The figures of the one process, as soon as they are those."""
    deadline = time.monotonic() + 60
    while True:
        watch.monitor.readings.read_due()
        watch.observe()
        for row in watch.runtimes:
            if wanted(row.runtime_figures):
                return row.runtime_figures
        assert time.monotonic() < deadline, watch.runtimes
        time.sleep(0.05)


def test_figures_are_those_of_the_newest_reading_and_end_with_the_process(
    go_program: Callable[..., GoProgram], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heaps, "FIGURES_SECONDS", 0.0)
    program = go_program("metrics", env={"GOMAXPROCS": "3", "GOGC": "off"})
    with watching(pid=program.pid) as watch:
        first = figures(watch, lambda found: found.gc_cycles == 0)
        assert (first.processors, first.gogc_percent, first.memory_limit_bytes) == (3, UNLIMITED, UNLIMITED)
        program.ask("limits 70 1073741824 2")
        program.ask("fill 1000 20000")
        program.ask("collect")
        cycles = program.ask("read")["/gc/cycles/total:gc-cycles"]
        second = figures(watch, lambda found: (found.gc_cycles or 0) >= cycles)
        assert (second.processors, second.gogc_percent, second.memory_limit_bytes) == (2, 70, 1 << 30)
        assert (second.other_bytes or 0) > (first.other_bytes or 0) + 1_000 * 20_000
        assert second.read_unix_nano > first.read_unix_nano
        program.kill()
        watch.observe_until_ended(program.pid)
        assert watch.runtimes == ()


def test_after_a_cycle_figures_that_are_young_are_not_read_again(
    go_program: Callable[..., GoProgram], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heaps, "FIGURES_SECONDS", 3_600.0)
    program = go_program("metrics")
    with watching(pid=program.pid) as watch:
        figures(watch, lambda found: found.goroutines is not None)
        program.ask("collect")
        deadline = time.monotonic() + 60
        while (reading := watch.monitor.readings.next_heaps()) is None:
            assert time.monotonic() < deadline, "no cycle was seen"
            watch.monitor.poll()
        assert [reader is None for _, reader in reading.readers.values()] == [True]
        monkeypatch.setattr(heaps, "FIGURES_SECONDS", 0.0)
        later = watch.monitor.readings.next_heaps()
        assert later
        assert [reader is None for _, reader in later.readers.values()] == [False]
