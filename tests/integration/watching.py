"""Watches real processes with real probes from inside the test."""

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gosonde_agent.discovery.selection import Selection
from gosonde_agent.host import procfs
from gosonde_agent.sources.ebpf.source import EbpfSource
from gosonde_agent.watch.monitor import Monitor
from gosonde_common.values.observation import (
    GcCycle,
    GcTotal,
    Pause,
    Process,
    RuntimeReading,
    Site,
    SiteCount,
)

from tests.kept_probes import load_kept


@dataclass
class Watch:
    """A monitor, and all that it has reported so far."""

    monitor: Monitor
    processes: dict[tuple[int, int], Process] = field(default_factory=dict)
    sites: dict[tuple[int, int, Site], SiteCount] = field(default_factory=dict)
    totals: dict[tuple[int, int], GcTotal] = field(default_factory=dict)
    pauses: list[Pause] = field(default_factory=list)
    cycles: list[GcCycle] = field(default_factory=list)
    losses: Mapping[str, int] = field(default_factory=dict)
    runtimes: tuple[RuntimeReading, ...] = ()

    def observe(self) -> None:
        """Does what the agent does at each interval."""
        self.monitor.poll()
        while self.monitor.finder.has_unknown:
            self.monitor.finder.load_next()
        if heaps := self.monitor.readings.next_heaps():
            heaps.run()
            self.monitor.readings.take_heaps(heaps)
        observation = self.monitor.observe()
        for process in observation.processes:
            self.processes[process.key.pid, process.key.exec_epoch] = process
        for row in observation.site_counts:
            self.sites[row.process.pid, row.process.exec_epoch, row.site] = row
        for total in observation.gc_totals:
            self.totals[total.process.pid, total.process.exec_epoch] = total
        self.pauses += observation.pauses
        self.cycles += observation.gc_cycles
        self.losses = observation.losses
        self.runtimes = observation.runtimes

    def know(self, executable: Path) -> None:
        """Puts the probes into a file that no process runs yet."""
        with procfs.file(str(executable)) as (fd, path):
            self.monitor.files.attach(fd, path, None)

    def observe_until_ended(self, pid: int) -> None:
        """Observes until the process has been reported as ended."""
        end = time.monotonic() + 20
        while not any(p.ended_unix_nano for (number, _), p in self.processes.items() if number == pid):
            assert time.monotonic() < end, f"process {pid} was never seen to end"
            time.sleep(0.02)
            self.observe()

    def let_go(self) -> None:
        """Waits until nothing is held of files whose probes were detached."""
        while self.monitor.files.attachments.leaving:
            time.sleep(0.02)
            self.monitor.poll()

    def counts(self, pid: int, function: str, line: int | None = None) -> tuple[int, int]:
        """(created, exited) of the go statements of a function, or of the one at a line of it."""
        rows = [
            row
            for (number, _, site), row in self.sites.items()
            if number == pid and site.function == function and line in (None, site.line)
        ]
        return sum(row.created for row in rows), sum(row.exited for row in rows)

    def process(self, pid: int) -> Process:
        """The one image that was seen of a pid."""
        (process,) = [process for (number, _), process in self.processes.items() if number == pid]
        return process

    def nothing_lost(self) -> bool:
        """Whether every loss counter stands at 0."""
        return not any(self.losses.values())


@contextlib.contextmanager
def watching(*, exe: str = "", pid: int = 0) -> Iterator[Watch]:
    """Watches the processes of one file, or one process."""
    selection = Selection((exe,) if exe else (), frozenset({pid} if pid else ()))
    monitor = Monitor(EbpfSource(load_kept()), selection)
    try:
        monitor.scan()
        watch = Watch(monitor)
        watch.observe()
        yield watch
    finally:
        monitor.close()
