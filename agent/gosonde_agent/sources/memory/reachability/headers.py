"""What is read of every goroutine at the beginning and at the end of a scan: a table with a row each."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from gosonde_agent.sources.memory.errors import ImplausibleMemoryError
from gosonde_agent.sources.memory.goroutines import (
    LEAKED,
    MAX_STACK,
    NOT_LIVE,
    PREEMPTED,
    RUNNABLE,
    SYSCALL,
    WAITING,
    GoroutineReader,
)
from gosonde_agent.sources.memory.layout import SCAN, goroutine_layout
from gosonde_agent.sources.memory.reachability.limits import Meter
from gosonde_agent.sources.memory.reachability.rows import I64, U64, Bools, numbers, words
from gosonde_agent.sources.memory.runtime import Runtime

BLOCK = 1 << 14
#: What they use of their stacks begins at the stack pointer that the runtime saved.
STILL = (RUNNABLE, SYSCALL, WAITING, PREEMPTED, LEAKED)
#: A goroutine in which one of these differs has moved.
IDENTITY = ("status", "reason", "goid", "waiting", "sequence", "pc")
#: Where one of these differs, its stack may not be what it was.
STACK = (*IDENTITY, "low", "high", "sp", "defers", "panics", "context")


@dataclass(frozen=True, slots=True)
class Goroutines:
    """Goroutines that live, a row each, by address; all addresses are the process's own.

    Attributes:
        at: Of the g.
        status: runtime.g.atomicstatus without the scan bit.
        reason: runtime.g.waitreason.
        low: Where its stack begins.
        high: Where it ends.
        used: Where what it uses of the stack begins; `low` where that is not known.
        sp: As the runtime saved it.
        waiting: The first sudog by which it waits.
        since: CLOCK_MONOTONIC ns at which it began to wait, 0 where the runtime has not noted it.
        defers, panics, context: g._defer, g._panic and g.sched.ctxt.
    """

    at: U64
    status: I64
    reason: I64
    goid: U64
    low: U64
    high: U64
    used: U64
    sp: U64
    pc: U64
    waiting: U64
    sequence: I64
    gopc: U64
    start_pc: U64
    since: I64
    defers: U64
    panics: U64
    context: U64

    def __len__(self) -> int:
        return len(self.at)

    def selected(self, which: Bools | I64) -> "Goroutines":
        """Some rows."""
        return Goroutines(*(getattr(self, field.name)[which] for field in fields(Goroutines)))

    def rows_of(self, addresses: U64) -> I64:
        """int64[n]: the row of each g; -1 where there is none."""
        if not len(self):
            return np.full(len(addresses), -1, np.int64)
        places = np.minimum(np.searchsorted(self.at, addresses), len(self) - 1)
        return np.where(self.at[places] == addresses, places, -1)

    def unmoved(self, later: "Goroutines") -> Bools:
        """Which of these are in a later table as they were: nothing in them says that they ran meanwhile."""
        rows = later.rows_of(self.at)
        same = self._same(later, rows, IDENTITY)
        # The stack of one that waits may be moved, but not what it uses of it.
        if len(later):
            same &= later.high[rows] - later.sp[rows] == self.high - self.sp
        return same

    def same_stacks(self, later: "Goroutines") -> Bools:
        """Which of these have in a later table the stack that they had, at the same place and untouched."""
        return self._same(later, later.rows_of(self.at), STACK)

    def _same(self, later: "Goroutines", rows: I64, names: Sequence[str]) -> Bools:
        same: Bools = rows >= 0
        for name in names if len(later) else ():
            same &= getattr(later, name)[rows] == getattr(self, name)
        return same


class HeaderReader:
    """Reads the table of one process."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._count = GoroutineReader(runtime, None).count
        self._at = goroutine_layout(runtime.layout)
        self._waiting = runtime.layout.offset("g", "waiting")
        self._defers, self._panics, self._context = (
            runtime.layout.offset("g", name) for name in ("_defer", "_panic", "sched.ctxt")
        )
        self._span = max(self._at.span, max(self._waiting, self._defers, self._panics, self._context) + 8)

    def read(self, meter: Meter) -> Goroutines:
        """All goroutines that live.

        Raises:
            NotDecidedError: They are too many.
            ImplausibleMemoryError: What is there cannot be a list of goroutines.
            GosondeError: The process has ended, or may not be read.
        """
        # The length first: the list that has it, or a longer one, is behind the pointer by then.
        count = self._count()
        meter.bound("goroutines", count, meter.limits.goroutines)
        pointer = self._runtime.number(self._runtime.addresses.allgs)
        parts = []
        for begin in range(0, count, BLOCK):
            size = min(BLOCK, count - begin)
            meter.take(size * (8 + self._span))
            data = self._runtime.memory.read(pointer + begin * 8, size * 8)
            parts.append(self._block(np.frombuffer(data, "<u8").astype(np.uint64)))
        columns = [np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Goroutines)]
        return Goroutines(*columns).selected(np.argsort(columns[0], kind="stable"))

    def again(self, goroutines: Goroutines, meter: Meter) -> Goroutines:
        """The table of some goroutines as they are now; without those that have ended.

        Raises:
            GosondeError: As `read`.
        """
        meter.take(len(goroutines) * self._span)
        return self._block(goroutines.at)

    def _block(self, pointers: U64) -> Goroutines:
        at, memory = self._at, self._runtime.memory
        rows, whole = memory.read_each(pointers, self._span)
        if not whole.all():  # the runtime never frees a g
            raise ImplausibleMemoryError(f"a goroutine in the list of process {memory.pid} is not mapped")
        status = numbers(rows, at.status, 4) & ~SCAN
        low, high, sp = words(rows, at.stack_lo), words(rows, at.stack_hi), words(rows, at.sp)
        known = np.isin(status, STILL) & (low < sp) & (sp <= high)
        found = Goroutines(
            at=pointers,
            status=status,
            reason=numbers(rows, at.wait_reason, 1),
            goid=words(rows, at.goid),
            low=low,
            high=high,
            used=np.where(known, sp, low),
            sp=sp,
            pc=words(rows, at.pc),
            waiting=words(rows, self._waiting),
            sequence=numbers(rows, at.sequence, 1),
            gopc=words(rows, at.gopc),
            start_pc=words(rows, at.start_pc),
            since=words(rows, at.wait_since).astype(np.int64),
            defers=words(rows, self._defers),
            panics=words(rows, self._panics),
            context=words(rows, self._context),
        )
        live = found.selected(~np.isin(status, NOT_LIVE))
        if not ((live.low <= live.high) & (live.high - live.low < np.uint64(MAX_STACK))).all():
            raise ImplausibleMemoryError(f"the stack of a goroutine of process {memory.pid} is inconsistent")
        return live
