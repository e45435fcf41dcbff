"""Heap, block and mutex profiles as plain values: no witnesses, but context for what the analysis says.

All come as profile.proto alone. The numbers are the runtime's estimates for the whole program, not samples.
"""

from dataclasses import dataclass
from typing import ClassVar

from gosonde_collector.evidence.model import HEAP, Frame


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
        frames: Innermost first. In a block profile the stack of who waited, in a mutex profile of who let them wait.
    """

    frames: tuple[Frame, ...]
    contentions: int
    delay_ns: int


@dataclass(frozen=True, slots=True)
class ContentionProfile:
    """What a block or mutex profile says (runtime/pprof.printCountCycleProfile). Waits that go on are not in it.

    Attributes:
        kind: BLOCK or MUTEX.
    """

    format: ClassVar[str] = "proto"

    kind: str
    samples: tuple[ContentionSample, ...]
    taken_unix_nano: int = 0

    @property
    def stacks(self) -> frozenset[tuple[Frame, ...]]:
        """The distinct stacks."""
        return frozenset(sample.frames for sample in self.samples)


ContextProfile = HeapProfile | ContentionProfile
