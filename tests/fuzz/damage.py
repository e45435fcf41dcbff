"""Damaged copies of real binaries: which bytes are changed is a list of patches, small enough to keep as a file."""

import json
import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from gosonde_agent.golang.buildinfo import parse_version, read_version_string
from gosonde_agent.golang.elf import ElfImage
from gosonde_agent.golang.layouts import layout_of
from gosonde_agent.golang.pclntab import Pclntab

from tests import go_programs, real_binaries

STRIPPED = ("-s", "-w")
#: The smallest that cover every parser.
SEEDS: dict[str, Callable[[], Path]] = {
    "oldest": lambda: real_binaries.esbuild("1.17.5"),
    "old": lambda: go_programs.build("short", "1.19.8", ldflags=STRIPPED),
    "new": lambda: go_programs.build("short", "1.27.3", ldflags=STRIPPED),
    "debug": lambda: go_programs.build("short", "1.27.3"),
    "dwarf": lambda: go_programs.build("short", "1.27.3", ldflags=("-compressdwarf=false",)),
    "pie": lambda: go_programs.build("short", "1.24.11", buildmode="pie", ldflags=STRIPPED),
}
#: Numbers that lengths and offsets are wrong by.
WORDS = (0, 1, 7, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 40, (1 << 63) - 1, 1 << 63)


@dataclass(frozen=True)
class Damage:
    """A seed, what is written over it, and how long it is then (None: as long as it was)."""

    seed: str
    patches: tuple[tuple[int, bytes], ...]
    size: int | None = None

    def to_json(self) -> str:
        """For the corpus: each patch is (offset, bytes, how often they are repeated)."""
        patches = [
            (offset, unit.hex(), len(data) // len(unit)) for offset, data in self.patches for unit in [unit_of(data)]
        ]
        return json.dumps({"seed": self.seed, "patches": patches, "size": self.size})

    @classmethod
    def from_json(cls, text: str) -> "Damage":
        """Of the corpus."""
        found = json.loads(text)
        patches = tuple((offset, bytes.fromhex(data) * times) for offset, data, times in found["patches"])
        return cls(found["seed"], patches, found["size"])


def unit_of(data: bytes) -> bytes:
    """The shortest of 1, 2, 4 or 8 bytes that data repeats; all of it when it repeats none."""
    for size in (1, 2, 4, 8):
        if len(data) % size == 0 and data == data[:size] * (len(data) // size):
            return data[:size]
    return data


@cache
def seed_bytes(seed: str) -> bytes:
    """The undamaged binary."""
    return SEEDS[seed]().read_bytes()


@contextmanager
def opened(damage: Damage) -> Iterator[int]:
    """A descriptor of the damaged binary, which is in memory."""
    fd = os.memfd_create("damaged")
    try:
        os.write(fd, seed_bytes(damage.seed))
        for offset, data in damage.patches:
            os.pwrite(fd, data, offset)
        if damage.size is not None:
            os.ftruncate(fd, damage.size)
        yield fd
    finally:
        os.close(fd)


@cache
def places(seed: str) -> tuple[tuple[int, int], ...]:
    """(offset, size) in the file of what the parsers read: damage elsewhere would show nothing."""
    with opened(Damage(seed, ())) as fd:
        image = ElfImage(fd)
        version = parse_version(read_version_string(image))
        pclntab = Pclntab(image, layout_of(version))
    header, module = pclntab.header, pclntab.module
    base = image.file_offset(header.vaddr)
    newproc1 = pclntab.find("runtime.newproc1")
    assert newproc1 is not None
    index = header.function_count * 2 * header.format.width
    found = [
        (0, 64),
        (64, 56 * 12),
        (base, 72),
        (base + header.functab, index),
        (base + header.functab + index, 44 * header.function_count),
        (base + header.pctab, header.functab - header.pctab),
        (base + header.units, header.files - header.units),
        (base + header.names, header.units - header.names),
        (image.file_offset(module.vaddr), 400),
        (image.file_offset(newproc1.entry), newproc1.end - newproc1.entry),
    ]
    names = (".go.buildinfo", ".note.go.buildid", ".dynamic", ".rela", ".rela.dyn", ".symtab", ".strtab", ".shstrtab")
    debug = (".debug_info", ".debug_abbrev")
    found += [(image.sections[n].offset, image.sections[n].size) for n in (*names, *debug) if n in image.sections]
    if module.gofunc:
        found.append((image.file_offset(module.gofunc), 4_096))
    sections = int.from_bytes(seed_bytes(seed)[40:48], "little")
    return (*((o, s) for o, s in found if s > 0), (sections, 64 * 20))


def random_damage(chance: random.Random) -> Damage:
    """Some patches at places that matter."""
    seed = chance.choice(list(SEEDS))
    data = seed_bytes(seed)
    patches = []
    for _ in range(chance.choice((1, 1, 1, 2, 4, 16))):
        start, size = chance.choice(places(seed))
        offset = min(start + chance.randrange(size), len(data) - 8)
        if chance.random() < 0.6:
            offset -= (offset - start) % chance.choice((4, 8))
            width = chance.choice((1, 2, 4, 8))
            number = chance.choice((*WORDS, chance.randrange(len(data)), *range(2, 64, 9)))
            patches.append((max(offset, 0), (number % (1 << 8 * width)).to_bytes(width, "little")))
        else:
            patches.append((max(offset, 0), chance.randbytes(chance.choice((1, 1, 2, 8, 64)))))
    cut = chance.randrange(len(data)) if chance.random() < 0.05 else None
    return Damage(seed, tuple(patches), cut)
