"""The goroutines that run code of net/http: which functions are on their stacks, and with what they were called.

A function's first argument comes in a register. One that is needed later is kept at a place that the caller left for
it (cmd/compile/abi-internal.md, spill space), above the return address. What lies there is a candidate: it counts where
its own fields prove what it is.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from gosonde_agent.golang.pclntab import Pclntab
from gosonde_agent.golang.unwind import Unwinder
from gosonde_agent.model.errors import MalformedBinaryError
from gosonde_agent.sources.memory.reachability.headers import STILL, Goroutines, HeaderReader
from gosonde_agent.sources.memory.reachability.limits import Meter
from gosonde_agent.sources.memory.reachability.rows import I64, U64, words
from gosonde_agent.sources.memory.stacks import StackWords
from gosonde_agent.sources.memory.target import Target

WORD: Final = 8
#: How names of functions of net/http and of HTTP/2 begin, wherever HTTP/2 comes from.
NET_HTTP: Final = "net/http."
HTTP2_PACKAGES: Final = ("net/http/internal/http2", "golang.org/x/net/http2")

#: By function and what a goroutine began with: how far from the stack's end it keeps its argument, in those that were
#: read; NOWHERE among them where one is not in such a call.
Learnt = dict[tuple[str, int], set[int]]
NOWHERE: Final = 0


def is_http(function: str) -> bool:
    """Whether a function is of net/http or of HTTP/2."""
    return function.startswith(NET_HTTP) or any(f"{package}." in function for package in HTTP2_PACKAGES)


@dataclass(frozen=True, slots=True)
class Calls:
    """Goroutines that are in a call of a function.

    Attributes:
        row: int64[n]: rows of `HttpStacks.goroutines`.
        depth: int64[n]: how many calls lie further in; -1 where the stack was not read, because the goroutine runs.
        argument: uint64[n]: what is where the first argument is kept; 0 where that is not known.
        place: uint64[n]: where that is; 0 where it is not known.
    """

    row: I64
    depth: I64
    argument: U64
    place: U64


class HttpStacks:
    """The stacks of some goroutines of one process.

    Attributes:
        goroutines: A row each.
        starts: Names of the functions that they began with.
        functions: Names, "" for none.
        calls: int64[n, depth]: places in `functions`, innermost first.
    """

    def __init__(self, target: Target, goroutines: Goroutines, learnt: Learnt) -> None:
        """Reads them.

        Raises:
            GosondeError: The process has ended, or may not be read, or its stacks name too many different addresses.
        """
        self._memory = target.runtime.memory
        self._learnt = learnt
        self.goroutines = goroutines
        self.starts = start_functions(target, goroutines)
        pcs, self._ends = self._walked(target)
        different, which = np.unique(pcs, return_inverse=True)
        self.functions = [function_name(target.pclntab, pc) for pc in different.tolist()]
        self.calls = which.reshape(pcs.shape).astype(np.int64)
        self._is_read = (pcs != 0).any(axis=1)
        self._argument = WORD if target.pclntab.architecture == "arm64" else 0

    def _walked(self, target: Target) -> tuple[U64, U64]:
        found, bias = self.goroutines, target.runtime.bias
        still = np.flatnonzero(np.isin(found.status, STILL) & (found.used == found.sp))
        sp, high = found.sp[still], found.high[still]
        walk = Unwinder(target.pclntab).walk(
            found.pc[still], sp, high, bias, StackWords(self._memory, sp, high), with_ends=True
        )
        deepest = walk.pcs.shape[1]
        # One place at least, of no function, where no stack could be read.
        pcs, ends = (np.zeros((len(found), max(deepest, 1)), np.uint64) for _ in range(2))
        pcs[still, :deepest], ends[still, :deepest] = walk.pcs, walk.ends
        return pcs, ends

    def of(self, function: str) -> Calls:
        """The goroutines in a call of a function, the outermost of each goroutine.

        One that runs is taken for in such a call where all others are that began with the same function: the argument
        is as far from the end of the stack.

        Raises:
            GosondeError: The process has ended, or may not be read.
        """
        wanted = [place for place, name in enumerate(self.functions) if name == function]
        is_one = np.isin(self.calls, wanted)
        row = np.flatnonzero(is_one.any(axis=1))
        depth = is_one.shape[1] - 1 - np.argmax(is_one[row, ::-1], axis=1) if len(row) else row
        place = self._ends[row, depth]
        running, places = self._running(function, row, place)
        place = np.concatenate((place, places))
        place = np.where(place == 0, place, place + np.uint64(self._argument))
        found, whole = self._memory.read_each(place, WORD)
        argument = np.where(whole, words(found, 0), np.uint64(0))
        depth = np.concatenate((depth, np.full(len(running), -1)))
        return Calls(np.concatenate((row, running)), depth, argument, place)

    def _running(self, function: str, rows: I64, places: U64) -> tuple[I64, U64]:
        """(goroutines that run and began as those rows did, where the argument is kept)."""
        found = self.goroutines
        for start, away in zip(found.start_pc[rows].tolist(), (found.high[rows] - places).tolist(), strict=True):
            self._learnt.setdefault((function, start), set()).add(away)
        for start in set(found.start_pc[np.setdiff1d(np.flatnonzero(self._is_read), rows)].tolist()):
            self._learnt.setdefault((function, start), set()).add(NOWHERE)
        known = {start: min(of) for (name, start), of in self._learnt.items() if name == function and len(of) == 1}
        running = np.flatnonzero(~self._is_read & np.isin(found.start_pc, np.array(list(known), np.uint64)))
        away = np.array([known[start] for start in found.start_pc[running].tolist()], np.uint64)
        return running[away != NOWHERE], (found.high[running] - away)[away != NOWHERE]

    def unread(self, beginning: str) -> I64:
        """int64[n]: rows of goroutines that run, and began with a function whose name begins so."""
        began = [name.startswith(beginning) for name in self.starts]
        return np.flatnonzero(~self._is_read & np.array(began, np.bool_))

    def frames(self, rows: I64, depths: I64) -> tuple[U64, I64]:
        """(where each frame begins, its bytes with what it calls others with); none of what has no end."""
        inner = self._ends[rows, np.maximum(depths - 1, 0)]
        begin = np.where(depths > 0, inner, self.goroutines.sp[rows])
        end = self._ends[rows, depths]
        known = (begin != 0) & (end > begin)
        return np.where(known, begin, np.uint64(0)), np.where(known, end - begin, np.uint64(0)).astype(np.int64)

    def names_from(self, row: int, address: int) -> list[str]:
        """Functions on one stack, from that in whose frame an address lies outwards."""
        ends, calls = self._ends[row].tolist(), self.calls[row].tolist()
        return [self.functions[call] for end, call in zip(ends, calls, strict=True) if end > address]

    def names(self, row: int) -> list[str]:
        """Functions on one stack, innermost first."""
        return [name for place in self.calls[row].tolist() if (name := self.functions[place])]


def http_goroutines(target: Target, headers: HeaderReader, meter: Meter) -> Goroutines:
    """Those that began with a function of net/http or of HTTP/2.

    Raises:
        NotDecidedError: There are too many goroutines.
        GosondeError: The process has ended, or may not be read.
    """
    found = headers.read(meter)
    return found.selected(np.array([is_http(name) for name in start_functions(target, found)], np.bool_))


def start_functions(target: Target, goroutines: Goroutines) -> list[str]:
    """The name of what each began with."""
    starts, which = np.unique(goroutines.start_pc, return_inverse=True)
    names = [function_name(target.pclntab, start - target.runtime.bias) for start in starts.tolist()]
    return [names[place] for place in which.reshape(-1).tolist()]


def function_name(pclntab: Pclntab, pc: int) -> str:
    """The function at a link-time address; empty where there is none."""
    try:
        function = pclntab.function_of(pc) if pc > 0 else None
    except MalformedBinaryError:
        return ""
    return function.name if function is not None else ""
