"""Which words of a goroutine's stack are known to hold no live pointer, as the garbage collector knows it.

A slot of a frame keeps what was once written into it, long after the function is done with it. The collector takes
for alive only what the compiler's stack maps name, the variables that such pointers lead to, and deferred calls
(runtime/mgcmark.go: scanstack). So does this, for many stacks at a time, of goroutines that lie still. Whatever cannot
be understood from outside counts as live.
"""

from dataclasses import dataclass

import numpy as np

from gosonde_agent.golang.buildinfo import GoVersion
from gosonde_agent.golang.pclntab import Pclntab
from gosonde_agent.golang.stack_maps import WORD
from gosonde_agent.model.errors import UnsupportedBinaryError
from gosonde_agent.sources.memory.reachability.frame_table import FrameTable, spread
from gosonde_agent.sources.memory.reachability.rows import I64, U64, Bools
from gosonde_agent.sources.memory.reachability.stack_walk import Frames, walk

OLDEST_MINOR = 19
#: Deferred calls that a stack has noted in itself, at most.
MAX_DEFERS = 1_024
#: How many variables of a stack lead one to the other, at most.
MAX_STEPS = 1_024

#: runtime._defer of 1.22 and newer, and before: the words fn and link; from fn to its last pointer.
DEFER_FN, DEFER_LINK, OLD_DEFER_LINK, DEFER_WORDS = 3, 4, 5, 6


@dataclass(frozen=True, slots=True)
class Stacks:
    """The stacks of n goroutines that do not run, from the stack pointer up to the end, one behind the other.

    Attributes:
        words: uint64[m]: what they hold.
        firsts: int64[n + 1]: where each begins in `words`, and where the last one ends.
        sp: uint64[n]: the process's address of each one's first word: g.sched.sp, or g.syscallsp where that is not 0.
        pc: uint64[n]: where each innermost function goes on: g.sched.pc or g.syscallpc.
        defers, panics, contexts: uint64[n]: g._defer, g._panic and g.sched.ctxt.
    """

    words: U64
    firsts: I64
    sp: U64
    pc: U64
    defers: U64
    panics: U64
    contexts: U64


class LiveSlots:
    """Reads stacks of processes that run one binary. Not thread-safe: it remembers what it looked up.

    Raises:
        UnsupportedBinaryError: Its Go is older than 1.19, or it is not of amd64.
    """

    def __init__(self, pclntab: Pclntab, version: GoVersion) -> None:
        if version.minor < OLDEST_MINOR or pclntab.architecture != "amd64":
            raise UnsupportedBinaryError(
                f"live words of stacks cannot be read for {version} on {pclntab.architecture}: "
                f"it needs Go 1.{OLDEST_MINOR} or newer on amd64"
            )
        self._table = FrameTable(pclntab)
        self._defer_link = OLD_DEFER_LINK if version.minor < 22 else DEFER_LINK

    def dead(self, stacks: Stacks, bias: int) -> Bools:
        """bool[m]: which of the words are known to hold no pointer that the program, or its runtime, may still use.

        It is right for a goroutine whose header (status, stack bounds, and what `Stacks` has of it) is the same after
        its stack was read as before. All words of a stack that is not understood are False.

        Args:
            bias: The process's addresses less link-time addresses.
        """
        frames, understood = walk(self._table, stacks.words, stacks.firsts, stacks.pc, bias)
        understood &= _is_plain(stacks)
        live = np.zeros(len(stacks.words), np.bool_)
        understood &= self._mark_defers(stacks, live)
        self._mark_frames(stacks, frames.of(understood), live)
        understood &= self._mark_variables(stacks, frames.of(understood), live)
        return ~live & np.repeat(understood, np.diff(stacks.firsts))

    def _mark_defers(self, stacks: Stacks, live: Bools) -> Bools:
        """Marks what deferred calls hold that are noted in the stack itself; bool[n]: all of them are."""
        all_here = np.ones(len(stacks.sp), np.bool_)
        stack = np.flatnonzero(stacks.defers)
        at = stacks.defers[stack]
        for _ in range(MAX_DEFERS):
            offset = at - stacks.sp[stack]
            room = np.maximum(stacks.firsts[stack + 1] - stacks.firsts[stack] - DEFER_WORDS, 0) * WORD
            here = (offset % np.uint64(WORD) == 0) & (offset < room.astype(np.uint64))
            all_here[stack[~here]] = False
            stack = stack[here]
            place = stacks.firsts[stack] + (offset[here] // np.uint64(WORD)).astype(np.int64)
            for word in range(DEFER_FN, DEFER_WORDS):
                live[place + word] = True
            at = stacks.words[place + self._defer_link]
            stack, at = stack[at != 0], at[at != 0]
            if not len(stack):
                break
        all_here[stack] = False
        return all_here

    def _mark_frames(self, stacks: Stacks, frames: Frames, live: Bools) -> None:
        """Marks what stack maps name, and frames that may hold anything."""
        owner, word = self._table.live.of(frames.row)
        place = frames.place[owner] + word
        live[place[place < stacks.firsts[frames.stack[owner] + 1]]] = True
        whole = np.flatnonzero(frames.whole)
        rows = frames.row[whole]
        owner, word = spread(self._table.size[rows] + self._table.args[rows])
        place = frames.place[whole][owner] + word
        live[place[place < stacks.firsts[frames.stack[whole][owner] + 1]]] = True

    def _mark_variables(self, stacks: Stacks, frames: Frames, live: Bools) -> Bools:
        """Marks the variables that live pointers lead to, step by step; bool[n]: no more are left."""
        owner, objects = self._table.objects.of(frames.row)
        begins = (frames.place[owner] + objects[:, 0]) * WORD
        order = np.argsort(begins, kind="stable")
        begins, objects, stack_of = begins[order], objects[order], frames.stack[owner][order]
        ends = begins + objects[:, 1]
        reached = np.zeros(len(begins), np.bool_)
        stack_of_word = np.repeat(np.arange(len(stacks.sp), dtype=np.int32), np.diff(stacks.firsts))
        fresh = np.flatnonzero(live) if len(begins) else np.zeros(0, np.int64)
        for _ in range(MAX_STEPS):
            where = _within(stacks, fresh, stack_of_word[fresh].astype(np.int64))
            nearest = np.searchsorted(begins, where, "right") - 1
            led = np.unique(nearest[(nearest >= 0) & (where < ends[nearest]) & ~reached[nearest]])
            if not len(led):
                return np.ones(len(stacks.sp), np.bool_)
            reached[led] = True
            owner, word = spread(objects[led, 2])
            fresh = begins[led][owner] // WORD + word
            fresh = fresh[fresh < stacks.firsts[stack_of[led][owner] + 1]]
            fresh = fresh[~live[fresh]]
            live[fresh] = True
        left = np.ones(len(stacks.sp), np.bool_)
        left[stack_of_word[fresh]] = False
        return left


def _is_plain(stacks: Stacks) -> Bools:
    """Which goroutines do not panic, and hold nothing of their stack outside it but deferred calls."""
    sizes = np.diff(stacks.firsts).astype(np.uint64) * np.uint64(WORD)
    has_context = stacks.contexts - stacks.sp < sizes
    is_plain: Bools = (stacks.panics == 0) & ~has_context & (stacks.sp % np.uint64(WORD) == 0) & (sizes > 0)
    return is_plain


def _within(stacks: Stacks, places: I64, stack: I64) -> I64:
    """What words point to that point into their own stack: int64[k], in bytes from the beginning of the buffer."""
    offset = stacks.words[places] - stacks.sp[stack]
    size = (stacks.firsts[stack + 1] - stacks.firsts[stack]) * WORD
    inside = offset < size.astype(np.uint64)
    return stacks.firsts[stack[inside]] * WORD + offset[inside].astype(np.int64)
