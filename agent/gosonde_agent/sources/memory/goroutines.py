"""Reads every goroutine of a process in blocks: headers, stacks, and the headers again to see what moved meanwhile."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from gosonde_common.values.goroutines import Labels

from gosonde_agent.golang.pclntab import Pclntab
from gosonde_agent.golang.unwind import Unwinder
from gosonde_agent.sources.memory.errors import ImplausibleMemoryError
from gosonde_agent.sources.memory.labels import LabelReader
from gosonde_agent.sources.memory.layout import KNOWN_STATES, SCAN, GoroutineLayout, goroutine_layout
from gosonde_agent.sources.memory.proof import MAX_GOROUTINES
from gosonde_agent.sources.memory.running import Running
from gosonde_agent.sources.memory.running_rules import is_walkable
from gosonde_agent.sources.memory.runtime import Runtime
from gosonde_agent.sources.memory.sample import StackSample
from gosonde_agent.sources.memory.stacks import StackWords

T = TypeVar("T")

#: A reading takes no longer, without what is done with it meanwhile; it has read some ten million goroutines by then.
MAX_SECONDS = 60

#: Goroutines read at a time: what bounds the agent's memory.
BLOCK = 4_096

IDLE, RUNNABLE, RUNNING, SYSCALL, WAITING, DEAD = 0, 1, 2, 3, 4, 6
COPYSTACK, PREEMPTED, LEAKED, DEAD_EXTRA = 8, 9, 10, 11
#: They have a stack that lies still.
PARKED = (RUNNABLE, SYSCALL, WAITING, PREEMPTED, LEAKED)
NOT_LIVE = (IDLE, DEAD, DEAD_EXTRA)

#: The longest stack of Go on a 64-bit machine, and then some.
MAX_STACK = 1 << 34

U64 = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Block:
    """Some live goroutines, a row each; addresses are link-time.

    Attributes:
        status: runtime.g.atomicstatus without the scan bit.
        wait_since: CLOCK_MONOTONIC ns, 0 when the runtime has not noted it.
        thread: Operating system thread, 0 when there is none.
        active: It changed while it was read, or runs: what is said of it may be mixed, and it has no stack.
        unread: It has a stack that was not read: it is not in the sample.
        stacks: uint64[n, depth]: call addresses, innermost first, 0 where there is none; depth 0 when not asked for.
        complete: The stack reaches the goroutine's first frame.
        stack_bytes: What the stack takes (runtime.stack: hi less lo), 0 where that cannot be.
        changes: How often it has left a CPU so far, modulo 256 (runtime.g.trackingSeq).
        foreign: uint64[m]: goid of each g of a thread that C made, in use or not; those in use are rows, too.
        labels: Of each goroutine.
    """

    goid: U64
    status: npt.NDArray[np.int64]
    wait_reason: npt.NDArray[np.int64]
    wait_since: npt.NDArray[np.int64]
    gopc: U64
    start_pc: U64
    parent: U64
    thread: U64
    locked: Bools
    running_cleanups: Bools
    active: Bools
    unread: Bools
    stacks: U64
    complete: Bools
    stack_bytes: npt.NDArray[np.int64]
    changes: npt.NDArray[np.uint8]
    foreign: U64
    labels: Sequence[Labels]

    def __len__(self) -> int:
        return len(self.goid)


class GoroutineReader:
    """Reads the goroutines of one process; stacks only with what unwinds them, and labels with what reads those.

    With a sample, only the goroutines in it have their stacks read.
    """

    def __init__(
        self,
        runtime: Runtime,
        unwinder: Unwinder | None,
        labels: LabelReader | None = None,
        sample: StackSample | None = None,
    ) -> None:
        self._runtime = runtime
        self._memory = runtime.memory
        self._bias = runtime.bias
        self._layout = goroutine_layout(runtime.layout)
        self._procid = runtime.layout.offset("m", "procid")
        self._unwinder = unwinder
        self._labels = labels
        self._sample = sample

    def count(self) -> int:
        """How many goroutines, live or dead, the runtime knows.

        Raises:
            ImplausibleMemoryError: More than fit into memory.
        """
        count = self._runtime.number(self._runtime.addresses.allglen)
        if not 0 < count < MAX_GOROUTINES:
            raise ImplausibleMemoryError(f"process {self._memory.pid} claims to have {count} goroutines")
        return count

    def blocks(self) -> Iterator[Block]:
        """Every goroutine that lives, a block after the other; those born meanwhile may be missing.

        Raises:
            ImplausibleMemoryError: What is there cannot be a runtime's.
            UnreadableMemoryError: The list of goroutines is not mapped.
            GosondeError: The process has ended, or may not be read.
        """
        return self._each(self._block)

    def creations(self) -> Iterator[tuple[U64, U64]]:
        """(address of the g, its gopc as it is there) of every goroutine, also of those that have ended.

        Raises:
            GosondeError: As `blocks`.
        """
        return self._each(self._creations)

    def _each(self, read: Callable[[U64], T]) -> Iterator[T]:
        """What `read` makes of the addresses of all goroutines, a block after the other."""
        # The length first: the list that has it, or a longer one, is behind the pointer by then.
        count = self.count()
        pointer = self._runtime.number(self._runtime.addresses.allgs)
        taken = 0.0
        for start in range(0, count, BLOCK):
            if taken > MAX_SECONDS:
                raise ImplausibleMemoryError(
                    f"process {self._memory.pid} claims {count} goroutines: more than can be read in {MAX_SECONDS} s"
                )
            began = time.monotonic()
            size = min(BLOCK, count - start)
            data = self._memory.read(pointer + start * 8, size * 8)
            block = read(np.frombuffer(data, "<u8").astype(np.uint64))
            taken += time.monotonic() - began
            yield block

    def _creations(self, pointers: U64) -> tuple[U64, U64]:
        rows, whole = self._memory.read_each(pointers, self._layout.span)
        return pointers[whole], _words(rows, self._layout.gopc)[whole]

    def _block(self, pointers: U64) -> Block:
        at = self._layout
        rows, whole = self._memory.read_each(pointers, at.span)
        if not whole.all():  # the runtime never frees a g
            raise ImplausibleMemoryError(f"a goroutine in the list of process {self._memory.pid} is not mapped")
        status = _status(rows, at)
        goids = _words(rows, at.goid)
        # A g gets its gopc before its first id.
        foreign = goids[(_words(rows, at.gopc) == 0) & (goids != 0) & (status != IDLE)]
        live = ~np.isin(status, NOT_LIVE)
        # A goroutine that lives points to itself, so a wrong list does not pass for goroutines.
        live &= _words(rows, at.itself) == pointers
        live &= status < KNOWN_STATES
        rows, pointers, status = rows[live], pointers[live], status[live]
        parked = np.isin(status, PARKED)
        read = parked & self._sample.has(_words(rows, at.goid)) if self._sample else parked
        walk = self._walk(self._unwinder, rows, read) if self._unwinder else None
        active = ~parked | self._moved(pointers, rows, read) if walk else ~parked
        depth = walk[0] if walk else np.zeros((len(rows), 0), np.uint64)
        depth[active] = 0
        complete = walk[1] & ~active if walk else np.zeros(len(rows), np.bool_)
        threads = self._threads(_words(rows, at.m))
        return self._described(rows, threads, (active, parked & ~read), (depth, complete), foreign)

    def ran(self, taken: Running, unwinder: Unwinder, pclntab: Pclntab) -> Block:
        """What ran when its process stood; `active` where no rule says where it was."""
        high = _words(taken.rows, self._layout.stack_hi)
        pcs, sps = (np.array([getattr(at, name) for at in taken.places], np.uint64) for name in ("pc", "sp"))
        known = np.array([is_walkable(at, pclntab, self._bias) for at in taken.places], np.bool_)
        exact = np.array([at.is_exact for at in taken.places], np.bool_)
        walk = unwinder.walk(np.where(known, pcs, 0), sps, high, self._bias, taken.words, interrupted=exact)
        walk.pcs[~known] = 0
        active = ~known | ~walk.pcs.any(axis=1)
        nobody = np.zeros(0, np.uint64)
        unread = np.zeros(len(active), np.bool_)
        return self._described(taken.rows, taken.threads, (active, unread), (walk.pcs, walk.complete & ~active), nobody)

    def _described(
        self, rows: Rows, threads: U64, without: tuple[Bools, Bools], walk: tuple[U64, Bools], foreign: U64
    ) -> Block:
        """The block; `without` a stack are those that are active, and those that were not read."""
        at = self._layout
        return Block(
            goid=_words(rows, at.goid),
            status=_status(rows, at),
            wait_reason=rows[:, at.wait_reason].astype(np.int64),
            wait_since=_words(rows, at.wait_since).astype(np.int64),
            gopc=self._linked(_words(rows, at.gopc)),
            start_pc=self._linked(_words(rows, at.start_pc)),
            parent=_words(rows, at.parent) if at.parent >= 0 else np.zeros(len(rows), np.uint64),
            thread=threads,
            locked=_words(rows, at.locked_m) != 0,
            running_cleanups=rows[:, at.running_cleanups] != 0
            if at.running_cleanups >= 0
            else np.zeros(len(rows), np.bool_),
            active=without[0],
            unread=without[1],
            stacks=walk[0],
            complete=walk[1],
            stack_bytes=_stack_bytes(rows, at),
            changes=rows[:, at.sequence],
            foreign=foreign,
            labels=self._labels.of(_words(rows, at.itself)) if self._labels else [()] * len(rows),
        )

    def _linked(self, addresses: U64) -> U64:
        return np.where(addresses == 0, addresses, addresses - np.uint64(self._bias))

    def _walk(self, unwinder: Unwinder, rows: Rows, read: Bools) -> tuple[U64, Bools]:
        at = self._layout
        low, high = _words(rows, at.stack_lo), _words(rows, at.stack_hi)
        in_call = _words(rows, at.syscall_sp) != 0
        sp = np.where(in_call, _words(rows, at.syscall_sp), _words(rows, at.sp))
        pc = np.where(in_call, _words(rows, at.syscall_pc), _words(rows, at.pc))
        sane = read & (low < sp) & (sp < high) & (high - low < np.uint64(MAX_STACK)) & (sp % np.uint64(8) == 0)
        some = np.flatnonzero(sane)
        words = StackWords(self._memory, sp[some], high[some])
        link = (
            np.where(in_call, np.uint64(0), _words(rows, at.link)) if at.link >= 0 else np.zeros(len(rows), np.uint64)
        )
        walk = unwinder.walk(pc[some], sp[some], high[some], self._bias, words, links=link[some])
        stacks = np.zeros((len(rows), walk.pcs.shape[1]), np.uint64)
        stacks[some] = walk.pcs
        complete = np.zeros(len(rows), np.bool_)
        complete[some] = walk.complete
        return stacks, complete

    def _moved(self, pointers: U64, rows: Rows, read: Bools) -> Bools:
        """Which ones of those that were read are not where they were: `rows` are their headers as read before."""
        moved = np.zeros(len(rows), np.bool_)
        moved[read] = self._are_elsewhere(pointers[read], rows[read])
        return moved

    def _are_elsewhere(self, pointers: U64, rows: Rows) -> Bools:
        at = self._layout
        again, whole = self._memory.read_each(pointers, at.moving_span)
        same = whole & (_status(again, at) == _status(rows, at)) & (again[:, at.sequence] == rows[:, at.sequence])
        for offset in (at.goid, at.stack_hi, at.sp, at.pc, at.syscall_sp, at.syscall_pc):
            same &= _words(again, offset) == _words(rows, offset)
        elsewhere: Bools = ~same
        return elsewhere

    def _threads(self, machines: U64) -> U64:
        """runtime.m.procid of each; 0 where there is no m."""
        threads = np.zeros(len(machines), np.uint64)
        bound = np.flatnonzero(machines)
        found, whole = self._memory.read_each(machines[bound] + np.uint64(self._procid), 8)
        threads[bound[whole]] = found[whole].copy().view("<u8")[:, 0]
        return threads


def _words(rows: Rows, offset: int) -> U64:
    return rows[:, offset : offset + 8].view("<u8")[:, 0].astype(np.uint64)


def _stack_bytes(rows: Rows, at: GoroutineLayout) -> npt.NDArray[np.int64]:
    low, high = _words(rows, at.stack_lo), _words(rows, at.stack_hi)
    sane = (low < high) & (high - low < np.uint64(MAX_STACK))
    return np.where(sane, high - low, np.uint64(0)).astype(np.int64)


def _status(rows: Rows, at: GoroutineLayout) -> npt.NDArray[np.int64]:
    raw = rows[:, at.status : at.status + 4].view("<u4")[:, 0]
    return raw.astype(np.int64) & ~SCAN
