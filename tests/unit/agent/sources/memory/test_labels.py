"""Whatever a process has in place of labels, reading them ends, and what cannot be labels is none."""

import ctypes
import os
import struct
from collections.abc import Iterator

import numpy as np
import pytest
from gosonde_agent.host.access import Direct
from gosonde_agent.sources.memory.label_maps import BUCKET, HEADER
from gosonde_agent.sources.memory.labels import CUT, MOST_BYTES, MOST_LABELS, LabelReader
from gosonde_agent.sources.memory.reader import ProcessMemory
from gosonde_common.values.goroutines import MORE_LABELS, Labels

#: Where a g has its labels here, and what nobody has mapped.
OFFSET, NOWHERE = 8, 8
SLICE, MAP = 24, 23


class Made:
    """Memory of this process that stands for a program's."""

    def __init__(self, memory: ProcessMemory) -> None:
        self._memory = memory
        self._kept: list[object] = []

    def data(self, content: bytes) -> int:
        """Its address."""
        self._kept.append(buffer := ctypes.create_string_buffer(content, len(content)))
        return ctypes.addressof(buffer)

    def string(self, text: str) -> tuple[int, int]:
        """(address, length)."""
        return self.data(text.encode()), len(text.encode())

    def labels(self, minor: int, *content: int) -> Labels:
        """Of a goroutine whose labels are some words."""
        goroutine = self.data(struct.pack("<QQ", 0, self.data(struct.pack(f"<{len(content)}Q", *content))))
        (found,) = LabelReader(self._memory, OFFSET, minor).of(np.array([goroutine], np.uint64))
        return found

    def map(self, log2: int, buckets: int, old: int = 0, flags: int = 0, count: int = 1) -> int:
        """The address of a runtime.hmap."""
        return self.data(HEADER.pack(count, flags, log2, 0, 0, buckets, old))

    def bucket(self, hashes: bytes, following: int = 0) -> bytes:
        """One with a key and a value in each slot."""
        keys = [word for slot in range(8) for word in self.string(f"k{slot}")]
        values = [word for slot in range(8) for word in self.string(f"v{slot}")]
        return BUCKET.pack(*hashes, *keys, *values, following)


@pytest.fixture
def made() -> Iterator[Made]:
    with ProcessMemory(os.getpid(), Direct(os.getpid()).memory(os.getpid())) as memory:
        yield Made(memory)


def test_pairs_of_a_slice_come_by_their_keys(made: Made) -> None:
    pairs = made.data(struct.pack("<8Q", *made.string("b"), *made.string("2"), *made.string("a"), *made.string("1")))
    assert made.labels(SLICE, pairs, 2, 2) == (("a", "1"), ("b", "2"))


@pytest.mark.parametrize("content", [(NOWHERE, 3), (0, 3), (NOWHERE, 1 << 63), (1 << 63, 5)])
def test_a_slice_that_cannot_be_one_has_none(made: Made, content: tuple[int, int]) -> None:
    assert made.labels(SLICE, *content, 0) == ()


def test_strings_that_cannot_be_are_empty_and_long_ones_are_cut(made: Made) -> None:
    long = made.data(b"x" * MOST_BYTES)
    pairs = made.data(struct.pack("<8Q", *made.string("a"), NOWHERE, 3, *made.string("b"), long, 1 << 62))
    assert made.labels(SLICE, pairs, 2, 2) == (("a", ""), ("b", "x" * MOST_BYTES + CUT))


def test_more_labels_than_are_read_are_told(made: Made) -> None:
    pairs = made.data(struct.pack("<4Q", *made.string("a"), *made.string("1")) * (MOST_LABELS + 5))
    *_, last = made.labels(SLICE, pairs, MOST_LABELS + 5, MOST_LABELS + 5)
    assert last == (MORE_LABELS, "5 more")


def test_a_map_has_what_its_used_slots_hold_also_in_buckets_that_are_not_yet_moved(made: Made) -> None:
    new = made.data(made.bucket(bytes([0, 9, 0, 0, 0, 0, 0, 0])) + made.bucket(bytes([0] * 8)))
    old = made.data(made.bucket(bytes([2, 3, 4, 200, 1, 0, 0, 0])))
    assert made.labels(MAP, made.map(1, new, old, count=2)) == (("k1", "v1"), ("k3", "v3"))


def test_a_map_that_cannot_be_one_has_none_and_one_without_end_has_an_end(made: Made) -> None:
    assert made.labels(MAP, NOWHERE) == ()
    assert made.labels(MAP, made.map(0, NOWHERE)) == ()
    assert made.labels(MAP, made.map(200, NOWHERE, count=7)) == ((MORE_LABELS, "7 more"),)
    endless = made.data(bytes(BUCKET.size))
    ctypes.memmove(endless, made.bucket(bytes([9] * 8), endless), BUCKET.size)
    assert dict(made.labels(MAP, made.map(0, endless, count=8))) == {f"k{slot}": f"v{slot}" for slot in range(8)}
