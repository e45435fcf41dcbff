"""A runtime with Ps and timers in the memory of the tests' own process."""

import ctypes
import os
import struct
from collections.abc import Sequence

from gosonde_agent.golang.buildinfo import parse_version
from gosonde_agent.golang.layouts import Layout, layout_of
from gosonde_agent.host.access import Direct
from gosonde_agent.sources.memory.proof import Addresses
from gosonde_agent.sources.memory.reader import ProcessMemory
from gosonde_agent.sources.memory.runtime import Runtime
from gosonde_agent.sources.memory.timers.layout import timer_layout

#: What nobody has mapped, and a time that has not come.
NOWHERE, FUTURE = 8, 1 << 60


class MadeUp:
    """Of one version of Go. Use it as a context manager."""

    def __init__(self, version: str) -> None:
        self.layout: Layout = layout_of(parse_version(f"go{version}"))
        self.at = timer_layout(self.layout)
        self.memory = ProcessMemory(os.getpid(), Direct(os.getpid()).memory(os.getpid()))
        self._kept: list[object] = []
        self.processor = self.data(bytes(self.layout.size("p")))

    def __enter__(self) -> "MadeUp":
        return self

    def __exit__(self, *_: object) -> None:
        self.memory.close()

    def data(self, content: bytes) -> int:
        """Its address."""
        self._kept.append(buffer := ctypes.create_string_buffer(content, len(content)))
        return ctypes.addressof(buffer)

    def words(self, *content: int) -> int:
        """The address of some words."""
        return self.data(struct.pack(f"<{len(content)}Q", *content))

    def write(self, address: int, size: int, value: int) -> None:
        """Changes a number."""
        ctypes.memmove(address, value.to_bytes(size, "little"), size)

    def timer(self, state: int, when: int = FUTURE, *, owner: int | None = None, moved: int = 0) -> int:
        """The address of a runtime.timer, which is in the heap of the P unless it says something else."""
        at = self.data(bytes(self.at.size))
        self.write(at + self.at.owner, 8, self.processor + self.at.owned if owner is None else owner)
        self.write(at + self.at.state, 1, state)
        self.write(at + self.at.when, 8, when)
        if moved:
            self.write(at + self.at.moved, 8, moved)
        return at

    def heap(self, timers: Sequence[int], *, length: int | None = None, room: int | None = None) -> None:
        """Gives the P a heap with these timers, or one that claims another length."""
        between = (0,) * (self.at.entry // 8 - 1)
        array = self.words(*(word for timer in timers for word in (timer, *between)), 0)
        length = len(timers) if length is None else length
        for offset, value in ((0, array), (8, length), (16, length if room is None else room)):
            self.write(self.processor + self.at.heap + offset, 8, value)

    def runtime(self) -> Runtime:
        """What reads it."""
        allp = self.words(self.words(self.processor), 1, 1)
        return Runtime(self.memory, 0, Addresses("symbols", 0, 0, allp, *(0,) * 5, (0, 0)), self.layout)
