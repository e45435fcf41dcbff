"""How many goroutines a process has, again and again: a few small reads, where what is read was proved once."""

import struct

from gosonde_agent.sources.memory.errors import ImplausibleMemoryError
from gosonde_agent.sources.memory.proof import MAX_GOROUTINES
from gosonde_agent.sources.memory.reader import ProcessMemory
from gosonde_agent.sources.memory.runtime import Runtime
from gosonde_agent.sources.memory.totals import free_lists

#: Each P is read by itself. Of a process with more of them its memory is read as a whole alone.
MAX_PROCESSORS = 1_024
#: runtime.allp: a slice.
SLICE = struct.Struct("<QQQ")


class GoroutineLists:
    """Where the lists of goroutines are whose lengths say how many live."""

    def __init__(self, runtime: Runtime) -> None:
        """Of a process whose runtime was proved just now.

        Raises:
            NotLocatedError: The scheduler's variables were not.
        """
        addresses, bias = runtime.addresses, runtime.bias
        addresses.require("allp", "sched")
        offsets, self._free_of_p = free_lists(runtime.layout)
        self._free = [addresses.sched + bias + offset for offset in offsets]
        self._allglen, self._allp = addresses.allglen + bias, addresses.allp + bias

    def count(self, memory: ProcessMemory) -> tuple[int, int]:
        """How many live, the runtime's own among them, within what comes and goes meanwhile; and how many Ps there are.

        In a program with cgo it counts the g of each thread that C made, too.

        Raises:
            ImplausibleMemoryError: What is there cannot be a runtime's, or has too many Ps.
            GosondeError: The process has ended, or runs another program.
        """
        unused = sum(_length(memory, place) for place in self._free)
        count, processors = self._processors(memory)
        unused += sum(_length(memory, processor + self._free_of_p) for processor in processors if processor)
        known = int.from_bytes(memory.read(self._allglen, 8), "little")
        if known > MAX_GOROUTINES or not 0 <= known - unused <= known:
            raise ImplausibleMemoryError(f"process {memory.pid} claims {known} goroutines, {unused} unused")
        return known - unused, count

    def _processors(self, memory: ProcessMemory) -> tuple[int, tuple[int, ...]]:
        """GOMAXPROCS, and where its Ps are, with those that a higher one has left."""
        pointer, count, capacity = SLICE.unpack(memory.read(self._allp, SLICE.size))
        if not 0 < count <= capacity <= MAX_PROCESSORS:
            raise ImplausibleMemoryError(f"process {memory.pid} claims {count} Ps, and room for {capacity}")
        return count, struct.unpack(f"<{capacity}Q", memory.read(pointer, 8 * capacity))


class LiveCounter:
    """Counts the goroutines of one process image, all together. Close it when it is not needed any more.

    It keeps the process's memory open. That is of the address space in which the runtime's variables were proved: after
    an exec there is nothing to read.
    """

    def __init__(self, runtime: Runtime) -> None:
        """Of a process whose runtime was proved just now.

        Raises:
            NotLocatedError: The scheduler's variables were not.
            UnreadableFileError: No further file can be open.
        """
        self._lists = GoroutineLists(runtime)
        self._memory = runtime.memory.kept()

    def close(self) -> None:
        """Nothing is counted any more."""
        self._memory.close()

    def count(self) -> int:
        """The goroutines that live: see GoroutineLists.

        Raises:
            GosondeError: As `GoroutineLists.count`.
        """
        return self._lists.count(self._memory)[0]


def _length(memory: ProcessMemory, address: int) -> int:
    return int.from_bytes(memory.read(address, 4), "little", signed=True)
