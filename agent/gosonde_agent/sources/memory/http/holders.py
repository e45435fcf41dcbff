"""Which function still holds a response whose body was left open: in whose frame, of any goroutine, it stands alive."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

import numpy as np

from gosonde_agent.golang.buildinfo import parse_version
from gosonde_agent.model.errors import UnsupportedBinaryError
from gosonde_agent.sources.memory.http.known import Known
from gosonde_agent.sources.memory.http.seen import Connection
from gosonde_agent.sources.memory.http.stacks import WORD, HttpStacks, is_http
from gosonde_agent.sources.memory.reachability.headers import STILL, Goroutines, HeaderReader
from gosonde_agent.sources.memory.reachability.live_slots import LiveSlots, Stacks
from gosonde_agent.sources.memory.reachability.rows import I64, U64, Bools, among

#: Of more goroutines it is not asked who holds what.
MOST: Final = 100_000
#: So many stacks at a time, and no longer ones.
BLOCK, MAX_STACK = 1_024, 1 << 20
TRIES: Final = 3
#: They read for somebody: the function that called them holds the response.
READERS: Final = ("runtime.", "io.", "bufio.", "io/ioutil.", "encoding/", "compress/", "internal/")


def with_holders(known: Known, headers: HeaderReader, connections: Iterable[Connection]) -> Iterator[Connection]:
    """The connections; those whose response is known with the function that holds it, or with the word that none does.

    Raises:
        NotDecidedError: The limits of a reading are reached.
        GosondeError: The process has ended, or may not be read.
    """
    found = list(connections)
    wanted = np.array(sorted({at for one in found for at in one.response}), np.uint64)
    holders = Holders(known, headers, wanted) if len(wanted) else None
    for one in found:
        if holders is None or not one.response:
            yield one
            continue
        name = next((holders.functions[at] for at in one.response if at in holders.functions), "")
        yield replace(one, function=name, is_on_no_stack=not name and holders.is_whole)


class Holders:
    """Who holds some objects, in one process.

    Attributes:
        functions: By the object's address, of those that a function holds.
        is_whole: Every stack was read, and understood where it has one of the objects.
    """

    def __init__(self, known: Known, headers: HeaderReader, wanted: U64) -> None:
        self.functions: dict[int, str] = {}
        self.is_whole = False
        self._known, self._headers, self._wanted = known, headers, wanted
        try:
            target = known.target
            self._slots = LiveSlots(target.pclntab, parse_version(target.go_version))
        except UnsupportedBinaryError:
            return
        every = headers.read(known.meter)
        if len(every) <= MOST:
            self._read(every)

    def _read(self, goroutines: Goroutines) -> None:
        """Looks at all stacks; at those of goroutines that run meanwhile again."""
        for _ in range(TRIES):
            left = []
            for begin in range(0, len(goroutines), BLOCK):
                block = goroutines.selected(np.arange(begin, min(begin + BLOCK, len(goroutines))))
                left += block.at[~self._look(block)].tolist()
            if not left:
                self.is_whole = True
                return
            later = self._headers.again(goroutines, self._known.meter)
            goroutines = later.selected(np.isin(later.at, np.array(left, np.uint64)))

    def _look(self, goroutines: Goroutines) -> Bools:
        """Which stacks are known to have none of the objects, or were searched for who holds them."""
        sizes = (goroutines.high - goroutines.sp).astype(np.int64)
        done: Bools = np.isin(goroutines.status, STILL) & (goroutines.used == goroutines.sp)
        done &= (sizes >= 0) & (sizes <= MAX_STACK) & (sizes % WORD == 0)
        rows = np.flatnonzero(done)
        self._known.meter.take(int(sizes[rows].sum()))
        data, whole = self._known.memory.read_pieces(goroutines.sp[rows], sizes[rows])
        stack_words = data.view("<u8").astype(np.uint64)
        counts = sizes[rows] // WORD
        of = np.repeat(np.arange(len(rows)), counts)
        hit = np.zeros(len(rows), np.bool_)
        hit[of[among(stack_words, self._wanted)]] = True
        done[rows[~whole]] = False
        some = np.flatnonzero(hit & whole)
        if len(some):
            kept = stack_words[np.isin(of, some)]
            done[rows[some]] = self._searched(goroutines.selected(rows[some]), kept, counts[some])
        return done

    def _searched(self, goroutines: Goroutines, stack_words: U64, counts: I64) -> Bools:
        """Notes who holds the objects that are on some stacks; which of them stood, and were understood."""
        firsts = np.concatenate((np.zeros(1, np.int64), np.cumsum(counts)))
        parts = (goroutines.sp, goroutines.pc, goroutines.defers, goroutines.panics, goroutines.context)
        dead = self._slots.dead(Stacks(stack_words, firsts, *parts), self._known.target.runtime.bias)
        later = self._headers.again(goroutines, self._known.meter)
        stood = goroutines.same_stacks(later.selected(np.argsort(later.at, kind="stable")))
        stood = stood & np.logical_or.reduceat(dead, firsts[:-1])
        stacks = HttpStacks(self._known.target, goroutines, {})
        of = np.repeat(np.arange(len(goroutines)), counts)
        for place in np.flatnonzero(among(stack_words, self._wanted) & ~dead & stood[of]).tolist():
            row = int(of[place])
            name = _own(stacks.names_from(row, int(goroutines.sp[row]) + (place - int(firsts[row])) * WORD))
            if name:
                self.functions.setdefault(int(stack_words[place]), name)
        return stood


def _own(names: Iterable[str]) -> str:
    """The innermost function that does not only read for another one."""
    return next((name for name in names if name and not is_http(name) and not name.startswith(READERS)), "")
