"""What a snapshot is asked for with."""

from dataclasses import dataclass
from enum import StrEnum

from gosonde_common.values.observation import ProcessKey


class SnapshotKind(StrEnum):
    """What a snapshot is made from."""

    MEMORY = "memory"
    PPROF = "pprof"
    PPROF_LEAK = "pprof-leak"
    PPROF_HEAP = "pprof-heap"
    #: No file: a search of memory for goroutines that can never run again, and its outcome.
    PROOF = "proof"


@dataclass(frozen=True, slots=True)
class SnapshotRequest:
    """What the collector asks for. `kind` is None for one that this agent does not know."""

    id: int
    process: ProcessKey
    kind: SnapshotKind | None
