"""A program that creates 100,000 goroutines a second holds 60 at a time: what it is said to have held is possible."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from gosonde_agent.discovery.selection import Selection
from gosonde_agent.model.budget import Budget
from gosonde_agent.sources.ebpf.loading import load_probes
from gosonde_agent.sources.ebpf.source import EbpfSource
from gosonde_agent.sources.hit_costs import HitCosts
from gosonde_agent.watch.monitor import Monitor
from gosonde_common.values.levels import Level
from gosonde_common.values.observation import SiteCount

from tests.agent_process import eventually
from tests.go_programs import GoProgram

pytestmark = pytest.mark.usefixtures("ebpf")

Start = Callable[..., GoProgram]
ALL_IS_DEAR = HitCosts(emulated=1e9, single_stepped=1e9)
#: 60 that it creates, and as many as it has of its own and the runtime has.
MOST = 60 + 20


@contextmanager
def watched(pid: int, kept: Path, *, together: bool | None = None, is_dear: bool = False) -> Iterator[Monitor]:
    """The process has its probes, and its memory has not been read yet."""
    probes = load_probes(kept, together=together)
    costs = ALL_IS_DEAR if is_dear else HitCosts()
    monitor = Monitor(EbpfSource(probes), Selection(pids=frozenset({pid})), 1.0, costs, Budget(0.03))
    try:
        monitor.finder.watch(pid)
        yield monitor
    finally:
        monitor.close()


def spawned(monitor: Monitor) -> SiteCount:
    """What is reported now of those that the program creates."""
    monitor.poll()
    (row,) = [row for row in monitor.observe().site_counts if row.site.function == "main.spawn"]
    return row


def counted(monitor: Monitor, more: int = 2_000) -> SiteCount:
    """The same once so many more were created."""
    before = sum(row.created for row in monitor.observe().site_counts)

    def has_more() -> bool:
        return sum(row.created for row in monitor.observe().site_counts) > before + more

    eventually(has_more)
    return spawned(monitor)


def read(monitor: Monitor) -> SiteCount:
    """The same after another reading of its memory."""
    eventually(lambda: not monitor.is_closing)
    for process in monitor.processes:
        monitor.readings.reconciler.hurry(process)
    monitor.readings.read_due()
    return spawned(monitor)


def is_possible(row: SiteCount) -> bool:
    """Whether the program can have held so many, then and now."""
    return 0 <= row.baseline <= MOST and 0 <= row.live <= MOST and row.live == row.baseline + row.created - row.exited


@pytest.mark.parametrize("together", [None, False], ids=["as-the-kernel-can", "one-after-the-other"])
def test_creations_and_exits_are_counted_from_one_instant_on(
    go_program: Start, tmp_path: Path, together: bool | None
) -> None:
    program = go_program("flow")
    for _ in range(3):
        with watched(program.pid, tmp_path, together=together) as monitor:
            assert is_possible(counted(monitor))
            assert is_possible(read(monitor))
            assert is_possible(counted(monitor))


def test_what_lived_before_is_exact_once_the_program_rests(go_program: Start, tmp_path: Path) -> None:
    program = go_program("flow")
    with watched(program.pid, tmp_path) as monitor:
        counted(monitor)
        program.ask("stop")
        row = read(monitor)
        assert (row.live, row.mismatch) == (0, 0)
        assert 0 <= row.exited - row.created == row.baseline <= MOST


def test_a_fall_to_memory_before_it_was_read_makes_up_nothing_that_lived_before(
    go_program: Start, tmp_path: Path
) -> None:
    program = go_program("flow")
    with watched(program.pid, tmp_path, is_dear=True) as monitor:
        monitor.costs.govern()
        counted(monitor)
        monitor.costs.govern()
        (process,) = monitor.processes
        assert process.level is Level.MEMORY
        assert is_possible(spawned(monitor))
        assert is_possible(read(monitor))
        assert is_possible(read(monitor))
        program.ask("stop")
        assert read(monitor).live == 0


@pytest.mark.parametrize("first", [spawned, read], ids=["unread", "read"])
def test_probes_that_go_and_come_again_make_up_nothing_that_lived_before(
    go_program: Start, tmp_path: Path, first: Callable[[Monitor], SiteCount]
) -> None:
    program = go_program("flow")
    with watched(program.pid, tmp_path) as monitor:
        counted(monitor)
        assert is_possible(first(monitor))
        monitor.switch(program.pid, on=False)
        assert is_possible(read(monitor))
        monitor.switch(program.pid, on=True)
        assert is_possible(read(monitor))
        assert is_possible(counted(monitor))
