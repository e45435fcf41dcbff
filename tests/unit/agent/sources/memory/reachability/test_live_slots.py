"""Words of made-up stacks: dead where maps say so, alive where they do not, and never read beyond their stack."""

import itertools
import random
from collections.abc import Sequence
from typing import cast

import numpy as np
import pytest
from gosonde_agent.golang.buildinfo import parse_version
from gosonde_agent.golang.pclntab import Pclntab
from gosonde_agent.golang.stack_maps import ARGS_UNKNOWN
from gosonde_agent.model.errors import UnsupportedBinaryError
from gosonde_agent.sources.memory.reachability.live_slots import LiveSlots, Stacks

from tests.unit.agent.golang.made_up_code import MadeUp, MadeUpCode, bitmaps, variables

ARGS, LOCALS, OBJECTS = 0, 1, 2
SP = 0xC000010000
BIAS = 0x10000
GO = parse_version("go1.27.3")
GOEXIT = MadeUp("runtime.goexit", flag=1)
#: Three words of locals, of which the middle one is alive, a saved frame pointer, and the return address.
WAITS = MadeUp("main.waits", 32, funcdata={LOCALS: bitmaps("010")})
CALLS = MadeUp("main.calls", 32, funcdata={LOCALS: bitmaps("000")})
NOTES_DEFERS = MadeUp("main.defers", 96, funcdata={LOCALS: bitmaps("0" * 11)})


def pc_of(index: int) -> int:
    """Where a call in function `index` returns to."""
    return MadeUpCode.entry(index) + 0x20 + BIAS


def dead(
    functions: Sequence[MadeUp],
    stack: Sequence[int],
    *,
    version: str = "go1.27.3",
    defers: int = 0,
    panics: int = 0,
    context: int = 0,
    sp: int = SP,
) -> str:
    """A digit for each word, 1 for a dead one; the innermost function is the first, and goexit's word is added."""
    slots = LiveSlots(cast("Pclntab", MadeUpCode(functions)), parse_version(version))

    def one(number: int) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
        return np.array([number], np.uint64)

    firsts = np.array([0, len(stack) + 1], np.int64)
    words = np.array([*stack, 0], np.uint64)
    stacks = Stacks(words, firsts, one(sp), one(pc_of(0)), one(defers), one(panics), one(context))
    return "".join("01"[int(word)] for word in slots.dead(stacks, BIAS)[:-1])


def test_only_what_the_maps_name_is_alive() -> None:
    stack = [7, 7, 7, 0, pc_of(1), 7, 7, 7, 0, pc_of(2), 7, 7]
    assert dead([WAITS, CALLS, GOEXIT], stack) == "101111111111"


def test_arguments_live_in_the_frame_of_the_caller() -> None:
    takes = MadeUp("main.takes", 0, args=16, funcdata={ARGS: bitmaps("01")})
    assert dead([takes, CALLS, GOEXIT], [pc_of(1), 7, 7, 7, 0, pc_of(2), 7]) == "1101111"


def test_a_frame_without_a_map_lives_whole_and_so_do_its_arguments() -> None:
    assembly = MadeUp("main.assembly", 16, args=8)
    assert dead([assembly, CALLS, GOEXIT], [7, 7, pc_of(1), 7, 7, 7, 0, pc_of(2)]) == "00001111"


@pytest.mark.parametrize(
    "callee", [MadeUp("runtime.asyncPreempt", 8), MadeUp("reflect.makeFuncStub", 8, args=ARGS_UNKNOWN)]
)
def test_who_was_interrupted_or_called_by_reflection_lives_whole(callee: MadeUp) -> None:
    stack = [7, pc_of(1), 7, 7, 7, 0, pc_of(2), 7, 7, 7, 0, pc_of(3)]
    assert dead([callee, CALLS, CALLS, GOEXIT], stack) == "000000011111"


@pytest.mark.parametrize(
    "function",
    [
        MadeUp("runtime.systemstack_switch"),
        MadeUp("runtime.cgocall", 32, funcdata={LOCALS: bitmaps("000")}),
        MadeUp("main.writesSp", 32, flag=2, funcdata={LOCALS: bitmaps("000")}),
        MadeUp("main.damaged", 32, funcdata={LOCALS: bitmaps("000"), OBJECTS: b"\xff" * 8}),
        MadeUp("main.endless", 1 << 29, funcdata={LOCALS: bitmaps("000")}),
        MadeUp("main.noSize", -1),
        MadeUp("main.takesMuch", 32, args=4096, funcdata={LOCALS: bitmaps("000"), ARGS: bitmaps("0" * 512)}),
    ],
)
def test_a_stack_with_what_cannot_be_understood_lives_whole(function: MadeUp) -> None:
    stack = [7, 7, 7, 0, pc_of(1), 7, 7, 7, 0, pc_of(2), 7]
    assert dead([function, CALLS, GOEXIT], stack) == "0" * 11
    assert dead([CALLS, function, GOEXIT], stack) == "0" * 11


def test_a_stack_that_does_not_end_as_a_goroutines_lives_whole() -> None:
    assert dead([CALLS, MadeUp("main.top", flag=1)], [7, 7, 7, 0, pc_of(1)]) == "00000"
    assert dead([CALLS], [7, 7, 7, 0, 12345]) == "00000"
    assert dead([CALLS, GOEXIT], [7, 7, 7, 0, pc_of(1)]) == "11111"
    assert dead([CALLS], [7, 7, 7]) == "000"
    assert dead([CALLS, GOEXIT], [7, 7, 7, 0, pc_of(1)], sp=SP + 4) == "00000"


def test_a_variable_lives_when_a_live_pointer_leads_to_it_over_whatever_others() -> None:
    #: Locals: a variable of one word, one of two words of which the first may be a pointer, and a live pointer.
    three = MadeUp("main.three", 40, funcdata={LOCALS: bitmaps("0001"), OBJECTS: variables((-32, 8, 8), (-24, 16, 8))})
    second = SP + 8
    assert dead([three, GOEXIT], [7, 7, 7, 7, 0, pc_of(1)]) == "111011"
    assert dead([three, GOEXIT], [7, 7, 7, second + 12, 0, pc_of(1)]) == "101011"
    assert dead([three, GOEXIT], [7, SP + 3, 7, second, 0, pc_of(1)]) == "001011"
    assert dead([three, GOEXIT], [second, 7, SP, 7, 0, pc_of(1)]) == "111011"
    assert dead([three, GOEXIT], [7, second, 7, second, 0, pc_of(1)]) == "101011"


def test_variables_that_overlap_or_leave_their_frame_make_it_live_whole() -> None:
    for records in (((-24, 16, 8), (-16, 16, 8)), ((-8, 16, 16),), ((-24, 8, 16),), ((-20, 8, 8),), ((0, 8, 8),)):
        wrong = MadeUp("main.wrong", 32, funcdata={LOCALS: bitmaps("000"), OBJECTS: variables(*records)})
        assert dead([wrong, GOEXIT], [7, 7, 7, 0, pc_of(1), 7]) == "000001", records


@pytest.mark.parametrize(("version", "link"), [("go1.21.13", 5), ("go1.22.0", 4), ("go1.27.3", 4)])
def test_what_deferred_calls_hold_is_alive(version: str, link: int) -> None:
    stack = [7] * 12 + [pc_of(1)]
    stack[link] = SP + 6 * 8
    stack[6 + link] = 0
    assert dead([NOTES_DEFERS, GOEXIT], stack, defers=SP, version=version) == "1110001110001"


def test_deferred_calls_that_are_noted_in_the_heap_make_a_stack_live_whole() -> None:
    stack = [7] * 12 + [pc_of(1)]
    for defers in (0xC000900000, SP - 8, SP + 4, SP + 8 * 13, SP + 8 * 9):
        assert dead([NOTES_DEFERS, GOEXIT], stack, defers=defers) == "0" * 13
    stack[4] = 0xC000900000
    assert dead([NOTES_DEFERS, GOEXIT], stack, defers=SP) == "0" * 13


def test_a_circle_of_deferred_calls_ends() -> None:
    stack = [7] * 12 + [pc_of(1)]
    stack[4] = SP
    assert dead([NOTES_DEFERS, GOEXIT], stack, defers=SP) == "0" * 13


def test_who_panics_or_has_a_context_in_its_stack_lives_whole() -> None:
    stack = [7, 7, 7, 0, pc_of(1)]
    assert dead([CALLS, GOEXIT], stack, context=0xC000900000) == "11111"
    assert dead([CALLS, GOEXIT], stack, context=SP + 16) == "00000"
    assert dead([CALLS, GOEXIT], stack, panics=SP) == "00000"


def test_older_go_and_other_machines_are_refused_by_name() -> None:
    with pytest.raises(UnsupportedBinaryError, match=r"go1\.18 on amd64: it needs Go 1\.19"):
        LiveSlots(cast("Pclntab", MadeUpCode([])), parse_version("go1.18"))


def test_any_words_end_and_each_stack_stands_for_itself() -> None:
    chance = random.Random(3)
    functions = [
        MadeUp("main.three", 40, funcdata={LOCALS: bitmaps("0101"), OBJECTS: variables((-32, 8, 8), (-24, 16, 8))}),
        MadeUp(
            "main.takes",
            24,
            args=16,
            funcdata={LOCALS: bitmaps("01"), ARGS: bitmaps("11"), OBJECTS: variables((0, 16, 16))},
        ),
        MadeUp("main.assembly", 16, args=8),
        MadeUp("runtime.asyncPreempt", 8),
        GOEXIT,
    ]
    values = [*map(pc_of, range(6)), *(SP + 4 * i for i in range(64)), 0, 7, (1 << 64) - 1]
    sizes = [chance.randrange(40) for _ in range(300)]
    firsts = np.concatenate(([0], np.cumsum(sizes)))
    words = np.array(chance.choices(values, k=int(firsts[-1])), np.uint64)
    pcs = np.array(chance.choices(list(map(pc_of, range(6))), k=300), np.uint64)
    sps, others = np.full(300, SP, np.uint64), np.array(chance.choices([0, 0, 0, SP, SP + 16], k=300), np.uint64)
    none = np.zeros(300, np.uint64)
    slots = LiveSlots(cast("Pclntab", MadeUpCode(functions)), GO)
    together = slots.dead(Stacks(words, firsts, sps, pcs, others, none, none), BIAS)
    assert 0 < together.sum() < len(together)
    for i, (begin, end) in enumerate(itertools.pairwise(firsts.tolist())):
        one = slice(i, i + 1)
        own = Stacks(
            words[begin:end], np.array([0, end - begin]), sps[one], pcs[one], others[one], none[one], none[one]
        )
        assert slots.dead(own, BIAS).tolist() == together[begin:end].tolist()
