"""Which contexts something alive still holds, and whether anybody is left who can cancel them.

Who holds a context as an interface cannot cancel it: only its CancelFunc can, a closure of package context that points
to it. So where no other pointer to it is left than in interfaces, and in the closure that its own deadline calls, the
CancelFunc is forgotten.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from gosonde_agent.golang.pclntab import Pclntab
from gosonde_agent.golang.unwind import Unwinder
from gosonde_agent.model.errors import MalformedBinaryError
from gosonde_agent.sources.memory.contexts.references import NOBODY, References
from gosonde_agent.sources.memory.goroutines import WAITING
from gosonde_agent.sources.memory.reachability.bitmap import Bitmap
from gosonde_agent.sources.memory.reachability.headers import Goroutines, HeaderReader
from gosonde_agent.sources.memory.reachability.heap_pass import pointerful
from gosonde_agent.sources.memory.reachability.limits import Meter
from gosonde_agent.sources.memory.reachability.objects import HeapMap
from gosonde_agent.sources.memory.reachability.processors import Processors
from gosonde_agent.sources.memory.reachability.regions import RegionReader
from gosonde_agent.sources.memory.reachability.rows import I64, U64, Bools, among, distinct, words
from gosonde_agent.sources.memory.reachability.search import Ground, Search
from gosonde_agent.sources.memory.reachability.suspects import Suspects
from gosonde_agent.sources.memory.runtime import Runtime
from gosonde_agent.sources.memory.stacks import StackWords

PACKAGE: Final = "context."
#: Who calls the methods of a context need not have made it.
METHODS: Final = "context.(*"
#: Elsewhere a stack says its innermost call only together with a register.
WALKED: Final = "amd64"


@dataclass(frozen=True, slots=True)
class Alive:
    """Of objects in order, which ones a root leads to; those of which it was not decided are among them."""

    numbers: I64
    alive: Bools

    def has(self, numbers: I64) -> Bools:
        """Of some of them, or NOBODY, which is a root."""
        found: Bools = numbers == NOBODY
        places = np.searchsorted(self.numbers, numbers[~found])
        found[~found] = self.alive[places]
        return found


class Holding:
    """Asks who is alive in one process."""

    def __init__(self, runtime: Runtime, pclntab: Pclntab, reader: RegionReader, meter: Meter) -> None:
        self._runtime, self._pclntab, self._reader, self._meter = runtime, pclntab, reader, meter

    def alive(self, heap: HeapMap, numbers: I64, rooted: Bitmap, processors: Processors) -> Alive:
        """Which of some objects are; `rooted` has what roots point to.

        Raises:
            NotDecidedError: It takes more than the limits allow.
            GosondeError: The process has ended, or may not be read.
        """
        numbers = np.unique(numbers[numbers >= 0])
        rows, nothing = np.arange(len(numbers)), np.zeros(0, np.int64)
        asked = Suspects(
            np.ones(len(numbers), np.bool_),
            (numbers, rows),
            (np.zeros(0, np.uint64), nothing),
            (nothing, nothing),
            (nothing, nothing.astype(np.int32)),
        )
        ground = Ground(heap, pointerful(heap.spans), asked, rooted, processors)
        found = Search(self._runtime.memory, self._reader, ground, self._meter).run()
        return Alive(numbers, found.among(asked.are, found.graph.alive))

    def cancel_functions(self, heap: HeapMap, found: References) -> Bools:
        """Which pointers lie in a closure of package context: it begins with the address of its code."""
        in_heap = found.holder != NOBODY
        first = found.before.copy()
        starts, _sizes = heap.extent(found.holder[in_heap])
        rows, _whole = self._runtime.memory.read_each(starts, 8)
        first[in_heap] = words(rows, 0)
        codes = distinct(first[~heap.near(first)])
        of_package = np.array([self._is_of_package(code) for code in codes.tolist()], np.bool_)
        return among(first, codes[of_package])

    def only_interfaces(self, goroutines: Goroutines, found: References) -> Bools:
        """Which pointers lie on stacks of which no function could cancel a context: it keeps half of an interface.

        The code that cancels is a closure of package context, or was inlined where the context is made. A stack that is
        not walked to its end may have it.
        """
        on_stack = found.goroutine != NOBODY
        rows = np.unique(found.goroutine[on_stack])
        rows = rows[(goroutines.status[rows] == WAITING) & (goroutines.used[rows] == goroutines.sp[rows])]
        if self._pclntab.architecture != WALKED or not len(rows):
            return np.zeros(len(found), np.bool_)
        some = goroutines.selected(rows)
        words = StackWords(self._runtime.memory, some.sp, some.high)
        walk = Unwinder(self._pclntab).walk(some.pc, some.sp, some.high, self._runtime.bias, words)
        calls = distinct(walk.pcs.reshape(-1))
        makers = np.array([call for call in calls.tolist() if call and self._makes_contexts(call)], np.uint64)
        stands = some.same_stacks(HeaderReader(self._runtime).again(some, self._meter))
        cannot = rows[walk.complete & stands & ~np.isin(walk.pcs, makers).any(axis=1)]
        keeps: Bools = on_stack & among(found.goroutine, cannot)
        return keeps

    def _makes_contexts(self, call: int) -> bool:
        """Whether the function at a link-time address is of package context, or has its makers inlined."""
        try:
            details = self._pclntab.details_of(call)
            names = {details.name, *self._pclntab.inlined_into(details)} if details else {PACKAGE}
        except MalformedBinaryError:
            return True
        return any(name.startswith(PACKAGE) and not name.startswith(METHODS) for name in names)

    def closures_of_deadlines(self, timers: U64, argument: int) -> U64:
        """What the timers of contexts call, by the address of each time.Timer; 0 where there is none.

        Args:
            argument: Where a time.Timer has the runtime's timer's argument, bytes.
        """
        rows, whole = self._runtime.memory.read_each(timers + np.uint64(argument), 8)
        return np.where(whole & (timers != 0), words(rows, 0), np.uint64(0))

    def _is_of_package(self, address: int) -> bool:
        code = address - self._runtime.bias
        try:
            function = self._pclntab.function_of(code) if code > 0 else None
        except MalformedBinaryError:
            return False
        return function is not None and function.entry == code and function.name.startswith(PACKAGE)
