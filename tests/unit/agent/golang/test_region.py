"""However many files are known, what is kept of their tables has one bound."""

from typing import Any, cast

import pytest
from gosonde_agent.golang.region import BLOCK, MAX_BLOCKS, Region
from gosonde_agent.model.errors import MalformedBinaryError


class Image:
    """Stands for a file of which each byte is the number of its block."""

    def __init__(self, blocks: int) -> None:
        self.blocks = blocks
        self.reads = 0

    def read(self, vaddr: int, size: int) -> bytes:
        self.reads += 1
        return bytes((vaddr // BLOCK,)) * size

    def region(self) -> Region:
        return Region(cast("Any", self), 0, self.blocks * BLOCK)


def test_what_was_read_last_is_not_read_again() -> None:
    image = Image(3)
    region = image.region()
    assert [region.read(block * BLOCK, 2) for block in (0, 1, 2, 1)] == [b"\0\0", b"\1\1", b"\2\2", b"\1\1"]
    assert image.reads == 3


def test_files_have_one_bound_together_and_none_sees_the_bytes_of_another() -> None:
    images = [Image(2) for _ in range(MAX_BLOCKS)]
    regions = [image.region() for image in images]
    for region in regions:
        assert (region.read(0, 1), region.read(BLOCK, 1)) == (b"\0", b"\1")
    before = sum(image.reads for image in images)
    assert before == 2 * MAX_BLOCKS
    for region in regions[: MAX_BLOCKS // 2]:
        assert (region.read(0, 1), region.read(BLOCK, 1)) == (b"\0", b"\1")
    assert sum(image.reads for image in images) == before + MAX_BLOCKS, "those that were used longest ago are gone"


def test_what_lies_outside_is_refused() -> None:
    with pytest.raises(MalformedBinaryError, match="lies outside the table"):
        Image(1).region().read(BLOCK, 1)
