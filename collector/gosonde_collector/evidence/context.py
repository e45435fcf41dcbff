"""Heap, block and mutex profiles as plain values: no witnesses, but context for what the analysis says.

All come as profile.proto alone, and what an execution trace says of blocking is kept like a block profile. The numbers
are the runtime's estimates for the whole program, not samples; those of a trace are counts.
"""

from dataclasses import dataclass
from typing import ClassVar

from gosonde_collector.evidence.model import HEAP, TRACE, Frame


@dataclass(frozen=True, slots=True)
class HeapSample:
    """What one stack allocated since the program began, and how much of it was in use at the last GC cycle.

    Attributes:
        frames: Innermost first.
    """

    frames: tuple[Frame, ...]
    alloc_objects: int
    alloc_bytes: int
    inuse_objects: int
    inuse_bytes: int


@dataclass(frozen=True, slots=True)
class HeapProfile:
    """What a heap or allocs profile says (runtime/pprof.writeHeapProto)."""

    kind: ClassVar[str] = HEAP
    format: ClassVar[str] = "proto"

    samples: tuple[HeapSample, ...]
    taken_unix_nano: int = 0

    @property
    def stacks(self) -> frozenset[tuple[Frame, ...]]:
        """The distinct stacks."""
        return frozenset(sample.frames for sample in self.samples)


@dataclass(frozen=True, slots=True)
class ContentionSample:
    """How often goroutines waited, since the program began, and for how long in all.

    Attributes:
        frames: Innermost first. In a block profile the stack of who waited, in a mutex profile of who let them wait. An
            execution trace has "[chan receive]", or another reason, as the innermost one.
    """

    frames: tuple[Frame, ...]
    contentions: int
    delay_ns: int

    @property
    def reason(self) -> str:
        """Why they waited, as an execution trace says; empty in a profile."""
        first = self.frames[0].function if self.frames else ""
        return first[1:-1] if first.startswith("[") and not self.frames[0].file else ""


@dataclass(frozen=True, slots=True)
class ContentionProfile:
    """What a block or mutex profile says (runtime/pprof.printCountCycleProfile), or an execution trace of blocking.

    Waits that go on are not in it.

    Attributes:
        kind: BLOCK, MUTEX or TRACE.
    """

    kind: str
    samples: tuple[ContentionSample, ...]
    taken_unix_nano: int = 0

    @property
    def format(self) -> str:
        """Which one it came in."""
        return "trace v2" if self.kind == TRACE else "proto"

    @property
    def stacks(self) -> frozenset[tuple[Frame, ...]]:
        """The distinct stacks."""
        return frozenset(sample.frames for sample in self.samples)


ContextProfile = HeapProfile | ContentionProfile
