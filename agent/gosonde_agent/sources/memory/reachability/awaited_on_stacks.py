"""What goroutines that wait for locks wait for, before Go 1.26: then only words of their stacks lead to their sudogs.

The innermost frames are the runtime's (semacquire1, notifyListWait) and keep the sudog. A sudog whose g is this one's
is this one's: the runtime clears the g of one that it releases.
"""

import numpy as np

from gosonde_agent.golang.layouts import Layout
from gosonde_agent.sources.memory.reachability.awaited import Awaited, SudogLayout
from gosonde_agent.sources.memory.reachability.headers import Goroutines
from gosonde_agent.sources.memory.reachability.limits import Meter
from gosonde_agent.sources.memory.reachability.objects import HeapMap
from gosonde_agent.sources.memory.reachability.regions import Pointers
from gosonde_agent.sources.memory.reachability.rows import I64, U64, among, words
from gosonde_agent.sources.memory.reader import ProcessMemory

#: So many bytes of a stack are searched, from its innermost word on.
SEARCHED = np.uint64(1_024)
#: A size class is no more than so much larger than what is put into it.
SPARE = np.uint64(48)
#: runtime.notifyList.head and tail, where the layout does not have them.
HEAD, TAIL = 16, 24


class LockFinder:
    """Finds what goroutines of one process wait for."""

    def __init__(self, memory: ProcessMemory, layout: Layout, heap: HeapMap, meter: Meter) -> None:
        self._memory, self._heap, self._meter = memory, heap, meter
        self._at = SudogLayout(layout)
        lists = layout.fields("notifyList")
        self._head, self._tail = lists.get("head", HEAD), lists.get("tail", TAIL)

    def find(self, goroutines: Goroutines, near: Pointers) -> Awaited:
        """The locks that goroutines wait for. `near` are pointers of their innermost words; `region` is the row.

        Raises:
            NotDecidedError: They are too many.
            GosondeError: The process has ended, or may not be read.
        """
        rows, sudogs, elements = self._sudogs(goroutines, near)
        known = elements != 0
        semaphores = Awaited(rows[known], elements[known], rows[known], sudogs[known])
        # A sudog of notifyListWait has no element.
        rest = ~known & ~np.isin(rows, rows[known])
        return Awaited.joined([semaphores, self._conditions(near, rows[rest], sudogs[rest])])

    def _sudogs(self, goroutines: Goroutines, near: Pointers) -> tuple[I64, U64, U64]:
        """(row, sudog, sudog.elem) of each sudog that is its goroutine's own."""
        start, size = self._heap.extent(near.target)
        smallest = np.uint64(self._at.size)
        fits = (start == near.word) & (size >= smallest) & (size <= smallest + SPARE)
        rows, sudogs = near.region[fits], near.word[fits]
        found = self._read(sudogs, self._at.span)
        mine = words(found, self._at.goroutine) == goroutines.at[rows]
        return rows[mine], sudogs[mine], self._at.element(found)[mine]

    def _read(self, addresses: U64, size: int) -> "np.ndarray[tuple[int, int], np.dtype[np.uint8]]":
        """Rows; zeros where one is not mapped."""
        self._meter.take(len(addresses) * size)
        return self._memory.read_each(addresses, size)[0]

    def _conditions(self, near: Pointers, rows: I64, sudogs: U64) -> Awaited:
        """The condition variables whose lists of waiters have these sudogs."""
        on_stacks = np.isin(near.region, rows)
        row, address = near.region[on_stacks], near.word[on_stacks]
        lists, which = np.unique(address, return_inverse=True)
        in_lists = self._members(lists, sudogs)
        own = {(int(r), int(s)) for r, s in zip(rows, sudogs, strict=True)}
        found = [
            (int(r), int(lists[w]), sudog)
            for r, w in zip(row, which, strict=True)
            for sudog in in_lists.get(int(w), ())
            if (int(r), sudog) in own
        ]
        columns = np.array(found, np.uint64).reshape(len(found), 3)
        its = columns[:, 0].astype(np.int64)
        return Awaited(its, columns[:, 1], its, columns[:, 2])

    def _members(self, lists: U64, sudogs: U64) -> dict[int, set[int]]:
        """By place in `lists`, which of the sudogs are in it, if it is one that ends where it says."""
        headers = self._read(lists, max(self._head, self._tail) + 8)
        current, tail = words(headers, self._head), words(headers, self._tail)
        wanted = np.unique(sudogs)
        members: dict[int, set[int]] = {}
        ended: set[int] = set()
        live = np.flatnonzero((current != 0) & (tail != 0))
        steps = 0
        while len(live):
            steps += len(live)
            self._meter.bound("waiters of condition variables", steps, self._meter.limits.edges)
            here = current[live]
            for place in np.flatnonzero(among(here, wanted)).tolist():
                members.setdefault(int(live[place]), set()).add(int(here[place]))
            ended.update(live[here == tail[live]].tolist())
            current[live] = words(self._read(here, self._at.next + 8), self._at.next)
            live = live[(here != tail[live]) & (current[live] != 0)]
        return {place: found for place, found in members.items() if place in ended}
