"""Go's table of functions, files and lines (runtime/symtab.go: functab, _func, inlinedCall), which no strip removes.

Everything gosonde asks of a binary's symbols comes from here, so a stripped binary is no special case. The table stays
in the file: only its index of functions is kept in memory (8 bytes a function), and what was asked for last.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from gosonde_common.values.goroutines import Location

from gosonde_agent.golang.bounded import BoundedCache
from gosonde_agent.golang.elf import ElfImage
from gosonde_agent.golang.function_records import ABSENT, FunctionDetails, FunctionRecords
from gosonde_agent.golang.layouts import Layout
from gosonde_agent.golang.pc_values import PcValues
from gosonde_agent.golang.pclntab_header import (
    QUANTUM,
    Header,
    Module,
    find_pclntab,
)
from gosonde_agent.golang.region import Region
from gosonde_agent.model.errors import MalformedBinaryError, UnsupportedBinaryError

MAX_NAME = 4_096
MAX_INLINE_DEPTH = 1_024
MAX_KEPT = 8_192
MAX_INLINE_TREE = 1 << 20

PCDATA_INLINE_INDEX = 2
FUNCDATA_INLINE_TREE = 3

U32 = np.dtype("<u4")
U64 = np.dtype("<u8")

_Index = npt.NDArray[np.uint32] | npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Function:
    """A function as the linker laid it out: code from `entry` up to `end` (link-time addresses)."""

    name: str
    entry: int
    end: int


def printed_name(name: str) -> str:
    """A function's name as the runtime prints it (runtime.funcNameForPrint)."""
    begin, end = name.find("["), name.rfind("]")
    return f"{name[:begin]}[...]{name[end + 1 :]}" if 0 <= begin < end else name


class Pclntab:
    """The pclntab of one binary; `place` says where it is when that is known.

    Raises:
        UnsupportedBinaryError: There is none that is understood (Go older than 1.16, packed, or not Go).
        MalformedBinaryError: It contradicts itself.
    """

    def __init__(self, image: ElfImage, layout: Layout, place: tuple[Header, Module] | None = None) -> None:
        self._image = image
        self._layout = layout
        self.header, self.module = place or find_pclntab(image, layout.fields("moduledata").get("gofunc"))
        header = self.header
        self._region = Region(image, header.vaddr, header.available)
        self._pc_values = PcValues(self._region, header.pctab, header.functab, QUANTUM[image.architecture])
        self._form = header.format
        self._records = FunctionRecords(self._region, header.format, header.vaddr)
        self._details: BoundedCache[int, FunctionDetails] = BoundedCache(MAX_KEPT)
        self._locations: BoundedCache[int, Location] = BoundedCache(MAX_KEPT)
        self._inlined: BoundedCache[tuple[int, int], tuple[int, int, int]] = BoundedCache(MAX_KEPT)
        #: What entries are relative to.
        self._base = 0 if header.format.is_absolute else self.module.text
        self._entries, self._starts = self._read_index()
        if np.any(self._entries[1:] < self._entries[:-1]):
            raise MalformedBinaryError(f"the functions in the pclntab at {header.vaddr:#x} are not in order")

    def _read_index(self) -> tuple[_Index, _Index]:
        """(where each function begins and the last one ends, relative to the base; offset of each one's _func)."""
        header, width = self.header, self._form.width
        data = self._region.whole(header.functab, (2 * header.function_count + 1) * width)
        table = np.frombuffer(data, U64 if self._form.is_absolute else U32)
        if self._form.is_absolute and int(table[0]) != self.module.text:
            raise UnsupportedBinaryError("a position-independent program of Go 1.17: rebuild it with a newer Go")
        return np.ascontiguousarray(table[::2]), np.ascontiguousarray(table[1::2])

    @property
    def vaddr(self) -> int:
        """Where the table is."""
        return self.header.vaddr

    @property
    def architecture(self) -> str:
        """The machine's, as Go names it."""
        return self._image.architecture

    @property
    def text(self) -> int:
        """runtime.text: where Go code begins."""
        return self.module.text

    @property
    def moduledata(self) -> int:
        """Where runtime.firstmoduledata is."""
        return self.module.vaddr

    @property
    def function_count(self) -> int:
        """How many functions it has."""
        return self.header.function_count

    @property
    def entries(self) -> npt.NDArray[np.uint64]:
        """Where each function begins and, last, where the last one ends: uint64[function_count + 1], sorted."""
        return self._entries.astype(np.uint64) + np.uint64(self._base)

    # --- functions ---------------------------------------------------------------------------------------------------

    @cached_property
    def _name_offsets(self) -> npt.NDArray[np.int32]:
        """_func.nameOff of every function, int32[n]; -1 where the _func lies outside the table."""
        size = self._region.size - self.header.functab
        inside = self._starts <= size - self._form.func_size
        starts = np.where(inside, self._starts, 0).astype(np.int64)
        needed = int(starts.max(initial=0)) + self._form.func_size
        raw = np.frombuffer(self._region.whole(self.header.functab, min(needed, size)), np.uint8)
        starts += self._form.width
        if not np.any(starts % 4):
            words = raw[: len(raw) // 4 * 4].view("<i4")
            return np.where(inside, words[starts // 4], -1).astype(np.int32)
        offsets = raw[starts[:, None] + np.arange(4)].view("<i4").reshape(-1)
        return np.where(inside, offsets, -1).astype(np.int32)

    def _name(self, offset: int) -> str:
        if not 0 <= offset < self.header.units - self.header.names:
            raise MalformedBinaryError(f"a function's name lies at offset {offset}, outside the table of names")
        return self._region.string(self.header.names + offset, MAX_NAME)

    def _function_at(self, index: int) -> Function:
        name = self._name(int(self._name_offsets[index]))
        return Function(name, *self._span(index))

    def _span(self, index: int) -> tuple[int, int]:
        """Where a function begins and ends."""
        return self._base + int(self._entries[index]), self._base + int(self._entries[index + 1])

    def find(self, name: str) -> Function | None:
        """The function of that full name, such as "runtime.newproc1"; None when the binary has none or several."""
        needle = b"\0" + name.encode() + b"\0"
        position = self._region.find(needle, self.header.names - 1, self.header.units)
        if position < 0:
            return None
        indices = np.flatnonzero(self._name_offsets == position + 1 - self.header.names)
        return self._function_at(int(indices[0])) if len(indices) == 1 else None

    def _index_of(self, pc: int) -> int | None:
        kind, offset = self._entries.dtype, pc - self._base
        if not 0 <= offset < 1 << 8 * kind.itemsize:
            return None
        index = int(np.searchsorted(self._entries, kind.type(offset), "right")) - 1
        return index if 0 <= index < self.function_count else None

    def function_of(self, pc: int) -> Function | None:
        """The function whose code holds an address; None outside Go code."""
        details = self.details_of(pc)
        return None if details is None else Function(details.name, details.entry, details.end)

    def details_of(self, pc: int) -> FunctionDetails | None:
        """All that is known of the function whose code holds an address; None outside Go code."""
        index = self._index_of(pc)
        return None if index is None else self._details.get(index, self._read_details)

    def _read_details(self, index: int) -> FunctionDetails:
        place = self.header.functab + int(self._starts[index])
        return self._records.read(place, *self._span(index), self._name)

    def code_of(self, details: FunctionDetails) -> bytes:
        """The function's machine code, and the padding behind it.

        Raises:
            MalformedBinaryError: It lies outside the file.
        """
        return self._image.read(details.entry, details.end - details.entry)

    def funcdata(self, details: FunctionDetails, number: int, offset: int, size: int) -> bytes | None:
        """`size` bytes from `offset` on of a function's FUNCDATA table; None when it has none of that number.

        Raises:
            MalformedBinaryError: They lie outside the file.
        """
        table = details.funcdata[number] if number < len(details.funcdata) else ABSENT
        if table == ABSENT or self.module.gofunc is None:
            return None
        return self._image.read(self.module.gofunc + table + offset, size)

    def pc_value(self, table: int, entry: int, pc: int) -> int:
        """Value of a pc-value table, such as `FunctionDetails.pcsp`, at an address of the function at `entry`.

        -1 when the table has none there (runtime.pcvalue).
        """
        return self._pc_values.value(table, pc - entry)

    # --- files, lines and inlining -----------------------------------------------------------------------------------

    def location_of(self, pc: int) -> Location | None:
        """Function, file and line of an instruction's address; None outside Go code (runtime.funcline).

        The function is the one that the linker knows; file and line are of what may be inlined into it. For a return
        address ask for the address less one: the call is what has the line.
        """
        details = self.details_of(pc)
        return None if details is None else self._location(details, details.name, pc)

    def frames_of(self, pc: int, callee_func_id: int = 0) -> tuple[Location, ...]:
        """The calls that are inlined at an instruction's address, innermost first, then the function itself.

        For a return address ask for the address less one. Wrappers that the compiler made are left out where the
        runtime leaves them out, so the result can be empty; it is also empty outside Go code.

        Args:
            callee_func_id: func_id of the function that the instruction calls, when it is known.

        Raises:
            MalformedBinaryError: The table contradicts itself.
        """
        details = self.details_of(pc)
        if details is None:
            return ()
        frames: list[Location] = []
        callee, at = callee_func_id, pc
        for _ in range(MAX_INLINE_DEPTH):
            call = self._inlined_call_at(details, at)
            func_id, name = (details.func_id, details.name) if call is None else (call[0], self._name(call[1]))
            if not self._is_elided(func_id, callee):
                frames.append(self._location(details, name, at))
            if call is None:
                return tuple(frames)
            callee, at = func_id, details.entry + call[2]
            if not details.entry <= at < details.end:
                raise MalformedBinaryError(f"a call inlined into {details.name} claims to be made outside of it")
        raise MalformedBinaryError(f"calls inlined into {details.name} nest deeper than {MAX_INLINE_DEPTH}")

    def inlined_into(self, details: FunctionDetails) -> frozenset[str]:
        """Names of the functions that the compiler inlined into one, at any depth.

        Raises:
            MalformedBinaryError: The table contradicts itself.
        """
        if len(details.pcdata) <= PCDATA_INLINE_INDEX or len(details.funcdata) <= FUNCDATA_INLINE_TREE:
            return frozenset()
        tree = details.funcdata[FUNCDATA_INLINE_TREE]
        if tree == ABSENT or self.module.gofunc is None:
            return frozenset()
        # Calls that others are inlined into stand before those in the tree.
        last = max(self._pc_values.values(details.pcdata[PCDATA_INLINE_INDEX]), default=-1)
        if last >= MAX_INLINE_TREE:
            raise MalformedBinaryError(f"{details.name} claims more than {MAX_INLINE_TREE} inlined calls")
        base = self.module.gofunc + tree
        return frozenset(
            self._name(self._inlined.get((base, index), self._read_inlined_call)[1]) for index in range(last + 1)
        )

    def _is_elided(self, func_id: int, callee: int) -> bool:
        ids = self._layout.func_ids
        return func_id == ids["wrapper"] and callee not in (ids["gopanic"], ids["sigpanic"], ids["panicwrap"])

    def _inlined_call_at(self, details: FunctionDetails, pc: int) -> tuple[int, int, int] | None:
        """(func_id, offset of the name, offset of the call) of the innermost call that is inlined at an address."""
        if len(details.pcdata) <= PCDATA_INLINE_INDEX or len(details.funcdata) <= FUNCDATA_INLINE_TREE:
            return None
        tree = details.funcdata[FUNCDATA_INLINE_TREE]
        index = self.pc_value(details.pcdata[PCDATA_INLINE_INDEX], details.entry, pc)
        if tree == ABSENT or index < 0 or self.module.gofunc is None:
            return None
        if index >= MAX_INLINE_TREE:
            raise MalformedBinaryError(f"{details.name} claims more than {MAX_INLINE_TREE} inlined calls")
        return self._inlined.get((self.module.gofunc + tree, index), self._read_inlined_call)

    def _read_inlined_call(self, key: tuple[int, int]) -> tuple[int, int, int]:
        tree, index = key
        size, func_id, name, parent = self._form.inlined_call
        data = self._image.read(tree + index * size, size)
        return (
            data[func_id],
            int.from_bytes(data[name : name + 4], "little", signed=True),
            int.from_bytes(data[parent : parent + 4], "little", signed=True),
        )

    def _location(self, details: FunctionDetails, name: str, pc: int) -> Location:
        file = self.pc_value(details.pcfile, details.entry, pc)
        line = self.pc_value(details.pcln, details.entry, pc)
        return Location(printed_name(name), self._file(details.unit, file), max(line, 0))

    def _file(self, unit: int, index: int) -> str:
        header = self.header
        position = header.units + (unit + index) * 4
        if index < 0 or position + 4 > header.files:
            return "?"
        offset = self._region.u32(position)
        if offset == ABSENT:
            return "?"
        if header.files + offset >= header.pctab:
            raise MalformedBinaryError(f"a file's name lies at offset {offset}, outside the table of files")
        return self._region.string(header.files + offset, MAX_NAME)
