"""Which bytes of the runtime's structures are read: the offsets of one Go version as numbers."""

from dataclasses import dataclass

from gosonde_agent.golang.layouts import Layout

#: runtime.g.atomicstatus is less than that, but for the bit that is set while the garbage collector scans the stack.
KNOWN_STATES = 12
SCAN = 0x1000
#: runtime.g is read up to and with its last field that is needed.
WORD = 8


@dataclass(frozen=True, slots=True)
class GoroutineLayout:
    """Offsets in runtime.g, in bytes; -1 for a field that this version lacks.

    Attributes:
        span: How many bytes hold all of them.
        moving_span: How many bytes hold those that change when the goroutine runs.
    """

    stack_lo: int
    stack_hi: int
    m: int
    sp: int
    pc: int
    link: int
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
    moving_span: int


#: Fields by attribute; a field in OPTIONAL may be missing.
FIELDS = {
    "stack_lo": "stack.lo",
    "stack_hi": "stack.hi",
    "m": "m",
    "sp": "sched.sp",
    "pc": "sched.pc",
    "link": "sched.lr",
    "itself": "sched.g",
    "syscall_sp": "syscallsp",
    "syscall_pc": "syscallpc",
    "status": "atomicstatus",
    "goid": "goid",
    "wait_since": "waitsince",
    "wait_reason": "waitreason",
    "sequence": "trackingSeq",
    "locked_m": "lockedm",
    "running_cleanups": "runningCleanups",
    "parent": "parentGoid",
    "gopc": "gopc",
    "start_pc": "startpc",
}
MOVING = ("stack_hi", "sp", "pc", "syscall_sp", "syscall_pc", "status", "goid", "sequence")
OPTIONAL = frozenset({"runningCleanups", "parentGoid", "sched.lr"})


def goroutine_layout(layout: Layout) -> GoroutineLayout:
    """The layout of runtime.g in one Go version.

    Raises:
        UnsupportedBinaryError: A field's place is not known.
    """
    offsets = {
        attribute: -1 if field in OPTIONAL and not layout.has("g", field) else layout.offset("g", field)
        for attribute, field in FIELDS.items()
    }
    moving = max(offsets[attribute] for attribute in MOVING)
    return GoroutineLayout(**offsets, span=max(offsets.values()) + WORD, moving_span=moving + WORD)
