"""A file begins with the probes that its processes can afford, by what they do just before."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from gosonde_agent.discovery.selection import Selection
from gosonde_agent.host import procfs
from gosonde_agent.model.budget import Budget
from gosonde_agent.sources.counters import Hits
from gosonde_agent.sources.ebpf.source import EbpfSource
from gosonde_agent.sources.hit_costs import HitCosts
from gosonde_agent.watch.monitor import Monitor
from gosonde_agent.watch.paces import YOUNG_SECONDS
from gosonde_common.values.levels import Level, Reason
from gosonde_common.values.observation import Observation

from tests.go_programs import GoProgram
from tests.kept_probes import load_kept

pytestmark = pytest.mark.usefixtures("ebpf")

Start = Callable[..., GoProgram]
#: So that what is decided does not depend on how fast the machine is: a creation is next to free, an exit ruinous.
EXITS_ARE_DEAR = HitCosts(emulated=0.001, single_stepped=0.001, exited=1e9)
ALL_IS_DEAR = HitCosts(emulated=1e9, single_stepped=1e9)


def selected(program: GoProgram) -> Selection:
    """Every process of its file."""
    return Selection(exe=(str(Path(f"/proc/{program.pid}/exe").readlink()),))


@contextmanager
def watched(program: GoProgram, costs: HitCosts) -> Iterator[Monitor]:
    """A program that is old enough to be looked at first."""
    while time.time_ns() - procfs.start_of(program.pid).unix_nano < 1.1 * YOUNG_SECONDS * 1e9:
        time.sleep(0.01)
    monitor = Monitor(EbpfSource(load_kept()), selected(program), 1.0, costs, Budget(0.03), starts_low=True)
    try:
        monitor.scan()
        while monitor.finder.has_unknown:
            monitor.finder.load_next()
        yield monitor
    finally:
        monitor.close()


def read(monitor: Monitor) -> Observation:
    """What is known when the memory of every process has been read again."""
    for process in monitor.processes:
        monitor.readings.reconciler.hurry(process)
    monitor.readings.read_due()
    return monitor.observe()


@pytest.mark.parametrize(("costs", "level"), [(ALL_IS_DEAR, Level.MEMORY), (EXITS_ARE_DEAR, Level.CREATION)])
def test_a_busy_program_never_pays_for_a_probe_that_it_cannot_afford(
    go_program: Start, costs: HitCosts, level: Level
) -> None:
    program = go_program("load")
    with watched(program, costs) as monitor:
        (process,) = monitor.observe().processes
        (step,) = process.steps
        assert (process.level, step.level, step.reason) == (level, level, Reason.BUDGET)
        program.ask("stop")
        (hits,) = [hits for image, hits in monitor.source.hits().items() if image.tgid == program.pid] or [Hits()]
        assert hits.exited == 0
        assert (hits.created > 0) == (level is Level.CREATION)


def test_what_a_busy_program_creates_afterwards_is_counted_by_its_total(go_program: Start) -> None:
    program = go_program("load")
    with watched(program, ALL_IS_DEAR) as monitor:
        before = read(monitor)
        answer = program.ask("stop")
        after = read(monitor)
        created = [sum(row.created for row in seen.site_counts) for seen in (before, after)]
        assert 0 < created[1] - created[0] <= answer["generate"] + answer["filter"]
        assert not any(row.live for row in after.site_counts if row.site.function == "main.sieve")


def test_an_idle_program_begins_with_all_probes(go_program: Start) -> None:
    with watched(go_program("churn"), ALL_IS_DEAR) as monitor:
        (process,) = monitor.observe().processes
        assert (process.level, process.steps) == (Level.FULL, ())


def test_a_process_that_follows_is_counted_from_its_start_at_the_level_of_its_file(go_program: Start) -> None:
    with watched(go_program("load"), ALL_IS_DEAR) as monitor:
        follower = go_program("load")
        follower.ask("stop")
        monitor.poll()
        observation = read(monitor)
        (process,) = [one for one in observation.processes if one.key.pid == follower.pid]
        assert (process.level, process.counted_from_start) == (Level.MEMORY, True)
        (step,) = process.steps
        assert step.at_unix_nano >= process.started_unix_nano
