"""What gctrace logs say of processes, held against what the probes measured and against findings."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gosonde_collector.analysis import numbers
from gosonde_collector.analysis.growth import Growth
from gosonde_collector.analysis.numbers import Numbers
from gosonde_collector.analysis.slope import theil_sen
from gosonde_collector.analysis.steps import SECOND
from gosonde_collector.analysis.witnesses import (
    AGREES,
    DISAGREES,
    SILENT,
    Witness,
)
from gosonde_collector.evidence.gctrace import MB, GcTraceLine, check_order
from gosonde_collector.model.errors import ProfileError, Refusal
from gosonde_collector.model.values import GcCycle, Process, ProcessKey
from gosonde_collector.store.records import Series

#: Processes and cycles of each that are remembered.
MAX_PROCESSES, MAX_CYCLES = 1_000, 1_000
#: The runtime's clock starts a little after the process; clocks of hosts differ.
CLOCKS_NS: Final = 5 * SECOND
#: The log and the probes agree on a stop-the-world pause when they differ by no more than this, or by this share.
TOLERANCE_NS: Final = 200_000
TOLERANCE: Final = 0.25
#: Begin of the same cycle by both, at most apart.
SAME_NS: Final = 200_000_000
#: Cycles that a trend needs.
MIN_CYCLES: Final = 4
#: The least that a stack has in use while its goroutine waits. A log has what the GC scanned: of stacks what is in use,
#: which is much less than the 2 KiB or more that each takes.
STACK_BYTES: Final = 96
#: Stacks must have grown by so much, were the growth true, before they can contradict it: sizes are whole MiB.
MIN_STACKS: Final = 4 * MB
UNSEEN_STACKS: Final = 0.25

Key = tuple[str, ProcessKey]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Cycles that the log and the probes both saw."""

    agreeing: int = 0
    differing: int = 0
    largest_difference_ns: int = 0


class GcTraces:
    """The newest lines of each process. They do not outlive the collector: whoever follows a log sends it on."""

    def __init__(self) -> None:
        self._lines: OrderedDict[Key, list[GcTraceLine]] = OrderedDict()

    def add(self, host: str, process: Process, lines: Sequence[GcTraceLine], now_unix_nano: int) -> None:
        """Takes new lines in; those that are known already are passed over.

        Raises:
            ProfileError: They are not this process's: they are of times before the last ones or of the future.
        """
        key = (host, process.key)
        known = self._lines.get(key, [])
        last = known[-1].cycle if known else 0
        new = [line for line in lines if line.cycle > last]
        check_order([*known[-1:], *new])
        ended = process.ended_unix_nano or now_unix_nano
        if new and process.started_unix_nano + new[-1].at_ns > ended + CLOCKS_NS:
            ran = (ended - process.started_unix_nano) / SECOND
            raise ProfileError(
                f"the gctrace log has a cycle {new[-1].at_ns / SECOND:.3f} s after its process started, but this "
                f"process ran for {ran:.3f} s only: the log is of another process",
                Refusal.MISMATCHED,
            )
        self._lines[key] = [*known, *new][-MAX_CYCLES:]
        self._lines.move_to_end(key)
        if len(self._lines) > MAX_PROCESSES:
            self._lines.popitem(last=False)

    def of(self, host: str, process: ProcessKey) -> Sequence[GcTraceLine]:
        """What is known of a process, oldest first."""
        return tuple(self._lines.get((host, process), ()))


def compare(process: Process, lines: Sequence[GcTraceLine], cycles: Sequence[GcCycle]) -> Comparison:
    """The log's stop-the-world pauses against the probes', cycle by cycle."""
    result = Comparison()
    measured = {cycle.cycle: cycle for cycle in cycles if cycle.start_unix_nano}
    shift = 0 if process.counted_from_start else _shift(process, lines, measured)
    for line in lines:
        cycle = measured.get(line.cycle - shift) if shift is not None else None
        if cycle is not None:
            result = _with(result, line, cycle)
    return result


def _with(result: Comparison, line: GcTraceLine, cycle: GcCycle) -> Comparison:
    stopped = sum(pause.duration_ns for pause in cycle.pauses if pause.reason.startswith("GC "))
    difference = abs(stopped - line.stopped_ns)
    same = difference <= max(TOLERANCE_NS, TOLERANCE * line.stopped_ns)
    return Comparison(
        result.agreeing + same,
        result.differing + (not same),
        max(result.largest_difference_ns, difference),
    )


def _shift(process: Process, lines: Sequence[GcTraceLine], measured: dict[int, GcCycle]) -> int | None:
    """The number of cycles before the probes came, from the first pair that began at the same time."""
    for line in lines:
        began = process.started_unix_nano + line.at_ns
        for number, cycle in measured.items():
            if abs(cycle.start_unix_nano - began) <= SAME_NS:
                return line.cycle - number
    return None


def witness(series: Series, growth: Growth | None, lines: Sequence[GcTraceLine]) -> Witness:
    """What a gctrace log says of a site that grows: whether memory grows with it."""
    if not lines:
        return Witness("gctrace", SILENT, "no gctrace log of this process was pushed")
    if growth is None:
        return Witness("gctrace", SILENT, f"the log has {len(lines)} cycles; the site does not grow now")
    since = series.until_unix_nano - growth.window_s * SECOND - series.process.started_unix_nano
    seen = [line for line in lines if line.at_ns >= since]
    if len(seen) < MIN_CYCLES:
        return Witness("gctrace", SILENT, f"too few cycles in the last {growth.window_s} s ({len(seen)})")
    return replace(_trend(growth, seen), numbers=_numbers(series, growth, seen))


def _trend(growth: Growth, seen: Sequence[GcTraceLine]) -> Witness:
    first, last = seen[0], seen[-1]
    heap = theil_sen(*_columns([(line.at_ns / SECOND, line.heap_marked_bytes) for line in seen]))
    detail = f"{len(seen)} cycles: heap in use from {_mb(first.heap_marked_bytes)} to {_mb(last.heap_marked_bytes)} MB"
    stacks = None
    if first.stacks_bytes is not None and last.stacks_bytes is not None:
        stacks = last.stacks_bytes - first.stacks_bytes
        detail += f", stacks from {_mb(first.stacks_bytes)} to {_mb(last.stacks_bytes)} MB"
    expected = _expected(growth, seen)
    if heap.low > 0 or (stacks is not None and stacks >= expected / 2 and stacks > 0):
        return Witness("gctrace", AGREES, detail)
    if stacks is not None and expected >= MIN_STACKS and stacks < UNSEEN_STACKS * expected:
        return Witness(
            "gctrace", DISAGREES, f"{detail}; stacks of so many more goroutines have at least {_mb(expected)} MB in use"
        )
    return Witness("gctrace", SILENT, f"{detail}: no trend, and so few goroutines need not cause one")


def _expected(growth: Growth, seen: Sequence[GcTraceLine]) -> int:
    """What the stacks of those that came from the first cycle to the last have in use, at least."""
    return int(growth.grown * (seen[-1].at_ns - seen[0].at_ns) / (growth.window_s * SECOND)) * STACK_BYTES


def _numbers(series: Series, growth: Growth, seen: Sequence[GcTraceLine]) -> Numbers:
    """By how much stacks grew, beside what the counters let expect; where no stacks are known, the heap."""
    first, last = seen[0], seen[-1]
    at = series.process.started_unix_nano + last.at_ns
    if first.stacks_bytes is None or last.stacks_bytes is None:
        heap = last.heap_marked_bytes - first.heap_marked_bytes
        return Numbers(numbers.HEAP_BYTES, at, heap, heap)
    stacks, expected = last.stacks_bytes - first.stacks_bytes, _expected(growth, seen)
    return Numbers(numbers.STACK_BYTES, at, stacks, stacks, expected)


def _columns(points: Sequence[tuple[float, int]]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Points whose moments ascend strictly."""
    kept = dict(points)
    return np.array(list(kept)), np.array(list(kept.values()))


def _mb(size: int) -> int:
    return size // MB
