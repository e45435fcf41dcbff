"""What lies where in a frame of a stack, by the address where its function goes on.

This is what the garbage collector makes of a frame (runtime/mgcmark.go: scanframeworker). Where that cannot be known
from outside, the whole frame counts as live, or the whole stack.
"""

from dataclasses import dataclass, field

import numpy as np

from gosonde_agent.golang.function_records import FunctionDetails
from gosonde_agent.golang.pclntab import Pclntab
from gosonde_agent.golang.stack_maps import WORD, StackMap, StackMaps
from gosonde_agent.golang.unwind import INJECTED, MAX_FRAME_SIZE, SP_WRITE
from gosonde_agent.model.errors import MalformedBinaryError
from gosonde_agent.sources.memory.reachability.rows import I64

#: How a walk goes on from a frame.
UNKNOWN, GOES_ON, TOP = 0, 1, 2

#: Where every goroutine's stack begins.
FIRST_FUNCTION = "runtime.goexit"
#: A goroutine with one of these on its stack is, or was, on another stack as well.
SWITCHING = frozenset(
    {
        *("runtime.systemstack", "runtime.systemstack_switch", "runtime.mcall", "runtime.morestack"),
        *("runtime.cgocall", "runtime.asmcgocall", "runtime.cgocallback", "runtime.cgocallbackg"),
    }
)


def no_words() -> I64:
    """An empty list of words."""
    return np.zeros(0, np.int64)


def no_objects() -> I64:
    """An empty list of variables."""
    return np.zeros((0, 3), np.int64)


@dataclass(frozen=True, slots=True)
class FrameSlots:
    """A frame, in words of 8 bytes counted from the stack pointer.

    Attributes:
        kind: UNKNOWN, GOES_ON or TOP.
        size: Words up to and with the return address.
        args: Words of arguments and results behind it, which lie in the caller's frame.
        whole: Every word of the frame, and of its arguments, may be a live pointer.
        caller_whole: The same holds for its caller.
        live: int64[n]: which words are live pointers.
        objects: int64[k, 3]: variables that are alive when a live pointer leads to them: (first word, bytes, words that
            may hold pointers); sorted, apart from each other.
    """

    kind: int
    size: int = 0
    args: int = 0
    whole: bool = False
    caller_whole: bool = False
    live: I64 = field(default_factory=no_words)
    objects: I64 = field(default_factory=no_objects)

    @property
    def weight(self) -> int:
        """How much is remembered of it."""
        return len(self.live) + self.objects.size


NOT_UNDERSTOOD = FrameSlots(UNKNOWN)


def frame_slots(pclntab: Pclntab, maps: StackMaps, pc: int) -> FrameSlots:
    """The frame of what goes on at a link-time address: a return address, or the function's entry."""
    try:
        details = pclntab.details_of(pc)
        if details is None or details.pcsp == 0 or details.flag & SP_WRITE or details.name in SWITCHING:
            return NOT_UNDERSTOOD
        if details.name == FIRST_FUNCTION:
            return FrameSlots(TOP, size=1)
        stack_map = maps.at(details, pc)
    except MalformedBinaryError:
        return NOT_UNDERSTOOD
    if stack_map is None or stack_map.frame_bytes >= MAX_FRAME_SIZE:
        return NOT_UNDERSTOOD
    return _precise(details, stack_map) or _whole(details, stack_map)


def _whole(details: FunctionDetails, at: StackMap) -> FrameSlots:
    return FrameSlots(
        GOES_ON,
        size=at.frame_bytes // WORD + 1,
        args=-(-(at.args_bytes or 0) // WORD),
        whole=True,
        caller_whole=at.args_bytes is None or details.name in INJECTED,
    )


def _precise(details: FunctionDetails, at: StackMap) -> FrameSlots | None:
    """None where the map does not say all."""
    if details.name in INJECTED or at.locals is None or at.args is None or at.args_bytes is None:
        return None
    size, end = at.frame_bytes // WORD + 1, at.locals_end // WORD
    first = end - len(at.locals)
    called_with = np.flatnonzero(
        at.args
    )  # the map of a function in assembly has twice as many words as it has arguments
    args = max(-(-at.args_bytes // WORD), int(called_with.max(initial=-1)) + 1)
    objects = _objects(at, end, size, args)
    if first < 0 or objects is None:
        return None
    live = np.concatenate((first + np.flatnonzero(at.locals), size + called_with))
    return FrameSlots(GOES_ON, size, args, live=live, objects=objects)


def _objects(at: StackMap, end: int, size: int, args: int) -> I64 | None:
    """The variables that pointers may lead to, from the stack pointer on; None where they cannot be right."""
    offsets, sizes, pointers = at.objects.T
    starts = np.where(offsets < 0, end * WORD, size * WORD) + offsets
    stops = starts + sizes
    placed = starts >= 0  # others have no place in the frame yet
    limits = np.where(offsets < 0, end, size + args) * WORD
    wrong = (starts % WORD != 0) | (sizes <= 0) | (pointers < 0) | (pointers > sizes) | (stops > limits)
    if wrong[placed].any():
        return None
    starts, stops, sizes, pointers = starts[placed], stops[placed], sizes[placed], pointers[placed]
    if (starts[1:] < stops[:-1]).any():
        return None
    return np.stack([starts // WORD, sizes, -(-pointers // WORD)], axis=1)
