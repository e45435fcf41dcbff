"""Reads an ELF file that somebody else controls: every offset and length is checked, nothing is mapped.

Files are read with pread and never mmapped, because a target that truncates a mapped file would kill the agent with
SIGBUS. pyelftools supplies the formats of the headers; how much is read, and from where, is decided here.
"""

import functools
import itertools
import os
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from elftools.construct.core import ConstructError
from elftools.elf.structs import ELFStructs

from gosonde_agent.model.errors import MalformedBinaryError, NotGoError, UnsupportedBinaryError

MAX_PROGRAM_HEADERS = 1_024
MAX_SECTIONS = 4_096
#: The largest part of a file that is ever read at once, and so what bounds memory: 256 MiB.
MAX_READ = 1 << 28
#: Bytes that are searched in one file, all searches together.
MAX_SCAN = 1 << 30
MAX_MATCHES = 1 << 16
MAX_NOTES = 64
MAX_RELOCATIONS = 96 << 20
SCAN_CHUNK = 8 << 20

EM_X86_64 = 62
EM_AARCH64 = 183
PF_X = 1
PF_W = 2
SHF_COMPRESSED = 0x800
DT_RELA = 7
DT_RELASZ = 8
RELATIVE_RELOCATION = {EM_X86_64: 8, EM_AARCH64: 1027}
ARCHITECTURE = {EM_X86_64: "amd64", EM_AARCH64: "arm64"}

RELA = np.dtype([("offset", "<u8"), ("info", "<u8"), ("addend", "<u8")])


@dataclass(frozen=True, slots=True)
class Segment:
    """A PT_LOAD: `file_size` bytes from `offset` in the file appear at `vaddr`."""

    vaddr: int
    offset: int
    file_size: int
    executable: bool
    writable: bool


@dataclass(frozen=True, slots=True)
class Section:
    """A named section; `size` counts bytes in the file (0 for SHT_NOBITS)."""

    name: str
    vaddr: int
    offset: int
    size: int
    is_compressed: bool = False


@functools.cache
def _structs() -> ELFStructs:
    """The formats, which are the same for every file: 150 KB, and nothing that one of them could change."""
    structs = ELFStructs(little_endian=True, elfclass=64)
    structs.create_basic_structs()
    structs.create_advanced_structs()
    return structs


class ElfImage:
    """The headers and the bytes of one open ELF file, of which it keeps a descriptor of its own.

    Raises:
        NotGoError: The file is no ELF file.
        UnsupportedBinaryError: 32-bit, big-endian, or neither amd64 nor arm64.
        MalformedBinaryError: The headers point outside the file.
    """

    def __init__(self, fd: int) -> None:
        self._fd = os.dup(fd)
        self._scanned = 0
        weakref.finalize(self, os.close, self._fd)
        self.file_size = os.fstat(fd).st_size
        identification = self._pread(0, min(64, self.file_size))
        if identification[:4] != b"\x7fELF":
            raise NotGoError("not an ELF file: it does not begin with \\x7fELF")
        if len(identification) < 64:
            raise MalformedBinaryError(f"the ELF header is cut off: the file has {self.file_size} bytes, it needs 64")
        if identification[4] != 2:
            raise UnsupportedBinaryError("a 32-bit binary: only 64-bit Go programs (amd64, arm64) are supported")
        if identification[5] != 1:
            raise UnsupportedBinaryError("a big-endian binary: only amd64 and arm64 are supported")
        header = self._parse(_structs().Elf_Ehdr, identification, "ELF header")
        self.machine = int.from_bytes(identification[18:20], "little")
        if self.machine not in ARCHITECTURE:
            raise UnsupportedBinaryError(f"machine type {self.machine}: only amd64 (62) and arm64 (183) are supported")
        self._header = header
        self.segments, self._dynamic, self.notes = self._read_segments()

    @property
    def architecture(self) -> str:
        """GOARCH: "amd64" or "arm64"."""
        return ARCHITECTURE[self.machine]

    @property
    def entry(self) -> int:
        """Where the program begins."""
        return int(self._header.e_entry)

    @property
    def is_dynamic(self) -> bool:
        """Whether it has something to be linked when it starts."""
        return self._dynamic is not None

    @staticmethod
    def _parse(struct: Any, data: bytes, what: str) -> Any:  # noqa: ANN401  # pyelftools ships no types
        try:
            return struct.parse(data)
        except (ConstructError, ValueError, KeyError, OverflowError) as error:
            raise MalformedBinaryError(f"the {what} is malformed: {error}") from error

    def _pread(self, offset: int, size: int) -> bytes:
        if size > MAX_READ or offset < 0 or size < 0 or offset + size > self.file_size:
            raise MalformedBinaryError(
                f"{size} bytes at offset {offset:#x} lie outside the file, which has {self.file_size} bytes"
            )
        data = os.pread(self._fd, size, offset)
        while len(data) < size:
            more = os.pread(self._fd, size - len(data), offset + len(data))
            if not more:
                raise MalformedBinaryError(f"the file became shorter than {offset + size} bytes while it was read")
            data += more
        return data

    def _table(self, struct: Any, what: str, *, offset: int, entry_size: int, count: int, limit: int) -> list[Any]:  # noqa: ANN401
        size = struct.sizeof()
        if count and entry_size != size:
            raise MalformedBinaryError(f"{what} entries have {entry_size} bytes, expected {size}")
        if count > limit:
            raise MalformedBinaryError(f"{count} {what} entries, at most {limit} are accepted")
        data = self._pread(offset, size * count)
        return [self._parse(struct, data[i * size : (i + 1) * size], what) for i in range(count)]

    def _read_segments(self) -> tuple[tuple[Segment, ...], Segment | None, tuple[Segment, ...]]:
        header = self._header
        loads: list[Segment] = []
        notes: list[Segment] = []
        dynamic = None
        for entry in self._table(
            _structs().Elf_Phdr,
            "program header",
            offset=header.e_phoff,
            entry_size=header.e_phentsize,
            count=header.e_phnum,
            limit=MAX_PROGRAM_HEADERS,
        ):
            segment = Segment(
                entry.p_vaddr, entry.p_offset, entry.p_filesz, bool(entry.p_flags & PF_X), bool(entry.p_flags & PF_W)
            )
            if entry.p_type == "PT_LOAD":
                if segment.offset + segment.file_size > self.file_size:
                    raise MalformedBinaryError(
                        f"the segment at {segment.vaddr:#x} ends at offset {segment.offset + segment.file_size:#x}, "
                        f"but the file has {self.file_size:#x} bytes: it is cut off"
                    )
                loads.append(segment)
            elif entry.p_type == "PT_DYNAMIC":
                dynamic = segment
            elif entry.p_type == "PT_NOTE" and len(notes) < MAX_NOTES:
                notes.append(segment)
        return tuple(loads), dynamic, tuple(notes)

    @functools.cached_property
    def sections(self) -> dict[str, Section]:
        """Sections by name; empty when the file has none or when their table is damaged, for none is needed."""
        header = self._header
        try:
            entries = self._table(
                _structs().Elf_Shdr,
                "section",
                offset=header.e_shoff,
                entry_size=header.e_shentsize,
                count=header.e_shnum,
                limit=MAX_SECTIONS,
            )
            if not entries or header.e_shstrndx >= len(entries):
                return {}
            table = entries[header.e_shstrndx]
            names = self._pread(table.sh_offset, min(table.sh_size, 1 << 20))
        except MalformedBinaryError:
            return {}
        sections = {}
        for entry in entries:
            end = names.find(b"\0", entry.sh_name, entry.sh_name + 256)
            name = names[entry.sh_name : end].decode("utf-8", "replace") if end >= 0 else ""
            size = 0 if entry.sh_type == "SHT_NOBITS" else entry.sh_size
            if name and entry.sh_offset + size <= self.file_size:
                is_compressed = bool(entry.sh_flags & SHF_COMPRESSED)
                sections[name] = Section(name, entry.sh_addr, entry.sh_offset, size, is_compressed)
        return sections

    def section_bytes(self, section: Section, limit: int = MAX_READ) -> bytes:
        """The first `limit` bytes of a section."""
        return self._pread(section.offset, min(section.size, limit))

    def head(self, size: int) -> bytes:
        """The first `size` bytes of the file; fewer when it is shorter."""
        return self._pread(0, min(size, self.file_size))

    def segment_at(self, vaddr: int) -> Segment:
        """The segment whose file image holds an address.

        Raises:
            MalformedBinaryError: None does.
        """
        for segment in self.segments:
            if segment.vaddr <= vaddr < segment.vaddr + segment.file_size:
                return segment
        raise MalformedBinaryError(f"address {vaddr:#x} lies in no segment of the file")

    def file_offset(self, vaddr: int) -> int:
        """Where in the file the byte at an address is."""
        segment = self.segment_at(vaddr)
        return vaddr - segment.vaddr + segment.offset

    def vaddr_of(self, offset: int) -> int | None:
        """Where the byte at a file offset appears in memory; None when it is not loaded."""
        for segment in self.segments:
            if segment.offset <= offset < segment.offset + segment.file_size:
                return offset - segment.offset + segment.vaddr
        return None

    def read(self, vaddr: int, size: int) -> bytes:
        """`size` bytes at an address, as the file has them (not relocated)."""
        segment = self.segment_at(vaddr)
        if vaddr + size > segment.vaddr + segment.file_size:
            raise MalformedBinaryError(f"{size} bytes at {vaddr:#x} run past the end of their segment")
        return self._pread(vaddr - segment.vaddr + segment.offset, size)

    def read_to_segment_end(self, vaddr: int, limit: int = MAX_READ) -> bytes:
        """Everything from an address to the end of its segment, at most `limit` bytes."""
        segment = self.segment_at(vaddr)
        return self.read(vaddr, min(segment.vaddr + segment.file_size - vaddr, limit))

    def find_all(self, pattern: bytes, *, alignment: int, limit: int = 64, only_writable: bool = False) -> list[int]:
        """Addresses of the aligned occurrences of a pattern in the loaded (writable) segments, at most `limit`.

        Raises:
            MalformedBinaryError: It has more to read than any program has.
        """
        matches = self._matches(pattern, only_writable=only_writable)
        aligned = (address for address in itertools.islice(matches, MAX_MATCHES) if address % alignment == 0)
        return list(itertools.islice(aligned, limit))

    def _matches(self, pattern: bytes, *, only_writable: bool) -> Iterator[int]:
        for segment in (segment for segment in self.segments if segment.writable or not only_writable):
            for start in range(0, segment.file_size, SCAN_CHUNK):
                size = min(SCAN_CHUNK + len(pattern) - 1, segment.file_size - start)
                self._scanned += size
                if self._scanned > MAX_SCAN:
                    raise MalformedBinaryError(
                        f"what is looked for is not in the first {MAX_SCAN} bytes of the segments"
                    )
                chunk = self._pread(segment.offset + start, size)
                position = chunk.find(pattern)
                while position >= 0:
                    yield segment.vaddr + start + position
                    position = chunk.find(pattern, position + 1)

    @functools.cached_property
    def relocations(self) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
        """(addresses, values) of the relative relocations, sorted by address. Both uint64[n]; empty without PIE."""
        empty = np.zeros(0, np.uint64)
        if self._dynamic is None:
            return empty, empty
        data = self._pread(self._dynamic.offset, min(self._dynamic.file_size, 1 << 16) & ~15)
        entries = dict(np.frombuffer(data, "<u8").reshape(-1, 2)[::-1].tolist())
        if DT_RELA not in entries:
            return empty, empty
        size = entries.get(DT_RELASZ, 0)
        if size > MAX_RELOCATIONS:
            raise MalformedBinaryError(f"the relocations claim {size} bytes, at most {MAX_RELOCATIONS} are accepted")
        table = np.frombuffer(self.read(entries[DT_RELA], size - size % RELA.itemsize), RELA)
        table = table[table["info"] == RELATIVE_RELOCATION[self.machine]]
        table = table[np.argsort(table["offset"], kind="stable")]
        return table["offset"].astype(np.uint64), table["addend"].astype(np.uint64)

    def pointer(self, vaddr: int) -> int:
        """The pointer at an address as it is after relocation, less the load bias."""
        addresses, values = self.relocations
        index = int(np.searchsorted(addresses, np.uint64(vaddr)))
        if index < len(addresses) and int(addresses[index]) == vaddr:
            return int(values[index])
        return int.from_bytes(self.read(vaddr, 8), "little")

    def pointers_to(self, target: int) -> list[int]:
        """Aligned addresses that hold a pointer to `target`: relocated ones, else in writable segments, else in any."""
        addresses, values = self.relocations
        relocated = [int(address) for address in addresses[values == np.uint64(target)][:64]]
        pointer = target.to_bytes(8, "little")
        return (
            relocated or self.find_all(pointer, alignment=8, only_writable=True) or self.find_all(pointer, alignment=8)
        )
