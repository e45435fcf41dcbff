"""Structures of a Go process as this process itself pretends to have them: whatever a hostile one could write."""

import os
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import numpy as np
from gosonde_agent.golang.buildinfo import GoVersion
from gosonde_agent.golang.layouts import layout_of
from gosonde_agent.sources.memory.proof import Addresses
from gosonde_agent.sources.memory.reachability.limits import Limits, Meter
from gosonde_agent.sources.memory.reachability.objects import HeapMap
from gosonde_agent.sources.memory.reachability.spans import PAGE, SpanReader, Spans
from gosonde_agent.sources.memory.reader import ProcessMemory
from gosonde_agent.sources.memory.runtime import Runtime

ROOM = 1 << 22
VARIABLES = ("allgs", "allglen", "allp", "sched", "memstats", "controller", "t_end", "init_time")
NEWEST = GoVersion(27, 3)


class FakeProcess:
    """Room for structures and for pages of a heap; `mheap` is where runtime.mheap_ is."""

    def __init__(self, version: GoVersion = NEWEST) -> None:
        self.layout = layout_of(version)
        self._room = np.zeros(ROOM, np.uint8)
        self._next = (self._room.ctypes.data + PAGE - 1) // PAGE * PAGE
        self.spans: list[int] = []
        self.addresses: dict[str, int] = {}
        self.mheap = self.room(self.layout.size("mheap"))

    def room(self, size: int, alignment: int = 8) -> int:
        """The address of so many bytes of zeros."""
        address = (self._next + alignment - 1) // alignment * alignment
        self._next = address + size
        assert self._next <= self._room.ctypes.data + ROOM
        return address

    def write(self, address: int, value: int, size: int = 8) -> None:
        """A number at an address."""
        at = address - self._room.ctypes.data
        self._room[at : at + size] = np.frombuffer(value.to_bytes(size, "little"), np.uint8)

    def fill(self, structure: str, values: Mapping[str, int], sizes: Mapping[str, int] | None = None) -> int:
        """The address of a new structure with these fields, of 8 bytes or of the sizes given."""
        address = self.room(self.layout.size(structure))
        for name, value in values.items():
            self.write(address + self.layout.offset(structure, name), value, (sizes or {}).get(name, 8))
        return address

    def pointers(self, *values: int) -> int:
        """The address of an array."""
        address = self.room(8 * len(values))
        for index, value in enumerate(values):
            self.write(address + 8 * index, value)
        return address

    def span(self, element: int, pages: int = 1, *, noscan: int = 0, start: int = 0, **fields: int) -> int:
        """A span whose objects are all in use; the address of its first object."""
        start = start or self.room(pages * PAGE, PAGE)
        count = pages * PAGE // element
        values = {"startAddr": start, "npages": pages, "elemsize": element, "nelems": count, "freeindex": count}
        values |= {"state": 1, "spanclass": noscan} | fields
        sizes = {"nelems": 2, "freeindex": 2, "state": 1, "spanclass": 1}
        self.spans.append(self.fill("mspan", values, sizes))
        return start

    def list_spans(self) -> None:
        """Lets runtime.mheap_.allspans have the spans that were made so far."""
        header = (self.pointers(*self.spans), len(self.spans), len(self.spans))
        for index, value in enumerate(header):
            self.write(self.mheap + self.layout.offset("mheap", "allspans") + 8 * index, value)

    def heap(self, limits: Limits | None = None) -> HeapMap:
        """What is read of the spans."""
        self.list_spans()
        return HeapMap(self.read_spans(limits), Meter(limits or Limits()))

    def read_spans(self, limits: Limits | None = None) -> Spans:
        """As the product reads them."""
        return SpanReader(self.runtime, self.mheap).read(Meter(limits or Limits()))

    @property
    def memory(self) -> ProcessMemory:
        """Its memory."""
        return self._memory

    @property
    def runtime(self) -> Runtime:
        """To read it by."""
        places = dict.fromkeys(VARIABLES, 0) | self.addresses
        addresses = Addresses(by="symbols", wait_reasons=(0, 0), unproved={}, **places)
        return Runtime(self._memory, 0, addresses, self.layout)

    def __enter__(self) -> Self:
        self._memory = ProcessMemory(os.getpid())
        self._memory.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._memory.__exit__(kind, error, at)
