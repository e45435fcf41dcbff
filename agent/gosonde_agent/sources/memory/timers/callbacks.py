"""What timers call when they are due: the function, and of what it is called with the goroutine, channel or context."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from gosonde_common.values.timers import TimerKind

from gosonde_agent.golang.pclntab import Pclntab, printed_name
from gosonde_agent.model.errors import MalformedBinaryError
from gosonde_agent.sources.memory.reachability.rows import I64, U64, words
from gosonde_agent.sources.memory.runtime import Runtime
from gosonde_agent.sources.memory.timers.contexts import Contexts
from gosonde_agent.sources.memory.timers.heaps import Timers
from gosonde_agent.sources.memory.timers.layout import WORD

#: What the runtime calls for time.AfterFunc, for channels, and for time.Sleep.
STARTS_FUNCTION: Final = "time.goFunc"
SENDS: Final = "time.sendTime"
WAKES: Final = "runtime.goroutineReady"
UNKNOWN: Final = "?"
KINDS: Final = (TimerKind.FUNC, TimerKind.CHANNEL, TimerKind.CONTEXT)
IS_CHANNEL, IS_CONTEXT = 1, 2


@dataclass(frozen=True, slots=True)
class Callbacks:
    """Of some timers; the arrays have an element for each.

    Attributes:
        names: Of functions.
        name: Which of the names it is.
        kind: Place in KINDS.
        closure: Address of the func value that time.AfterFunc was given; 0 where it was none.
        context: Address of the context; 0 where it is none, or not found.
        channel: Address of the channel that is sent to or closed; 0 without one.
        sleeper: Address of the g that is woken; 0 without one.
    """

    names: list[str]
    name: I64
    kind: I64
    closure: U64
    context: U64
    channel: U64
    sleeper: U64


class CallbackReader:
    """Reads what the timers of one process call."""

    def __init__(self, runtime: Runtime, pclntab: Pclntab, contexts: Contexts) -> None:
        self._runtime = runtime
        self._pclntab = pclntab
        self._contexts = contexts

    def of(self, timers: Timers) -> Callbacks:
        """Of each timer.

        Raises:
            GosondeError: The process has ended, or may not be read.
        """
        nothing = np.zeros(len(timers), np.uint64)
        names, name = self._names(timers.function)
        starts, sends, wakes = (
            np.isin(name, [row for row, of in enumerate(names) if of == wanted])
            for wanted in (STARTS_FUNCTION, SENDS, WAKES)
        )
        closure = np.where(starts, timers.argument, nothing)
        started, which = self._names(closure[starts])
        name[starts] = which + len(names)
        names += started
        kind = np.where(sends, IS_CHANNEL, 0).astype(np.int64)
        is_context = starts & np.isin(name, [row for row, of in enumerate(names) if of.startswith("context.")])
        kind[is_context] = IS_CONTEXT
        context, channel = nothing.copy(), np.where(sends, timers.argument, nothing)
        context[is_context], channel[is_context] = self._contexts.of(timers.at[is_context], closure[is_context])
        sleeper = np.where(wakes, timers.argument, nothing)
        return Callbacks(names, name, kind, closure, context, channel, sleeper)

    def _names(self, values: U64) -> tuple[list[str], I64]:
        """(names of functions, which of them each func value calls): a func value begins with the code's address."""
        different, which = np.unique(values, return_inverse=True)
        rows, whole = self._runtime.memory.read_each(different, WORD)
        codes, code = np.unique(np.where(whole, words(rows, 0), np.uint64(0)), return_inverse=True)
        return [self._name(entry) for entry in codes.tolist()], code.reshape(-1)[which.reshape(-1)].astype(np.int64)

    def _name(self, entry: int) -> str:
        code = entry - self._runtime.bias
        try:
            function = self._pclntab.function_of(code) if code > 0 else None
        except MalformedBinaryError:
            return UNKNOWN
        return printed_name(function.name) if function is not None and function.entry == code else UNKNOWN
