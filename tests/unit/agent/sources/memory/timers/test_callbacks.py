"""What a timer calls is named where its words lead to code, and a context is one where it names the timer."""

from collections.abc import Iterator
from typing import cast

import numpy as np
import pytest
from gosonde_agent.golang.pclntab import Function, Pclntab
from gosonde_agent.model.errors import MalformedBinaryError
from gosonde_agent.sources.memory.timers.callbacks import IS_CHANNEL, IS_CONTEXT, KINDS, CallbackReader, Callbacks
from gosonde_agent.sources.memory.timers.contexts import DONE, IN_TIMER, SPAN, TIMER, Contexts
from gosonde_agent.sources.memory.timers.heaps import Timers
from gosonde_common.values.timers import TimerKind

from tests.unit.agent.sources.memory.timers.made_up import NOWHERE, MadeUp

NAMES = {
    0x1000: "time.goFunc",
    0x2000: "time.sendTime",
    0x3000: "runtime.goroutineReady",
    0x4000: "main.remind",
    0x5000: "context.WithDeadlineCause.func2",
    0x6000: "main.generic[go.shape.int]",
}
DAMAGED = 0x9000


class Table:
    """Functions of 4 KiB each."""

    def function_of(self, pc: int) -> Function | None:
        """As Pclntab has it."""
        if pc == DAMAGED:
            raise MalformedBinaryError("it contradicts itself")
        entry = pc & ~0xFFF
        return Function(NAMES[entry], entry, entry + 0x1000) if entry in NAMES else None


@pytest.fixture
def made() -> Iterator[MadeUp]:
    with MadeUp("1.27.3") as made:
        yield made


def called(made: MadeUp, *timers: tuple[int, int, int]) -> Callbacks:
    """Of timers: (their address, the func value that they call, what with)."""
    at, function, argument = (np.array(column, np.uint64) for column in zip(*timers, strict=True))
    none = np.zeros(len(timers), np.int64)
    reader = CallbackReader(made.runtime(), cast("Pclntab", Table()), Contexts(made.memory, made.at))
    return reader.of(Timers(at, none, none, function, argument))


def names(found: Callbacks) -> list[str]:
    return [found.names[row] for row in found.name.tolist()]


def test_functions_channels_and_sleepers_are_told_apart(made: MadeUp) -> None:
    closure, send = made.words(0x4000, 7), made.words(0x2000)
    found = called(
        made,
        (1, made.words(0x1000), closure),
        (2, send, 0xC000),
        (3, made.words(0x3000), 0xD000),
        (4, send, 0xE000),
        (5, made.words(0x6000), 0xF000),
    )
    wanted = ["main.remind", "time.sendTime", "runtime.goroutineReady", "time.sendTime", "main.generic[...]"]
    assert names(found) == wanted
    assert found.kind.tolist() == [0, IS_CHANNEL, 0, IS_CHANNEL, 0]
    assert found.closure.tolist() == [closure, 0, 0, 0, 0]
    assert found.channel.tolist() == [0, 0xC000, 0, 0xE000, 0]
    assert found.sleeper.tolist() == [0, 0, 0xD000, 0, 0]


@pytest.mark.parametrize("code", [0, 0x1008, 0x8000, DAMAGED, (1 << 64) - 1])
def test_what_is_no_function_has_no_name(made: MadeUp, code: int) -> None:
    found = called(made, (1, made.words(code), 1), (2, NOWHERE, 2), (3, made.words(0x1000), NOWHERE))
    assert names(found) == ["?", "?", "?"]


@pytest.mark.parametrize("place", TIMER)
@pytest.mark.parametrize("captured", [0, 1, 2])
def test_a_context_is_one_where_its_own_timer_is_the_one_that_leads_to_it(
    made: MadeUp, place: int, captured: int
) -> None:
    content = [0] * (SPAN // 8)
    timer = 0x7000
    content[DONE // 8], content[place // 8] = 0xC000, timer - IN_TIMER
    context = made.words(*content)
    closure = made.words(0x5000, *(0,) * captured, context, 0, 0)
    go = made.words(0x1000)
    found = called(made, (timer, go, closure), (timer + 8, go, closure))
    assert [KINDS[kind] for kind in found.kind.tolist()] == [TimerKind.CONTEXT] * 2
    assert found.context.tolist() == [context, 0]
    assert found.channel.tolist() == [0xC000, 0]
    assert IS_CONTEXT in found.kind
