"""Which words of a frame hold live pointers, as the compiler says to the garbage collector.

This is runtime/stkframe.go (getStackMap; up to Go 1.20 in runtime/stack.go), for frames that wait for a call to return.
What the runtime guesses or reads from the frame itself is "not known" here.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gosonde_agent.golang.function_records import FunctionDetails
from gosonde_agent.golang.pclntab import Pclntab
from gosonde_agent.model.errors import MalformedBinaryError

PCDATA_STACK_MAP_INDEX = 1
FUNCDATA_ARGS_POINTER_MAPS = 0
FUNCDATA_LOCALS_POINTER_MAPS = 1
FUNCDATA_STACK_OBJECTS = 2
#: abi.ArgsSizeUnknown
ARGS_UNKNOWN = 0x80000000

WORD = 8
#: Words of a frame or of arguments, at most: a larger one is not understood.
MAX_WORDS = 1 << 17
#: Bitmaps of a function, at most.
MAX_MAPS = 1 << 20

#: runtime.stackObjectRecord; up to Go 1.23 a negative pointer_bytes says that gcdata is a program.
OBJECT = np.dtype([("offset", "<i4"), ("size", "<i4"), ("pointer_bytes", "<i4"), ("gcdata", "<u4")])

Bools = npt.NDArray[np.bool_]
I64 = npt.NDArray[np.int64]

NOTHING: Bools = np.zeros(0, np.bool_)
NO_OBJECTS: I64 = np.zeros((0, 3), np.int64)


@dataclass(frozen=True, slots=True)
class StackMap:
    """A frame of one function at one address of it, on amd64.

    Attributes:
        frame_bytes: From the stack pointer up to the return address, which the caller's words follow.
        args_bytes: Size of the arguments and results, which lie behind the return address; None when not known.
        locals: bool[n]: which of the n words that end below the saved frame pointer hold live pointers; None when that
            is not known.
        args: bool[m]: the same for the first m words of the arguments; None when that is not known.
        objects: int64[k, 3]: variables that pointers may lead to, each alive when a live one does: (offset in bytes,
            size, bytes from its beginning that may hold pointers). A negative offset counts from the end of the locals,
            any other from the beginning of the arguments.
    """

    frame_bytes: int
    args_bytes: int | None
    locals: Bools | None
    args: Bools | None
    objects: I64

    @property
    def locals_end(self) -> int:
        """Where the locals end, in bytes above the stack pointer (runtime.stkframe.varp less sp)."""
        return max(self.frame_bytes - WORD, 0)


class StackMaps:
    """The stack maps of one binary."""

    def __init__(self, pclntab: Pclntab) -> None:
        self._pclntab = pclntab

    def at(self, details: FunctionDetails, pc: int) -> StackMap | None:
        """The frame of a function whose execution goes on at `pc`, a return address or the function's entry.

        None when the size of the frame is not known.

        Raises:
            MalformedBinaryError: The tables contradict themselves.
        """
        frame_bytes = self._pclntab.pc_value(details.pcsp, details.entry, pc)
        if frame_bytes < 0 or frame_bytes % WORD:
            return None
        index = self._index(details, pc, frame_bytes)
        args_bytes = None if details.args >= ARGS_UNKNOWN else details.args
        return StackMap(
            frame_bytes=frame_bytes,
            args_bytes=args_bytes,
            locals=self._locals(details, index) if frame_bytes > WORD else NOTHING,
            args=self._args(details, index, args_bytes),
            objects=self._objects(details),
        )

    def _index(self, details: FunctionDetails, pc: int, frame_bytes: int) -> int | None:
        """Which of the function's bitmaps holds; None when that is not known."""
        table = details.pcdata[PCDATA_STACK_MAP_INDEX] if len(details.pcdata) > PCDATA_STACK_MAP_INDEX else 0
        index = self._pclntab.pc_value(table, details.entry, pc - 1) if pc > details.entry else -1
        if index >= 0:
            return index
        # Before its first instruction, and where it asks for a larger stack, a function has what it is entered with.
        return 0 if index == -1 and not frame_bytes else None

    def _locals(self, details: FunctionDetails, index: int | None) -> Bools | None:
        return self._bitmap(details, FUNCDATA_LOCALS_POINTER_MAPS, index)

    def _args(self, details: FunctionDetails, index: int | None, args_bytes: int | None) -> Bools | None:
        if args_bytes is None:
            return None
        return self._bitmap(details, FUNCDATA_ARGS_POINTER_MAPS, index) if args_bytes >= WORD else NOTHING

    def _bitmap(self, details: FunctionDetails, number: int, index: int | None) -> Bools | None:
        """A bitmap of a runtime.stackmap; None when there is none, or when not known which."""
        header = self._pclntab.funcdata(details, number, 0, 8)
        if header is None:
            return None
        count, bits = np.frombuffer(header, "<i4").tolist()
        if not (0 < count <= MAX_MAPS and 0 <= bits <= MAX_WORDS):
            raise MalformedBinaryError(f"{details.name} claims {count} stack maps of {bits} bits")
        if bits == 0:
            return NOTHING
        if index is None:
            return None
        if index >= count:
            raise MalformedBinaryError(f"{details.name} has {count} stack maps, and uses one of number {index}")
        size = (bits + 7) // 8
        data = self._pclntab.funcdata(details, number, 8 + index * size, size)
        return np.unpackbits(np.frombuffer(data or b"", np.uint8), count=bits, bitorder="little").astype(np.bool_)

    def _objects(self, details: FunctionDetails) -> I64:
        header = self._pclntab.funcdata(details, FUNCDATA_STACK_OBJECTS, 0, 8)
        if header is None:
            return NO_OBJECTS
        count = int.from_bytes(header, "little")
        if count > MAX_WORDS:
            raise MalformedBinaryError(f"{details.name} claims {count} variables that pointers lead to")
        data = self._pclntab.funcdata(details, FUNCDATA_STACK_OBJECTS, 8, count * OBJECT.itemsize)
        records = np.frombuffer(data or b"", OBJECT)
        columns = (records["offset"], records["size"], np.abs(records["pointer_bytes"].astype(np.int64)))
        return np.stack([column.astype(np.int64) for column in columns], axis=1)
