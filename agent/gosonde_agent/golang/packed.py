"""Recognizes a program that a packer has compressed, by its mark or, where that was taken out, by its form."""

import zlib
from typing import Final

from gosonde_agent.golang.elf import ElfImage

UPX_MAGIC: Final = b"UPX!"
HEAD_BYTES: Final = 1_024
#: What is compressed shrinks by less than one in twenty when a sample of it is compressed again.
SAMPLE: Final = 1 << 16
SHRINKS: Final = 0.95
PAGE: Final = 4_096


def packed_by(image: ElfImage) -> str:
    """What packed a program, in words; empty when nothing did."""
    if UPX_MAGIC in image.head(HEAD_BYTES):
        return "UPX"
    return "UPX without its mark, or another packer" if _has_form(image) else ""


def _has_form(image: ElfImage) -> bool:
    """Whether it is code to unpack, all the rest being compressed, and room for what that becomes.

    It has no sections and no dynamic linker, one segment of code in which it begins, and one that is nearly all room.
    """
    code = [segment for segment in image.segments if segment.executable]
    rooms = [segment for segment in image.segments if segment.writable and segment.file_size <= PAGE]
    if image.sections or image.is_dynamic or len(image.segments) != 2 or len(code) != 1 or len(rooms) != 1:
        return False
    (segment,) = code
    begins = segment.vaddr <= image.entry < segment.vaddr + segment.file_size
    if not begins or segment.file_size < 4 * SAMPLE:
        return False
    sample = image.read(segment.vaddr + segment.file_size // 2, SAMPLE)
    return len(zlib.compress(sample, 6)) > SHRINKS * SAMPLE
