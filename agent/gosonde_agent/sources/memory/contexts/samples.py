"""Which function made a context: of those that the runtime's own heap profile sampled, which notes the stack of each.

A sample is a special of the object (runtime.specialprofile), which leads to a bucket of the profile (runtime.bucket in
runtime/mprof.go); behind that lies the stack. The runtime samples one object in 512 KiB, unless the program says else,
and none where nothing in the program asks for a heap profile.
"""

from collections import Counter
from typing import Final

import numpy as np
from gosonde_common.values.goroutines import Location

from gosonde_agent.golang.layouts import Layout
from gosonde_agent.golang.pclntab import Pclntab
from gosonde_agent.model.errors import MalformedBinaryError
from gosonde_agent.sources.memory.contexts.values import MadeIn
from gosonde_agent.sources.memory.errors import UnreadableMemoryError
from gosonde_agent.sources.memory.reachability.limits import Meter
from gosonde_agent.sources.memory.reachability.objects import HeapMap
from gosonde_agent.sources.memory.reachability.rows import I64, U64, among, joined, numbers, words
from gosonde_agent.sources.memory.runtime import Runtime

WORD: Final = 8
#: runtime.bucket, the same from Go 1.19 to 1.27: typ 16, nstk 40; the stack is behind it.
BUCKET_BYTES, TYPE, DEPTH = 48, 16, 40
MEMORY: Final = 1
#: Of a stack so many frames are read: package context's own are the innermost ones.
FRAMES: Final = 16
MAX_DEPTH: Final = 1_024
#: Code that makes contexts for others.
PACKAGES: Final = ("runtime.", "context.")


class Samples:
    """Reads the samples of one process.

    Raises:
        UnsupportedBinaryError: Where a special has what is not known.
    """

    def __init__(self, runtime: Runtime, pclntab: Pclntab) -> None:
        layout = runtime.layout
        self._runtime, self._pclntab = runtime, pclntab
        self._kind = layout.special_kinds.get("Profile", 0)
        self._at = {name: layout.offset("special", name) for name in ("next", "offset", "kind")}
        self._bucket = layout.size("special")
        self._read = max(self._bucket, *self._at.values()) + WORD
        self._offset_size = _offset_size(layout)

    def read(self, heap: HeapMap, contexts: U64, meter: Meter) -> tuple[I64, U64]:
        """(row, address of the bucket) of those contexts that were sampled; they are given in order.

        Raises:
            NotDecidedError: There are too many specials.
            GosondeError: The process has ended, or may not be read.
        """
        of_contexts = np.unique(heap.index(heap.numbers(contexts))[0]) if len(contexts) else np.zeros(0, np.int64)
        span = of_contexts[heap.spans.specials[of_contexts] != 0]
        at, seen = heap.spans.specials[span], 0
        found: list[U64] = []
        buckets: list[U64] = []
        while len(at):
            seen += len(at)
            meter.bound("finalizers, cleanups and weak pointers", seen, meter.limits.specials)
            meter.take(len(at) * self._read)
            rows, _whole = self._runtime.memory.read_each(at, self._read)
            sampled = rows[:, self._at["kind"]] == self._kind
            offset = numbers(rows, self._at["offset"], self._offset_size).astype(np.uint64)
            found.append((heap.spans.start[span] + offset)[sampled])
            buckets.append(words(rows, self._bucket)[sampled])
            at = words(rows, self._at["next"])
            at, span = at[at != 0], span[at != 0]
        objects, bucket = joined(found), joined(buckets)
        known = among(objects, contexts)
        return np.searchsorted(contexts, objects[known]).astype(np.int64), bucket[known]

    def makers(self, buckets: U64) -> list[MadeIn]:
        """The functions that made sampled contexts, by their buckets; that of most contexts first.

        Raises:
            GosondeError: The process has ended, or may not be read.
        """
        made: Counter[Location] = Counter()
        for bucket, count in Counter(buckets.tolist()).items():
            maker = self._maker(bucket)
            if maker is not None:
                made[maker] += count
        return [MadeIn(at.function, at.file, at.line, count) for at, count in made.most_common()]

    def _maker(self, bucket: int) -> Location | None:
        try:
            header = self._runtime.memory.read(bucket, BUCKET_BYTES)
            kind, depth = (int.from_bytes(header[at : at + WORD], "little") for at in (TYPE, DEPTH))
            if kind != MEMORY or not 0 < depth <= MAX_DEPTH:
                return None
            stack = self._runtime.memory.read(bucket + BUCKET_BYTES, min(depth, FRAMES) * WORD)
            # They are addresses behind calls.
            calls = [pc - self._runtime.bias - 1 for pc in np.frombuffer(stack, "<u8").tolist()]
            frames = (frame for call in calls if call > 0 for frame in self._pclntab.frames_of(call))
            return next((frame for frame in frames if not frame.function.startswith(PACKAGES)), None)
        except (UnreadableMemoryError, MalformedBinaryError):
            return None


def _offset_size(layout: Layout) -> int:
    """Bytes that an object's offset in its span takes, right before the kind."""
    return 2 if layout.offset("special", "kind") - layout.offset("special", "offset") == 2 else 8
