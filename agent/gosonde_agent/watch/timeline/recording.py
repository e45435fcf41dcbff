"""Records a timeline while a process is traced."""

import time
from collections.abc import Mapping
from typing import Final

from gosonde_common.errors import GosondeError

from gosonde_agent.accounting.processes import GoProcess
from gosonde_agent.host.kernel import monotonic_to_unix_nano
from gosonde_agent.model.errors import NoSuchProcessError, UnsupportedBinaryError
from gosonde_agent.sources.ebpf.source import EbpfSource
from gosonde_agent.sources.ebpf.timeline import Recorded, TimelineWindow
from gosonde_agent.sources.hit_costs import HitCosts
from gosonde_agent.sources.memory.target import opened
from gosonde_agent.watch.monitor import Monitor
from gosonde_agent.watch.timeline.lines import Existing, Lines
from gosonde_agent.watch.timeline.values import Timeline
from gosonde_agent.watch.trace.seen import Trace

#: What the probe may cost: the part of one core, over the time that was asked for, which `max_target_overhead` leaves
#: for hits by default (3 %, of which hits may use 65 %).
LARGEST_SHARE: Final = 0.03 * 0.65
#: No timeline is longer.
MOST_SECONDS: Final = 60.0
#: Goroutines that memory shows: beyond these they have no names unless the window has seen their creation or end.
MOST_EXISTING: Final = 100_000
#: Columns of a block of them, as Existing has them.
COLUMNS: Final = ("status", "wait_reason", "gopc", "start_pc", "parent")
#: No timeline has more changes: its file has less than 100 bytes for each.
MOST_HITS: Final = 200_000
#: Reads of the goroutine's memory that a hit takes beyond one that only counts; an exit's one read is priced.
READS: Final = 3


class Recorder:
    """Records one process from the step on at which it is known, for at most so many seconds: `Trace.timeline`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = min(seconds, MOST_SECONDS)
        self._window: TimelineWindow | None = None
        self._not_read = ""

    def step(self, monitor: Monitor, trace: Trace) -> None:
        """Begins when it can, and ends when the limit was reached.

        Raises:
            UnsupportedBinaryError: The source has no events, or no place for the probe is proved.
            GosondeError: The probe cannot be attached.
        """
        if trace.timeline is not None or trace.process is None:
            return
        if self._window is None:
            self._begin(monitor, trace)
        elif self._window.has_ended or time.monotonic_ns() - self._begin_ns >= self._seconds * 1e9:
            self.end(monitor, trace)

    def _begin(self, monitor: Monitor, trace: Trace) -> None:
        source = monitor.source
        if not isinstance(source, EbpfSource):
            raise UnsupportedBinaryError(f"a timeline needs the source ebpf; this is {source.kind.name}: {trace.why}")
        self._process = _known(monitor, trace)
        binary, image = self._process.binary, self._process.image
        if binary is None or image is None:
            raise UnsupportedBinaryError(f"process {self._process.key.pid} is not probed")
        costs = HitCosts()
        self._hit_ns = costs.of(binary, "status_changed") + READS * costs.exited
        self._most_hits = min(int(self._seconds * 1e9 * LARGEST_SHARE / self._hit_ns), MOST_HITS)
        self._binary = binary
        self._before, self._live = self._read(monitor)
        self._begin_ns = time.monotonic_ns()
        self._window = source.timeline(image.binary, self._process.key.pid, self._most_hits)

    def _read(self, monitor: Monitor) -> tuple[dict[int, Existing], int]:
        """Who is there, by goid, and how many; nobody where memory cannot be read, and then it is noted why."""
        found: dict[int, Existing] = {}
        number = 0
        try:
            with opened(self._process.key.pid, monitor.readings.binaries) as target:
                for block in target.blocks(stacks=False):
                    number += len(block)
                    if len(found) < MOST_EXISTING:
                        columns = (getattr(block, name).tolist() for name in COLUMNS)
                        rows = map(Existing, *columns)
                        found.update(zip(block.goid.tolist(), rows, strict=True))
        except GosondeError as error:
            self._not_read = self._not_read or str(error)
        return found, number

    def end(self, monitor: Monitor, trace: Trace) -> None:
        """Takes the probe out, and makes the timeline of what was recorded."""
        if self._window is None or trace.timeline is not None:
            return
        recorded = self._window.close()
        now = time.monotonic_ns()
        after = {} if trace.has_ended else self._read(monitor)[0]
        trace.timeline = self._made(recorded, now, after, has_ended=trace.has_ended)

    def _made(self, recorded: Recorded, now: int, after: Mapping[int, Existing], *, has_ended: bool) -> Timeline:
        end_ns = recorded.ended_ns or now
        lines = Lines(self._binary, recorded.bias or 0, self._begin_ns)
        lines.take(recorded.transitions)
        lines.finish(end_ns, self._before, after)
        return Timeline(
            pid=self._process.key.pid,
            exe=self._process.description.exe,
            go_version=self._process.description.go_version,
            begin_ns=self._begin_ns,
            end_ns=end_ns,
            to_unix_ns=monotonic_to_unix_nano(),
            lines=lines.lines,
            wakes=lines.wakes,
            live=self._live or None,
            changes=len(recorded.transitions),
            unseen=lines.unseen,
            lost=recorded.lost,
            left_out=lines.left_out,
            hits=recorded.hits,
            most_hits=self._most_hits,
            cost_ns=int(recorded.hits * self._hit_ns),
            why_ended=_why(recorded, has_ended=has_ended),
            not_read=self._not_read,
        )


def _known(monitor: Monitor, trace: Trace) -> GoProcess:
    for process in monitor.processes:
        if trace.process is not None and process.key == trace.process.key:
            return process
    raise NoSuchProcessError("the process ended before its timeline could begin")


def _why(recorded: Recorded, *, has_ended: bool) -> str:
    if recorded.ended_ns:
        return "the budget was spent"
    return "the process ended" if has_ended else "the time was over"
