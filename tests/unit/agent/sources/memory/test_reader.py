"""Pieces of memory are what lies at their addresses, whatever lies beside them, and whatever is not mapped."""

import ctypes
import mmap
import os
import random
from collections.abc import Iterator

import numpy as np
import pytest
from gosonde_agent.sources.memory.reader import PAGE, ProcessMemory, runs

PAGES = 64
MAP_FIXED = 0x10
#: Pages that may not be read.
HOLES = frozenset({3, 10, 11, 12, 30, 63})


@pytest.fixture(scope="module")
def region() -> Iterator[tuple[int, bytes]]:
    """(address, content) of memory of this process with holes in it."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long)
    size = PAGES * PAGE
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    address = libc.mmap(None, size, mmap.PROT_READ | mmap.PROT_WRITE, flags, -1, 0)
    content = random.Random(1).randbytes(size)
    ctypes.memmove(address, content, size)
    empty = os.memfd_create("empty")  # pages behind the end of a file cannot be read, and nobody else takes their place
    for page in HOLES:
        fixed = mmap.MAP_PRIVATE | MAP_FIXED
        libc.mmap(address + page * PAGE, PAGE, mmap.PROT_READ, fixed, empty, 0)
    os.close(empty)
    yield address, content
    libc.munmap(address, size)


def is_mapped(start: int, size: int) -> bool:
    return not HOLES & set(range(start // PAGE, (start + size - 1) // PAGE + 1))


@pytest.mark.parametrize("sizes", [(8,), (8, 400, 2_048), range(1, 200), (0, 1, 5_000, 20_000)])
def test_pieces_are_what_lies_there(region: tuple[int, bytes], sizes: range) -> None:
    address, content = region
    chance = random.Random(2)
    with ProcessMemory(os.getpid()) as memory:
        for count in (0, 1, 2, 30, 300):
            wanted = [chance.choice(sizes) for _ in range(count)]
            starts = [chance.randrange(len(content) - size) for size in wanted]
            starts[: count // 10] = starts[count // 10 : count // 10 * 2]  # some lie upon others
            starts = [min(start, len(content) - size) for start, size in zip(starts, wanted, strict=True)]
            expected = [
                (content[start : start + size], True) if size == 0 or is_mapped(start, size) else (bytes(size), False)
                for start, size in zip(starts, wanted, strict=True)
            ]
            data, whole = memory.read_pieces(
                np.array(starts, np.uint64) + np.uint64(address), np.array(wanted, np.int64)
            )
            assert whole.tolist() == [is_whole for _piece, is_whole in expected]
            assert data.tobytes() == b"".join(piece for piece, _is_whole in expected)


def test_addresses_that_cannot_be_are_not_read(region: tuple[int, bytes]) -> None:
    address, content = region
    with ProcessMemory(os.getpid()) as memory:
        data, whole = memory.read_each(np.array([0, address, 1 << 60, (1 << 64) - 8], np.uint64), 8)
    assert whole.tolist() == [False, True, False, False]
    assert data[1].tobytes() == content[:8]
    assert not data[[0, 2, 3]].any()


def test_a_run_has_no_page_that_no_piece_lies_in() -> None:
    starts = np.array([0, 100, 5_000, 20_000, 24_570, 40_000], np.int64)
    firsts, ends = runs(starts, starts + 8)
    assert (firsts.tolist(), ends.tolist()) == ([0, 3, 5], [5_008, 24_578, 40_008])
