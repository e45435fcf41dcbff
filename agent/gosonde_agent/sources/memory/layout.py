"""Which bytes of the runtime's structures are read: the offsets of one Go version as numbers."""

from collections.abc import Callable
from dataclasses import dataclass

from gosonde_agent.sources.memory.candidates import Fields

#: runtime.g is read up to and with its last field that is needed.
WORD = 8


@dataclass(frozen=True, slots=True)
class GoroutineLayout:
    """Offsets in runtime.g, in bytes; -1 for a field that this version lacks.

    Attributes:
        span: How many bytes hold all of them.
    """

    stack_lo: int
    stack_hi: int
    m: int
    sp: int
    pc: int
    itself: int
    syscall_sp: int
    syscall_pc: int
    status: int
    goid: int
    wait_since: int
    wait_reason: int
    sequence: int
    locked_m: int
    running_cleanups: int
    parent: int
    gopc: int
    start_pc: int
    span: int


def goroutine_layout(fields_of: Callable[[str], Fields]) -> GoroutineLayout:
    """The layout of runtime.g in one Go version."""
    g = fields_of("g")
    names = (
        "stack.lo stack.hi m sched.sp sched.pc sched.g syscallsp syscallpc atomicstatus goid waitsince waitreason "
        "trackingSeq lockedm runningCleanups parentGoid gopc startpc"
    )
    offsets = [g.get(name, -1) for name in names.split()]
    return GoroutineLayout(*offsets, span=max(offsets) + WORD)
