"""Functions that no compiler made, with the stack maps that a test wants them to have."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gosonde_agent.golang.function_records import ABSENT, FunctionDetails
from gosonde_agent.model.errors import MalformedBinaryError

SIZE = 0x100
SP_TABLE, INDEX_TABLE = 1, 2


def bitmaps(*maps: str) -> bytes:
    """A runtime.stackmap; each map has a digit for each word."""
    header = struct.pack("<ii", len(maps), len(maps[0]))
    return header + b"".join(_bits(digits) for digits in maps)


def _bits(digits: str) -> bytes:
    return int(digits[::-1] or "0", 2).to_bytes((len(digits) + 7) // 8, "little")


def variables(*records: tuple[int, int, int]) -> bytes:
    """What FUNCDATA_StackObjects has: (offset, size, bytes that may hold pointers) each."""
    rows = b"".join(struct.pack("<iiiI", *record, 0) for record in records)
    return struct.pack("<Q", len(records)) + rows


@dataclass(frozen=True)
class MadeUp:
    """A function: its name, the bytes of its frame, the number of the map in use, and its FUNCDATA by number."""

    name: str
    frame_bytes: int = 0
    index: int = 0
    args: int = 0
    funcdata: Mapping[int, bytes] = field(default_factory=dict)
    flag: int = 0


class MadeUpCode:
    """What of a Pclntab stack maps are read from; function i begins at `entry(i)`."""

    architecture = "amd64"

    def __init__(self, functions: Sequence[MadeUp]) -> None:
        self._functions = functions

    @staticmethod
    def entry(index: int) -> int:
        return 0x401000 + index * SIZE

    def details_of(self, pc: int) -> FunctionDetails | None:
        index = (pc - 0x401000) // SIZE
        if not 0 <= index < len(self._functions):
            return None
        made_up = self._functions[index]
        count = max(made_up.funcdata, default=-1) + 1
        return FunctionDetails(
            name=made_up.name,
            entry=self.entry(index),
            end=self.entry(index + 1),
            args=made_up.args,
            pcsp=SP_TABLE,
            pcfile=0,
            pcln=0,
            unit=0,
            func_id=0,
            flag=made_up.flag,
            pcdata=(0, INDEX_TABLE),
            funcdata=tuple(number if number in made_up.funcdata else ABSENT for number in range(count)),
        )

    def pc_value(self, table: int, entry: int, _pc: int) -> int:
        made_up = self._functions[(entry - 0x401000) // SIZE]
        return made_up.frame_bytes if table == SP_TABLE else made_up.index

    def funcdata(self, details: FunctionDetails, number: int, offset: int, size: int) -> bytes | None:
        tables = self._functions[(details.entry - 0x401000) // SIZE].funcdata
        if number not in tables:
            return None
        data = tables[number][offset : offset + size]
        if len(data) != size:
            raise MalformedBinaryError("outside the file")
        return data
