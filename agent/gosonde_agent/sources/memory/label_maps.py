"""A map[string]string of Go up to 1.23, read from memory: where its keys and values are (runtime/map.go)."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from gosonde_agent.sources.memory.errors import UnreadableMemoryError
from gosonde_agent.sources.memory.reader import ProcessMemory

#: runtime.hmap: count, flags, B, noverflow, hash0, buckets, oldbuckets.
HEADER = struct.Struct("<QBBHIQQ")
#: runtime.bmap with its keys and values: eight hashes, eight strings, eight strings, the next one that belongs to it.
BUCKET = struct.Struct("<8B32QQ")
SLOTS = 8
#: The least hash of a slot that is used (runtime.minTopHash), and the flag of a map that is copied without growing.
LEAST_HASH, SAME_SIZE = 5, 8
#: Maps have no more buckets here: 2 to the power of it. With more, and with more that belong to one, the rest is not
#: read.
MOST_LOG2, MOST_OVERFLOW = 8, 8

#: (address, length).
String = tuple[int, int]


class Places(NamedTuple):
    """Where keys and values are, and how many are left out."""

    pairs: list[tuple[String, String]]
    left_out: int


def string_map(memory: ProcessMemory, address: int, most: int) -> Places:
    """At most so many entries of the map that a variable at an address holds; none where there cannot be one.

    Raises:
        GosondeError: The process has ended, or may not be read.
    """
    try:
        header = int.from_bytes(memory.read(address, 8), "little")
        count, flags, log2, _, _, buckets, old = HEADER.unpack(memory.read(header, HEADER.size))
        if log2 > MOST_LOG2:
            return Places([], count)
        sizes = [(buckets, 1 << log2)]
        if old:
            sizes.append((old, 1 << (log2 if flags & SAME_SIZE else max(log2 - 1, 0))))
        pairs = [pair for first, number in sizes for pair in _entries(memory, first, number)]
    except UnreadableMemoryError:
        return Places([], 0)
    return Places(pairs[:most], max(count - most, 0))


def _entries(memory: ProcessMemory, first: int, number: int) -> Iterator[tuple[String, String]]:
    """Those of some buckets in a row, and of what belongs to each."""
    for index in range(number if first else 0):
        at = first + index * BUCKET.size
        for _ in range(MOST_OVERFLOW):
            *words, following = BUCKET.unpack(memory.read(at, BUCKET.size))
            hashes, strings = words[:SLOTS], words[SLOTS:]
            found = [*zip(strings[::2], strings[1::2], strict=True)]
            for used, key, value in zip(hashes, found[:SLOTS], found[SLOTS:], strict=True):
                if used >= LEAST_HASH:
                    yield key, value
            if not following:
                break
            at = following
