"""What the channel of a parked goroutine belongs to, inferred from the machine code of the function that waits.

`<-ctx.Done()` is a call of an interface's method, or of the context package, right before the receive; a function that
receives from a timer or ticker mostly makes it as well, and so does one that has signals sent to the only channel that
it makes.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from gosonde_agent.golang.bounded import BoundedCache
from gosonde_agent.golang.function_records import FunctionDetails
from gosonde_agent.golang.instructions import Instruction, decode
from gosonde_agent.golang.pclntab import Pclntab
from gosonde_agent.model.errors import MalformedBinaryError

CONTEXT, TIMER, SIGNAL = "context", "timer", "signal"
#: The runtime's functions that wait for channels.
RECEIVES: Final = frozenset({"runtime.chanrecv1", "runtime.chanrecv2"})
SELECT: Final = "runtime.selectgo"
#: Of a context's four methods in alphabetical order, Done is the second; an itab's methods begin at 24.
DONE_SLOT: Final = re.compile(r"mov r\w+, qword ptr \[r\w+ \+ 0x20\]|ldr x\d+, \[x\d+, #0x20\]")
DONE_METHOD: Final = re.compile(r"context\..*\.Done")
INDIRECT: Final = re.compile(r"(?:call|blr) ([rx]\w+)")
TIMERS: Final = frozenset({"time.After", "time.Tick", "time.NewTimer", "time.NewTicker", "time.newTimer"})
#: What the compiler writes behind the name of a function for a closure in it; `gowrap` only passes arguments on.
CLOSURE: Final = re.compile(r"\.func\d+")
MAKES: Final = frozenset({"runtime.makechan", "runtime.makechan64"})
NOTIFY: Final = "os/signal.Notify"
#: Instructions between the load of a method and its call, and between that call and the receive.
NEAR: Final = 12
#: Answers that are remembered.
MAX_KEPT: Final = 10_000


class WaitTargets:
    """Answers for one binary."""

    def __init__(self, pclntab: Pclntab) -> None:
        self._pclntab = pclntab
        self._answers: BoundedCache[int, str] = BoundedCache(MAX_KEPT)
        self._makers: BoundedCache[tuple[int, str], str] = BoundedCache(MAX_KEPT)

    def of(self, pc: int) -> str:
        """CONTEXT, TIMER or nothing, for the call of the runtime at an address, by which a goroutine waits."""
        return self._answers.get(pc, self._answer)

    def made_by(self, gopc: int, start_function: str) -> str:
        """TIMER or SIGNAL when a closure of the function at `gopc` can receive from no other channel that it made.

        It is for the closure itself: of functions that it calls, and of arguments of a go statement, it says nothing.
        """
        return self._makers.get((gopc, start_function), self._maker)

    def _answer(self, pc: int) -> str:
        try:
            details = self._pclntab.details_of(pc)
            return self._inferred(details, pc) if details is not None else ""
        except MalformedBinaryError:
            return ""

    def _maker(self, key: tuple[int, str]) -> str:
        gopc, start_function = key
        try:
            details = self._pclntab.details_of(gopc)
            if details is None or not CLOSURE.fullmatch(start_function.removeprefix(details.name)):
                return ""
            code = decode(self._pclntab.code_of(details), details.entry, self._pclntab.architecture)
            called = Counter(map(self._called, code))
        except MalformedBinaryError:
            return ""
        if called.keys() & TIMERS and not called.keys() & MAKES:
            return TIMER
        return SIGNAL if _has_only_signals(called) else ""

    def _inferred(self, details: FunctionDetails, pc: int) -> str:
        code = decode(self._pclntab.code_of(details), details.entry, self._pclntab.architecture)
        here = next((at for at, found in enumerate(code) if found.address <= pc < found.end), None)
        waits = self._called(code[here]) if here is not None else ""
        if here is not None and waits in RECEIVES:
            before = range(max(here - NEAR, 0), here)
            if any(self._is_done(code, at) for at in before):
                return CONTEXT
        elif waits == SELECT:
            if any(self._is_done(code, at) for at in range(len(code))):
                return CONTEXT
        else:
            return ""
        called = Counter(map(self._called, code))
        if called.keys() & TIMERS:
            return TIMER
        return SIGNAL if _has_only_signals(called) else ""

    def _called(self, instruction: Instruction) -> str:
        if instruction.flow != "call" or instruction.target is None:
            return ""
        function = self._pclntab.function_of(instruction.target)
        return function.name if function is not None else ""

    def _is_done(self, code: Sequence[Instruction], at: int) -> bool:
        """Whether this calls the Done of a context."""
        if DONE_METHOD.fullmatch(self._called(code[at])):
            return True
        called = INDIRECT.fullmatch(code[at].text) if code[at].flow == "call" else None
        if called is None:
            return False
        for found in reversed(code[max(at - NEAR, 0) : at]):
            if called[1] in found.writes:
                return DONE_SLOT.fullmatch(found.text) is not None
        return False


def _has_only_signals(called: Mapping[str, int]) -> bool:
    """Whether a function makes one channel, and has signals sent to it."""
    return NOTIFY in called and sum(called.get(name, 0) for name in MAKES) == 1 and not called.keys() & TIMERS
