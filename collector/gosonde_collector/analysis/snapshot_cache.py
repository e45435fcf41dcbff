"""The snapshots that judging needs, each read from the store once."""

from collections.abc import Sequence
from typing import Final

from gosonde_collector.analysis.steps import SECOND
from gosonde_collector.evidence.model import GOROUTINE
from gosonde_collector.model.values import ProcessKey
from gosonde_collector.store.protocol import Store
from gosonde_collector.store.records import Snapshot, SnapshotHead

#: Snapshots of one process and kind that are examined.
MOST: Final = 32
#: Two snapshots that are held against each other are apart by at least, and at most, so much.
LEAST_APART_NS, MOST_APART_NS = 10 * SECOND, 600 * SECOND


class SnapshotCache:
    """To be used by one thread at a time. `open` it first, and again to see what came since."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._heads: dict[tuple[str, ProcessKey, str, bool], list[SnapshotHead]] = {}
        self._kept: dict[str, Snapshot | None] = {}
        self._used: set[str] = set()

    def open(self) -> None:
        """Lists what there is, and drops what was not asked for since the last time. Raises StoreError."""
        self._heads = {}
        for head in self._store.snapshot_heads(MOST):
            self._heads.setdefault((head.host, head.process, head.kind, head.from_memory), []).append(head)
        self._kept = {snapshot_id: kept for snapshot_id, kept in self._kept.items() if snapshot_id in self._used}
        self._used = set()

    def newest(self, host: str, process: ProcessKey, *, from_memory: bool, kind: str = GOROUTINE) -> Snapshot | None:
        """The one that was taken last: of those read from memory, or of all others. Raises StoreError."""
        heads = self._of(host, process, kind, from_memory=from_memory)
        return self._read(heads[0]) if heads else None

    def earlier(self, host: str, process: ProcessKey, *, from_memory: bool) -> Snapshot | None:
        """The oldest one that can be held against the newest. Raises StoreError."""
        heads = self._of(host, process, GOROUTINE, from_memory=from_memory)
        apart = [(heads[0].taken_unix_nano - head.taken_unix_nano, head) for head in heads]
        chosen = [head for distance, head in apart if LEAST_APART_NS <= distance <= MOST_APART_NS]
        return self._read(chosen[-1]) if chosen else None

    def _of(self, host: str, process: ProcessKey, kind: str, *, from_memory: bool) -> Sequence[SnapshotHead]:
        return self._heads.get((host, process, kind, from_memory), ())

    def _read(self, head: SnapshotHead) -> Snapshot | None:
        self._used.add(head.id)
        if head.id not in self._kept:
            self._kept[head.id] = self._store.snapshot(head.id)
        return self._kept[head.id]
