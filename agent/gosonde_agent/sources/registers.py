"""What a source that stops threads says of their registers to one that reads memory."""

from collections.abc import Mapping
from typing import NamedTuple


class ThreadRegisters(NamedTuple):
    """Of one thread of amd64: which instruction is next, where its stack is, and where its own variables end."""

    pc: int
    sp: int
    fs_base: int


#: By the number that the process itself knows a thread by.
Registers = Mapping[int, ThreadRegisters]
