"""Goroutines as people know them: states, wait reasons, functions, files and lines."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from itertools import compress

#: pprof's labels of a goroutine: (key, value), by key. Where not all were read, the last key is MORE_LABELS: its value
#: says how many are left out.
Labels = tuple[tuple[str, str], ...]
MORE_LABELS = "…"

#: Of more goroutines about so many have their stacks read, unless another number is asked for.
MAX_STACKS = 100_000


@dataclass(frozen=True, slots=True)
class Location:
    """A source position. The function is named as the runtime prints it: type arguments are "[...]"."""

    function: str
    file: str
    line: int


#: What stands in place of a `go` statement for the goroutine that has none: assembly calls runtime.newproc for it.
MAIN_GOROUTINE = Location("main goroutine", "", 0)
#: What a stack is from.
MEMORY, REGISTERS = "memory", "registers"
_STARTS_MAIN = frozenset({"runtime.newproc", "runtime.rt0_go"})


def statement(found: Location) -> Location:
    """The `go` statement at a place, or MAIN_GOROUTINE."""
    return MAIN_GOROUTINE if found.function in _STARTS_MAIN else found


@dataclass(frozen=True, slots=True)
class Goroutine:
    """One goroutine, as it was when it was read.

    Attributes:
        status: "runnable", "running", "syscall", "waiting", "preempted", "copystack" or "leaked".
        wait_reason: Why it waits, as the runtime names it; empty unless it does.
        wait_ns: How long it has waited or been in a system call; None where the runtime has not noted it: it does so
            only in its garbage collections.
        created_by: The `go` statement.
        parent_goid: Of the goroutine that executed it; 0 before Go 1.21 and for the first one.
        thread_id: The operating system's, when it has one; else 0.
        locked: It is locked to its thread (runtime.LockOSThread).
        system: The runtime calls it its own (runtime.isSystemGoroutine).
        active: It runs, or it changed while it was read. It has no stack then.
        complete: The stack reaches its first function.
        stack: Innermost first, inlined calls among them, without runtime.goexit.
        waits_for: "context" or "timer" where the code shows that the channel is one's; else empty.
        stack_bytes: What its stack takes.
        stack_from: MEMORY or REGISTERS (its thread's, while the process was stopped); empty where there is no stack.
        cause: "busy-loop" where it was seen to burn a CPU; else empty.
        because: What that rests on, a sentence; empty without a cause.
        labels: Those that runtime/pprof.Do or SetGoroutineLabels gave it, or the goroutine that created it.
        unread: Its stack was not read, as there are too many goroutines: only those of a sample are.
    """

    goid: int
    status: str
    wait_reason: str
    wait_ns: int | None
    created_by: Location
    start_function: str
    parent_goid: int
    thread_id: int
    locked: bool
    system: bool
    active: bool
    complete: bool
    stack: tuple[Location, ...]
    waits_for: str = ""
    stack_bytes: int = 0
    stack_from: str = ""
    cause: str = ""
    because: str = ""
    labels: Labels = ()
    unread: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """What goroutines with one state, `go` statement and stack have in common; attributes as of Goroutine.

    Many goroutines share one, so that what is made of it is made once. Two may say the same and yet be two.

    Attributes:
        group: What else they have in common, where somebody groups them by that: the value of a label.
    """

    status: str
    wait_reason: str
    created_by: Location
    start_function: str
    system: bool
    active: bool
    complete: bool
    stack: tuple[Location, ...]
    stack_from: str = ""
    cause: str = ""
    because: str = ""
    unread: bool = False
    group: str = ""


@dataclass(frozen=True, slots=True)
class GoroutineColumns:
    """Goroutines that were read together, in columns of equal length; attributes as of Goroutine."""

    kinds: Sequence[Kind]
    goids: Sequence[int]
    waits_ns: Sequence[int | None]
    parent_goids: Sequence[int]
    thread_ids: Sequence[int]
    locked: Sequence[bool]
    labels: Sequence[Labels]

    def __len__(self) -> int:
        return len(self.goids)

    def kept(self, which: Sequence[bool]) -> "GoroutineColumns":
        """Those for which it says so."""
        return GoroutineColumns(*(list(compress(getattr(self, one.name), which)) for one in fields(self)))

    def with_kinds(self, kinds: Sequence[Kind | None]) -> "GoroutineColumns":
        """The same of these kinds, without those that have None."""
        whole = replace(self, kinds=kinds)  # type: ignore[arg-type]
        return whole if None not in kinds else whole.kept([kind is not None for kind in kinds])


def columns_of(goroutines: Sequence[Goroutine]) -> GoroutineColumns:
    """Some goroutines in columns, each of a kind of its own."""
    shared = [field.name for field in fields(Kind) if field.name != "group"]
    return GoroutineColumns(
        kinds=[Kind(**{name: getattr(one, name) for name in shared}) for one in goroutines],
        goids=[one.goid for one in goroutines],
        waits_ns=[one.wait_ns for one in goroutines],
        parent_goids=[one.parent_goid for one in goroutines],
        thread_ids=[one.thread_id for one in goroutines],
        locked=[one.locked for one in goroutines],
        labels=[one.labels for one in goroutines],
    )
