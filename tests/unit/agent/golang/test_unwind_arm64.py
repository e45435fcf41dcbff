"""Stacks of arm64: return addresses at the bottom of frames, in link registers, and below interrupted functions."""

from typing import cast

import numpy as np
import pytest
from gosonde_agent.golang.pclntab import Function, Pclntab
from gosonde_agent.golang.unwind import TOP_FRAME, Unwinder

from tests.unit.agent.golang.made_up_code import SIZE, MadeUp, MadeUpCode

BIAS = 0x10_0000
SP = 0xC000_0000
FIRST, CALLER, LEAF, INTERRUPTION = range(4)
FUNCTIONS = (
    MadeUp("runtime.goexit", flag=TOP_FRAME),
    MadeUp("main.caller", 32),
    MadeUp("main.leaf", 0),
    MadeUp("runtime.asyncPreempt", 496),
)


class Code(MadeUpCode):
    """The functions, of arm64."""

    architecture = "arm64"

    def function_of(self, pc: int) -> Function | None:
        details = self.details_of(pc)
        return Function(details.name, details.entry, details.end) if details is not None else None


def inside(function: int) -> int:
    """Where a call in a function returns to, as the process has it."""
    return Code.entry(function) + BIAS + 8


def walked(pc: int, stack: dict[int, int], *, size: int = 1_024, link: int = 0) -> tuple[list[int], bool]:
    """The functions of a stack, innermost first, and whether it is complete; `stack` has its words by offset."""

    def words(_rows: object, addresses: np.typing.NDArray[np.uint64]) -> tuple[object, object]:
        offsets = [int(address) - SP for address in addresses]
        assert all(0 <= offset < size for offset in offsets), "read outside the stack"
        return np.array([stack.get(at, 0) for at in offsets], np.uint64), np.ones(len(offsets), np.bool_)

    def one(value: int) -> np.typing.NDArray[np.uint64]:
        return np.array([value], np.uint64)

    unwinder = Unwinder(cast("Pclntab", Code(FUNCTIONS)))
    walk = unwinder.walk(one(pc), one(SP), one(SP + size), BIAS, words, links=one(link))  # type: ignore[arg-type]
    return [(at - Code.entry(0)) // SIZE for at in walk.pcs[0].tolist() if at], bool(walk.complete[0])


def test_a_function_with_a_frame_has_its_return_address_at_its_stack_pointer() -> None:
    stack = {0: inside(CALLER), 32: inside(FIRST)}
    assert walked(inside(CALLER), stack) == ([CALLER, CALLER, FIRST], True)


def test_a_goroutine_that_never_ran_has_where_it_returns_to_in_its_link_register() -> None:
    assert walked(Code.entry(LEAF) + BIAS, {}, link=inside(FIRST)) == ([LEAF, FIRST], True)


def test_the_link_register_of_a_function_with_a_frame_is_of_an_earlier_call() -> None:
    assert walked(inside(CALLER), {0: inside(FIRST)}, link=inside(LEAF)) == ([CALLER, FIRST], True)


def test_a_function_without_a_frame_and_without_a_link_register_is_the_last_that_is_known() -> None:
    assert walked(inside(LEAF), {0: inside(FIRST)}) == ([LEAF], False)
    assert walked(inside(CALLER), {0: inside(LEAF), 32: inside(FIRST)}) == ([CALLER, LEAF], False)


@pytest.mark.parametrize(("interrupted", "callers"), [(LEAF, [CALLER, FIRST]), (CALLER, [FIRST])])
def test_what_was_interrupted_has_its_link_register_below_it_and_needs_it_where_it_has_no_frame(
    interrupted: int, callers: list[int]
) -> None:
    stack = {0: inside(interrupted), 496: inside(CALLER), 512: inside(FIRST)}
    assert walked(inside(INTERRUPTION), stack) == ([INTERRUPTION, interrupted, *callers], True)


def test_a_stack_that_does_not_end_is_read_as_far_as_it_goes() -> None:
    stack = {at: inside(CALLER) for at in range(0, 128, 32)}
    assert walked(inside(CALLER), stack, size=128) == ([CALLER] * 5, False)
    assert walked(inside(INTERRUPTION), {0: inside(LEAF)}, size=496) == ([INTERRUPTION, LEAF], False)
