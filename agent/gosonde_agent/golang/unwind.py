"""Walks many goroutines' stacks at once, by the tables that the runtime itself unwinds with (pcsp in pclntab).

The code of a call returns to the address that the frame's size says, whatever frame pointers hold; this is
runtime/traceback.go (unwinder), done for a whole batch a frame at a time. On amd64 a call pushes its return address,
above the frame. On arm64 it leaves it in the link register, and a function that has a frame keeps it at its bottom.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from gosonde_agent.golang.pclntab import Pclntab
from gosonde_agent.model.errors import MalformedBinaryError

POINTER = 8
#: What a signal handler puts below an interrupted function on arm64, with its link register (sigctxt.pushCall).
PUSHED_LINK = np.uint64(16)
MAX_FRAMES = 2_048
#: No frame is larger.
MAX_FRAME_SIZE = 1 << 30
#: Different addresses that are looked up in one binary before its processes are taken to be hostile.
MAX_ADDRESSES = 500_000

#: How a walk goes on from a frame.
GOES_ON, TOP, STOPS = 0, 1, 2
#: No code is at it or above.
NOWHERE = np.uint64(1 << 62)

#: abi.FuncFlag
TOP_FRAME = 1
SP_WRITE = 2

#: The return address that these leave is not that of a call (runtime.isInjectedCall).
INJECTED = frozenset({"runtime.sigpanic", "runtime.asyncPreempt", "runtime.debugCallV2"})

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

#: words(rows, addresses) -> (values, readable): the 8 bytes at an address of each row's stack.
Words = Callable[[I64, U64], tuple[U64, Bools]]


@dataclass(frozen=True, slots=True)
class Walk:
    """Stacks of n goroutines.

    Attributes:
        pcs: uint64[n, depth]: link-time addresses of the calls, innermost first, 0 where there is none.
        complete: bool[n]: the walk reached the goroutine's first frame.
        ends: uint64[n, depth]: where each frame ends, 0 where it does not go on; what its function was called with
            begins there (on arm64 behind the link register's word). Of no depth where it was not asked for.
    """

    pcs: U64
    complete: Bools
    ends: U64


@dataclass(frozen=True, slots=True)
class _Frames:
    """A frame of each of some rows; `sp` and `size` in bytes, without a return address that a call pushed."""

    rows: I64
    sp: U64
    size: U64
    link: U64
    is_injected: Bools

    def where(self, kept: Bools) -> "_Frames":
        """Some of them."""
        parts = (self.rows, self.sp, self.size, self.link, self.is_injected)
        return _Frames(*(part[kept] for part in parts))  # type: ignore[arg-type]


#: What calls some frames: the frames that go on, with the callers' stack pointers; their pcs; their link registers.
_Callers = tuple[_Frames, U64, U64]


class Unwinder:
    """Unwinds stacks of processes that run one binary. Not thread-safe: it remembers what it looked up."""

    def __init__(self, pclntab: Pclntab) -> None:
        self._pclntab = pclntab
        self._callers = _callers_by_link if pclntab.architecture == "arm64" else _callers_by_stack
        self._steps: dict[int, tuple[int, int, int, int]] = {}
        self._keys = np.zeros(0, np.uint64)
        self._table = np.zeros((0, 4), np.int64)

    def walk(
        self,
        pcs: U64,
        sps: U64,
        highs: U64,
        bias: int,
        words: Words,
        *,
        interrupted: Bools | None = None,
        links: U64 | None = None,
        with_ends: bool = False,
    ) -> Walk:
        """Walks from (pc, sp) up to the stack's end `high`; addresses are the process's.

        A pc is where a call returns to, or where `interrupted` says so the instruction that is next.

        A walk ends at the goroutine's first frame, or where the stack is inconsistent: outside Go code, outside the
        stack, or not going up. It takes MAX_FRAMES steps at most.

        Args:
            links: The link register that belongs to each pc (g.sched.lr), 0 where it is not known; arm64 alone has one.

        Raises:
            MalformedBinaryError: The process shows more different addresses than a program has, or a table is damaged.
        """
        count = len(pcs)
        columns: list[U64] = []
        ends: list[U64] = []
        complete = np.zeros(count, np.bool_)
        rows = np.arange(count, dtype=np.int64)
        pc, sp = pcs.copy(), sps.copy()
        link = np.zeros(count, np.uint64) if links is None else links
        is_call = np.ones(count, np.bool_) if interrupted is None else ~interrupted
        for depth in range(MAX_FRAMES):
            if not len(rows):
                break
            linked = np.where(pc == 0, pc, np.minimum(pc - np.uint64(bias), NOWHERE))
            delta, kind, shift, is_injected = self._look_up(linked, first=depth == 0)
            column = np.zeros(count, np.uint64)
            known = (kind != STOPS) & (linked != 0)
            column[rows[known]] = (linked - np.where(is_call, shift, 0).astype(np.uint64))[known]
            columns.append(column)
            complete[rows[kind == TOP]] = True
            frames = _Frames(rows, sp, delta.astype(np.uint64), link, is_injected.astype(np.bool_))
            frames, pc, link = self._callers(frames.where(kind == GOES_ON), highs, words)
            rows, sp, is_call = frames.rows, frames.sp, ~frames.is_injected
            if with_ends:
                ends.append(np.zeros(count, np.uint64))
                ends[-1][rows] = sp
        return Walk(_side_by_side(columns, count), complete, _side_by_side(ends, count))

    def _look_up(self, pcs: U64, *, first: bool) -> tuple[I64, I64, I64, I64]:
        """(frame size less the return address, kind, how far the call is before the address, is injected), [n]."""
        keys = pcs * np.uint64(2) + np.uint64(first)
        places = np.minimum(np.searchsorted(self._keys, keys), max(len(self._keys) - 1, 0))
        if not len(self._keys) or not (self._keys[places] == keys).all():
            self._resolve(sorted(set(keys.tolist())))
            places = np.searchsorted(self._keys, keys)
        found = self._table[places]
        return found[:, 0], found[:, 1], found[:, 2], found[:, 3]

    def _resolve(self, keys: list[int]) -> None:
        for key in keys:
            if key not in self._steps:
                self._steps[key] = self._step(key >> 1, first=bool(key & 1))
        if len(self._steps) > MAX_ADDRESSES:
            raise MalformedBinaryError(f"stacks name more than {MAX_ADDRESSES} different code addresses")
        order = sorted(self._steps)
        self._keys = np.array(order, np.uint64)
        self._table = np.array([self._steps[key] for key in order], np.int64).reshape(-1, 4)

    def _step(self, pc: int, *, first: bool) -> tuple[int, int, int, int]:
        function = self._pclntab.function_of(pc)
        if pc == 0 and first:
            return 0, GOES_ON, 0, 0  # a call of a nil func: the caller's frame is the first
        details = self._pclntab.details_of(pc)
        if function is None or details is None or details.pcsp == 0:
            return 0, STOPS, 0, 0
        is_injected = int(function.name in INJECTED)
        shift = int(pc > function.entry)
        if details.flag & TOP_FRAME:
            return 0, TOP, shift, is_injected
        delta = self._pclntab.pc_value(details.pcsp, function.entry, pc)
        is_odd = details.flag & SP_WRITE and not first and function.name != "runtime.cgocallback"
        if is_odd or not 0 <= delta < MAX_FRAME_SIZE:
            return 0, TOP if is_odd else STOPS, shift, is_injected
        return delta, GOES_ON, shift, is_injected


def _side_by_side(columns: list[U64], count: int) -> U64:
    return np.stack(columns, axis=1) if columns else np.zeros((count, 0), np.uint64)


def _callers_by_stack(frames: _Frames, highs: U64, words: Words) -> _Callers:
    """On amd64."""
    ends = frames.sp + frames.size + np.uint64(POINTER)
    goes = (ends > frames.sp) & (ends <= highs[frames.rows])
    frames, ends = frames.where(goes), ends[goes]
    pcs, readable = words(frames.rows, ends - np.uint64(POINTER))
    frames = replace(frames, sp=ends).where(readable)
    return frames, pcs[readable], np.zeros(len(frames.rows), np.uint64)


def _callers_by_link(frames: _Frames, highs: U64, words: Words) -> _Callers:
    """On arm64: what has no frame has its return address in the link register, anything else at its stack pointer."""
    goes = ((frames.size != 0) | (frames.link != 0)) & (frames.sp + frames.size <= highs[frames.rows])
    frames = frames.where(goes)
    kept, readable = words(frames.rows, frames.sp)
    pcs = np.where(frames.size != 0, kept, frames.link)[readable]
    frames = frames.where(readable)
    frames = replace(frames, sp=frames.sp + frames.size)
    links = np.zeros(len(pcs), np.uint64)
    injected = np.flatnonzero(frames.is_injected & (frames.sp + PUSHED_LINK <= highs[frames.rows]))
    if len(injected):
        found, known = words(frames.rows[injected], frames.sp[injected])
        links[injected[known]] = found[known]
        sps = frames.sp.copy()
        sps[injected] += PUSHED_LINK
        frames = replace(frames, sp=sps)
    return frames, pcs, links
