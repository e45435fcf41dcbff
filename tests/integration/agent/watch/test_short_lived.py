"""Many processes of one file that end before an observation sees them: one row, exact sums, and bounded work."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from gosonde_agent.discovery.selection import Selection
from gosonde_agent.host import procfs
from gosonde_agent.sources.ebpf.source import EbpfSource
from gosonde_agent.watch.monitor import MAX_UNSETTLED, Monitor
from gosonde_common.values.observation import Observation, Process

from tests import go_programs
from tests.go_programs import GoProgram, site_line
from tests.kept_probes import load_kept

pytestmark = pytest.mark.usefixtures("ebpf")

EACH = 5


@contextmanager
def summing(executable: Path) -> Iterator[Monitor]:
    """As the agent watches: the file has its probes before any process runs it."""
    monitor = Monitor(EbpfSource(load_kept()), Selection((str(executable),)), sums_short_lived=True)
    try:
        with procfs.file(str(executable)) as (fd, path):
            monitor.files.attach(fd, path, None)
        yield monitor
    finally:
        monitor.close()


def run(executable: Path, times: int) -> None:
    """Runs it, again and again."""
    script = f'for i in $(seq {times}); do "$0" {EACH} </dev/null >/dev/null; done'
    subprocess.run(["sh", "-c", script, str(executable)], check=True)


def spawned(observation: Observation, process: Process, program: str = "short") -> tuple[int, int]:
    line = site_line(program, "spawn")
    rows = [r for r in observation.site_counts if r.process == process.key and r.site.line == line]
    return sum(row.created for row in rows), sum(row.exited for row in rows)


def observed(monitor: Monitor, processes: int) -> Observation:
    """The first observation that reports the ends of so many."""
    end = time.monotonic() + 30
    while True:
        monitor.poll()
        observation = monitor.observe()
        if sum(process.sums for process in observation.processes) >= processes:
            return observation
        assert time.monotonic() < end, f"{observation.processes} are not all"
        time.sleep(0.05)


def test_processes_that_ended_unseen_are_one_row_with_their_exact_sums() -> None:
    executable = go_programs.build("short")
    with summing(executable) as monitor:
        run(executable, 40)
        first = observed(monitor, 40)
        (process,) = first.processes
        assert process.sums == 40
        assert process.ended_unix_nano >= process.started_unix_nano > 0
        assert process.counted_from_start
        assert process.precise
        assert spawned(first, process) == (40 * EACH, 40 * EACH)
        run(executable, 10)
        second = observed(monitor, 50)
        (again,) = second.processes
        assert (again.key, again.sums) == (process.key, 50)
        assert spawned(second, again) == (50 * EACH, 50 * EACH)
        assert not any(second.losses.values())


def test_what_was_counted_of_many_is_summed_and_freed_between_observations() -> None:
    executable = go_programs.build("short")
    with summing(executable) as monitor:
        run(executable, MAX_UNSETTLED + 50)  # the shell's own children are these alone
        monitor.poll()
        time.sleep(0.1)
        monitor.settle()
        assert len(monitor.source.counters().sites) < 50
        observation = observed(monitor, MAX_UNSETTLED + 50)
        (process,) = observation.processes
        assert spawned(observation, process) == ((MAX_UNSETTLED + 50) * EACH,) * 2


def test_a_process_that_was_seen_to_run_keeps_a_row_of_its_own_beside_them() -> None:
    executable = go_programs.build("churn")
    with summing(executable) as monitor, GoProgram(executable) as program:
        monitor.poll()
        (own,) = monitor.observe().processes
        assert (own.key.pid, own.sums) == (program.pid, 0)
        run(executable, 5)  # each ends at once: nobody commands it
        program.ask("run 1000")
        observation = observed(monitor, 5)
        found = {process.sums: spawned(observation, process, "churn") for process in observation.processes}
        assert found == {0: (1000, 1000), 5: (0, 0)}
