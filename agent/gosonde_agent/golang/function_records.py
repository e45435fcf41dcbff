"""The record of each function in pclntab (runtime._func), with the tables of data that belong to it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gosonde_agent.golang.pclntab_header import Format
from gosonde_agent.golang.region import Region
from gosonde_agent.model.errors import MalformedBinaryError

MAX_DATA_TABLES = 1_024
#: Stands for a FUNCDATA table that a function does not have.
ABSENT = 0xFFFFFFFF

U32 = np.dtype("<u4")
U64 = np.dtype("<u8")


@dataclass(frozen=True, slots=True)
class FunctionDetails:
    """A runtime._func.

    Attributes:
        args: Size of the arguments in bytes, as the runtime has it (0x80000000: not known).
        pcsp, pcfile, pcln: Tables for `Pclntab.pc_value`; 0 for none.
        unit: Where its compilation unit's files begin.
        func_id: runtime.funcID, which versions number differently: see Layout.func_ids.
        flag: abi.FuncFlag: 1 top frame, 2 writes SP, 4 assembly.
        pcdata: Tables by PCDATA number.
        funcdata: Offsets from Module.gofunc by FUNCDATA number; 0xFFFFFFFF for none.
    """

    name: str
    entry: int
    end: int
    args: int
    pcsp: int
    pcfile: int
    pcln: int
    unit: int
    func_id: int
    flag: int
    pcdata: tuple[int, ...]
    funcdata: tuple[int, ...]


class FunctionRecords:
    """Reads them; `vaddr` is the link-time address of the region."""

    def __init__(self, region: Region, form: Format, vaddr: int) -> None:
        self._region, self._form, self._vaddr = region, form, vaddr
        #: A _func begins with its entry; the words that are read begin with the last one of it.
        self._skipped = form.width - 4

    def read(self, place: int, entry: int, end: int, name: Callable[[int], str]) -> FunctionDetails:
        """The record at a place of the region; `name` reads a name by its offset.

        Raises:
            MalformedBinaryError: It contradicts itself.
        """
        data = self._region.read(place, self._form.func_size)
        words = np.frombuffer(data, U32, 9, self._skipped).tolist()
        func_id, flag, _padding, funcdata_count = data[-4:]
        pcdata_count = words[7]
        if pcdata_count > MAX_DATA_TABLES:
            raise MalformedBinaryError(f"the function at {entry:#x} claims {pcdata_count} tables")
        pcdata_at = place + self._form.func_size
        pcdata = self._region.read(pcdata_at, pcdata_count * 4)
        return FunctionDetails(
            name=name(words[1]),
            entry=entry,
            end=end,
            args=words[2],
            pcsp=words[4],
            pcfile=words[5],
            pcln=words[6],
            unit=words[8],
            func_id=func_id,
            flag=flag,
            pcdata=tuple(np.frombuffer(pcdata, U32).tolist()),
            funcdata=self._funcdata(pcdata_at + len(pcdata), funcdata_count),
        )

    def _funcdata(self, at: int, count: int) -> tuple[int, ...]:
        if not self._form.is_absolute:
            return tuple(np.frombuffer(self._region.read(at, count * 4), U32).tolist())
        at += (self._vaddr + at) & 4
        return tuple(pointer or ABSENT for pointer in np.frombuffer(self._region.read(at, count * 8), U64).tolist())
