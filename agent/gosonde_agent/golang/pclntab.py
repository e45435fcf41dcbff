"""Go's table of functions, files and lines (runtime/symtab.go: pcHeader, functab, _func), which no strip removes.

Everything gosonde asks of a binary's symbols comes from here, so a stripped binary is no special case.
"""

import bisect
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from gosonde_agent.errors import MalformedBinaryError, UnsupportedBinaryError
from gosonde_agent.golang.elf import ElfImage

#: pcHeader.magic of Go 1.18 (0xfffffff0) and 1.20 (0xfffffff1); zeros; quantum; pointer size.
MAGIC_118 = 0xFFFFFFF0
MAGIC_120 = 0xFFFFFFF1
QUANTUM = {"amd64": 1, "arm64": 4}
HEADER_SIZE = 72
MAX_FUNCTIONS = 4_000_000
MAX_NAME = 4_096
MAX_STEPS = 1_000_000
SECTION_NAMES = (".gopclntab", ".data.rel.ro.gopclntab")

#: runtime.moduledata, the same from Go 1.18 to 1.27.
MODULEDATA_FTAB = 128
MODULEDATA_TEXT = 176
MODULEDATA_ETEXT = 184


@dataclass(frozen=True, slots=True)
class Function:
    """A function as the linker laid it out: code from `entry` up to `end` (link-time addresses)."""

    name: str
    entry: int
    end: int


@dataclass(frozen=True, slots=True)
class Location:
    """A source position."""

    function: str
    file: str
    line: int


class Pclntab:
    """The pclntab of one binary.

    Raises:
        UnsupportedBinaryError: There is none that is understood (Go older than 1.18, packed, or not Go).
        MalformedBinaryError: It contradicts itself.
    """

    def __init__(self, image: ElfImage) -> None:
        self._image = image
        self._quantum = QUANTUM[image.architecture]
        self.vaddr, self._data = self._locate()
        self._is_120 = int.from_bytes(self._data[:4], "little") == MAGIC_120
        (
            self.function_count,
            _files,
            _text,
            self._names,
            self._compilation_units,
            self._files,
            self._pcdata,
            self._functab,
        ) = (int(value) for value in np.frombuffer(self._data[8:HEADER_SIZE], "<u8"))
        self._check_header()
        self.text, self.moduledata = self._find_text()

    # --- where it is -------------------------------------------------------------------------------------------------

    def _locate(self) -> tuple[int, bytes]:
        for name in SECTION_NAMES:
            section = self._image.sections.get(name)
            if section is not None and section.size >= HEADER_SIZE:
                data = self._image.section_bytes(section)
                if self._is_header(data):
                    return section.vaddr, data
        for magic in (MAGIC_120, MAGIC_118):
            pattern = magic.to_bytes(4, "little") + bytes((0, 0, self._quantum, 8))
            for vaddr in self._image.find_all(pattern, alignment=8):
                data = self._image.read_to_segment_end(vaddr)
                if self._is_header(data):
                    return vaddr, data
        raise UnsupportedBinaryError(
            "no pclntab of Go 1.18 or newer: the program is older, packed (unpack it first) or obfuscated"
        )

    def _is_header(self, data: bytes) -> bool:
        if len(data) < HEADER_SIZE or int.from_bytes(data[:4], "little") not in (MAGIC_118, MAGIC_120):
            return False
        count, _files, _text, *offsets = (int(value) for value in np.frombuffer(data[8:HEADER_SIZE], "<u8"))
        return (
            data[4:8] == bytes((0, 0, self._quantum, 8))
            and 0 < count < MAX_FUNCTIONS
            and HEADER_SIZE <= offsets[0] <= offsets[1] <= offsets[2] <= offsets[3] <= offsets[4] < len(data)
        )

    def _check_header(self) -> None:
        need = self._functab + self.function_count * 8 + 4
        if need > len(self._data):
            raise MalformedBinaryError(
                f"the pclntab at {self.vaddr:#x} claims {self.function_count} functions, which need {need} bytes; "
                f"it has {len(self._data)}"
            )
        offsets = self._functab_columns[0]
        if np.any(offsets[1:] < offsets[:-1]):
            raise MalformedBinaryError(f"the functions in the pclntab at {self.vaddr:#x} are not in order")

    @cached_property
    def _functab_columns(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """(entry offsets int64[n + 1], _func offsets int64[n]), both as the table has them."""
        count = self.function_count
        words = np.frombuffer(self._data, "<u4", count * 2 + 1, self._functab).astype(np.int64)
        return words[::2], words[1::2]

    def _find_text(self) -> tuple[int, int]:
        """(runtime.text, address of runtime.firstmoduledata or 0).

        Up to Go 1.25 the header has text in textStart; from 1.26 that field is 0 and only the moduledata knows.
        """
        end = int(self._functab_columns[0][-1])
        from_header = self._image.pointer(self.vaddr + 24)
        for candidate in self._image.pointers_to(self.vaddr):
            text = self._text_of_moduledata(candidate)
            if text is not None and from_header in (0, text):
                self._image.segment_at(text)
                return text, candidate
        if from_header:
            self._image.segment_at(from_header + max(end - 1, 0))
            return from_header, 0
        raise UnsupportedBinaryError(
            f"the pclntab at {self.vaddr:#x} names no text address, and no moduledata that points to it was found"
        )

    def _text_of_moduledata(self, vaddr: int) -> int | None:
        try:
            ftab = self._image.pointer(vaddr + MODULEDATA_FTAB)
            count = int.from_bytes(self._image.read(vaddr + MODULEDATA_FTAB + 8, 8), "little")
            text = self._image.pointer(vaddr + MODULEDATA_TEXT)
            end = self._image.pointer(vaddr + MODULEDATA_ETEXT)
        except MalformedBinaryError:
            return None
        is_ours = ftab == self.vaddr + self._functab and count == self.function_count + 1
        return text if is_ours and text < end else None

    # --- functions ---------------------------------------------------------------------------------------------------

    @cached_property
    def _name_offsets(self) -> npt.NDArray[np.int64]:
        """_func.nameOff of every function, int64[n]; -1 where the _func lies outside the table."""
        starts = self._functab_columns[1] + self._functab
        valid = starts + 8 <= len(self._data)
        raw = np.frombuffer(self._data, np.uint8)
        safe = np.where(valid, starts, 0)[:, None] + np.arange(4, 8)
        offsets = raw[safe].view("<i4").reshape(-1).astype(np.int64)
        return np.where(valid, offsets, -1)

    def _string(self, start: int) -> str:
        if not 0 <= start < len(self._data):
            raise MalformedBinaryError(f"a name in the pclntab lies at offset {start}, outside the table")
        end = self._data.find(b"\0", start, start + MAX_NAME)
        if end < 0:
            raise MalformedBinaryError(f"a name at offset {start} of the pclntab is longer than {MAX_NAME} bytes")
        return self._data[start:end].decode("utf-8", "replace")

    def _function_at(self, index: int) -> Function:
        entries = self._functab_columns[0]
        name_offset = int(self._name_offsets[index])
        name = self._string(self._names + name_offset) if name_offset >= 0 else ""
        return Function(name, self.text + int(entries[index]), self.text + int(entries[index + 1]))

    def find(self, name: str) -> Function | None:
        """The function of that full name, such as "runtime.newproc1"; None when the binary has none or several."""
        needle = b"\0" + name.encode() + b"\0"
        position = self._data.find(needle, max(self._names - 1, 0), self._compilation_units)
        if position < 0:
            return None
        indices = np.flatnonzero(self._name_offsets == position + 1 - self._names)
        return self._function_at(int(indices[0])) if len(indices) == 1 else None

    def _index_of(self, pc: int) -> int | None:
        entries = self._functab_columns[0]
        index = int(np.searchsorted(entries, pc - self.text, "right")) - 1
        return index if 0 <= index < self.function_count and pc < self.text + int(entries[-1]) else None

    def function_of(self, pc: int) -> Function | None:
        """The function whose code holds an address; None outside Go code."""
        index = self._index_of(pc)
        return None if index is None else self._function_at(index)

    # --- files and lines ---------------------------------------------------------------------------------------------

    def location_of(self, pc: int) -> Location | None:
        """Function, file and line of an instruction's address; None outside Go code (runtime.funcline).

        For a return address ask for the address less one: the call is what has the line.
        """
        return self._location_of(pc)

    @lru_cache(maxsize=65_536)  # noqa: B019  # one instance per binary, evicted together with it
    def _location_of(self, pc: int) -> Location | None:
        index = self._index_of(pc)
        if index is None:
            return None
        function = self._function_at(index)
        start = self._functab + int(self._functab_columns[1][index])
        if start + 36 > len(self._data):
            raise MalformedBinaryError(f"the description of {function.name} lies outside the pclntab")
        pcfile, pcln = (int.from_bytes(self._data[start + i : start + i + 4], "little") for i in (20, 24))
        unit = int.from_bytes(self._data[start + 32 : start + 36], "little")
        file_index = self._pc_value(pcfile, function.entry, pc)
        line = self._pc_value(pcln, function.entry, pc)
        return Location(function.name, self._file(unit, file_index), max(line, 0))

    def _file(self, unit: int, index: int) -> str:
        position = self._compilation_units + (unit + index) * 4
        if index < 0 or position + 4 > self._files:
            return "?"
        offset = int.from_bytes(self._data[position : position + 4], "little")
        return "?" if offset == 0xFFFFFFFF else self._string(self._files + offset)

    def _pc_value(self, table: int, entry: int, target: int) -> int:
        """Value of a pc-value table at an address; -1 when it has none (runtime.pcvalue)."""
        if table == 0:
            return -1
        ends, values = self._pc_values(table)
        index = bisect.bisect_right(ends, target - entry)
        return values[index] if index < len(values) else -1

    @lru_cache(maxsize=8_192)  # noqa: B019  # one instance per binary, evicted together with it
    def _pc_values(self, table: int) -> tuple[list[int], list[int]]:
        """A decoded pc-value table: values[i] holds below pc offset ends[i] (and from ends[i - 1])."""
        position = self._pcdata + table
        ends: list[int] = []
        values: list[int] = []
        pc, value = 0, -1
        for _ in range(MAX_STEPS):
            delta, position = self._uvarint(position)
            if delta == 0 and ends:
                return ends, values
            value += -(delta >> 1) - 1 if delta & 1 else delta >> 1
            step, position = self._uvarint(position)
            pc += step * self._quantum
            ends.append(pc)
            values.append(value)
        raise MalformedBinaryError(f"the pc-value table at {table} does not end within {MAX_STEPS} steps")

    def _uvarint(self, position: int) -> tuple[int, int]:
        value = 0
        for shift in range(0, 35, 7):
            if position >= len(self._data):
                break
            byte = self._data[position]
            position += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value, position
        raise MalformedBinaryError(f"a variable-length number at offset {position} of the pclntab does not end")
