"""The heap of a Go process as this process itself pretends to have it: whatever a hostile one could write."""

import os
from types import TracebackType
from typing import Self

import numpy as np
from gosonde_agent.golang.buildinfo import GoVersion
from gosonde_agent.golang.layouts import layout_of
from gosonde_agent.sources.memory.proof import Addresses
from gosonde_agent.sources.memory.reader import ProcessMemory
from gosonde_agent.sources.memory.runtime import Runtime

PAGE = 8_192
ROOM = 1 << 18
#: Where the fake spans say that they are; nothing is mapped there, for objects are not read.
HEAP = 0xC0_0000_0000
SPANS = 4
GOROUTINES = 6
GOROUTINE_BYTES = 480


class FakeHeap:
    """A heap of `SPANS` spans, of which the first has the goroutines and the second one special.

    Attributes:
        mheap, allfin, cleanups: Where those variables are.
        spans, special, block, cleanup_block: Where those structures are.
    """

    def __init__(self) -> None:
        self.layout = layout_of(GoVersion(27, 3))
        self._room = np.zeros(ROOM, np.uint8)
        self._next = (self._room.ctypes.data + 7) & ~7
        self.allgs = self._place(24)
        list_of_goroutines = self._place(GOROUTINES * 8)
        self.allspans, self.list = self._place(24), self._place(SPANS * 8)
        self.mheap = self.allspans - self.layout.offset("mheap", "allspans")
        self.spans = [self._place(self.layout.size("mspan")) for _ in range(SPANS)]
        self.special = self._place(self.layout.size("special"))
        self.allfin, self.block = self._place(8), self._place(self.layout.size("finBlock"))
        self.cleanups = self._place(self.layout.size("cleanupQueue"))
        self.cleanup_block = self._place(self.layout.size("cleanupBlock"))
        for word, value in enumerate((self.list, SPANS, SPANS)):
            self.write(self.allspans + 8 * word, value)
        for word, value in enumerate((list_of_goroutines, GOROUTINES, GOROUTINES)):
            self.write(self.allgs + 8 * word, value)
        for index in range(GOROUTINES):
            self.write(list_of_goroutines + 8 * index, HEAP + index * GOROUTINE_BYTES)
        for index, span in enumerate(self.spans):
            self._fill_span(index, span)
        self.field("mspan", "specials", self.spans[1], self.special)
        self.field("special", "kind", self.special, 2, size=1)

    def _fill_span(self, index: int, span: int) -> None:
        self.write(self.list + 8 * index, span)
        values = {"startAddr": HEAP + index * PAGE, "npages": 1, "elemsize": GOROUTINE_BYTES, "allocBits": 8}
        for name, value in values.items():
            self.field("mspan", name, span, value)
        self.field("mspan", "nelems", span, PAGE // GOROUTINE_BYTES, size=2)
        self.field("mspan", "state", span, 1, size=1)

    def _place(self, size: int) -> int:
        address, self._next = self._next, self._next + (size + 7 & ~7)
        assert self._next <= self._room.ctypes.data + ROOM
        return address

    def write(self, address: int, value: int, size: int = 8) -> None:
        """A number at an address."""
        at = address - self._room.ctypes.data
        self._room[at : at + size] = np.frombuffer(value.to_bytes(size, "little"), np.uint8)

    def field(self, structure: str, name: str, address: int, value: int, size: int = 8) -> None:
        """A number in a field of the structure at an address."""
        self.write(address + self.layout.offset(structure, name), value, size)

    def __enter__(self) -> Self:
        self._memory = ProcessMemory(os.getpid())
        self._memory.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._memory.__exit__(kind, error, at)

    @property
    def runtime(self) -> Runtime:
        """To read it by."""
        addresses = Addresses(
            by="symbols",
            allgs=self.allgs,
            allglen=0,
            allp=0,
            sched=0,
            memstats=0,
            controller=0,
            t_end=0,
            init_time=0,
            wait_reasons=(0, 0),
        )
        return Runtime(self._memory, 0, addresses, self.layout)
