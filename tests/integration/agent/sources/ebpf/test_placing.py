"""Probes are placed and taken out by links of their own, and by perf events where the kernel has no such links."""

from collections.abc import Callable

import pytest
from gosonde_agent.discovery.selection import Selection
from gosonde_agent.host.kernel import closes_probes_together
from gosonde_agent.sources.ebpf.loading import load_probes
from gosonde_agent.sources.ebpf.source import EbpfSource
from gosonde_agent.watch.monitor import Monitor

from tests.go_programs import GoProgram
from tests.integration.watching import Watch

pytestmark = pytest.mark.usefixtures("ebpf")


@pytest.mark.parametrize("together", sorted({False, closes_probes_together()}))
@pytest.mark.parametrize("alone", [False, True])
def test_goroutines_are_counted_until_the_probes_are_out(
    go_program: Callable[..., GoProgram], together: bool, alone: bool
) -> None:
    program, sibling = go_program("churn"), go_program("churn")
    selection = Selection(pids=frozenset({program.pid})) if alone else Selection(exe=("*/churn",))
    source = EbpfSource(load_probes(together=together))
    monitor = Monitor(source, selection)
    try:
        monitor.finder.watch(program.pid)
        program.ask("run 100")
        sibling.ask("run 7")
        watch = Watch(monitor)
        watch.observe()
        assert watch.counts(program.pid, "main.spawn") == (100, 100)
        assert watch.counts(sibling.pid, "main.spawn") == ((0, 0) if alone else (7, 7))
        monitor.leave()
        watch.let_go()
        hits = source.hits()
        program.ask("run 50")
        assert source.hits() == hits
    finally:
        monitor.close()
