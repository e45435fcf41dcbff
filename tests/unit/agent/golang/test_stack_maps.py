"""Stack maps say what lives in a frame; what they do not say is not known, and what contradicts itself is refused."""

from typing import cast

import pytest
from gosonde_agent.golang.pclntab import Pclntab
from gosonde_agent.golang.stack_maps import ARGS_UNKNOWN, StackMap, StackMaps
from gosonde_agent.model.errors import MalformedBinaryError

from tests.unit.agent.golang.made_up_code import MadeUp, MadeUpCode, bitmaps, variables

ARGS, LOCALS, OBJECTS = 0, 1, 2


def stack_map(function: MadeUp, at: int = 0x20) -> StackMap | None:
    code = cast("Pclntab", MadeUpCode([function]))
    details = code.details_of(MadeUpCode.entry(0))
    assert details is not None
    return StackMaps(code).at(details, details.entry + at)


def known(function: MadeUp, at: int = 0x20) -> StackMap:
    found = stack_map(function, at)
    assert found is not None
    return found


def test_the_map_that_holds_at_a_call_is_the_one_of_its_number() -> None:
    funcdata = {LOCALS: bitmaps("110000001", "001000010"), ARGS: bitmaps("10", "01")}
    found = known(MadeUp("main.f", 128, index=1, args=16, funcdata=funcdata))
    assert found.locals is not None
    assert found.args is not None
    assert found.locals.tolist() == [False, False, True, False, False, False, False, True, False]
    assert found.args.tolist() == [False, True]
    assert (found.frame_bytes, found.args_bytes, found.locals_end) == (128, 16, 120)


def test_a_function_that_has_not_begun_is_called_with_what_its_first_map_says() -> None:
    found = known(MadeUp("main.f", 0, index=7, args=8, funcdata={ARGS: bitmaps("1", "0")}), at=0)
    assert found.args is not None
    assert found.args.tolist() == [True]
    assert found.locals is not None
    assert len(found.locals) == 0


def test_amid_a_function_without_a_number_nothing_is_known() -> None:
    found = known(MadeUp("main.f", 64, index=-1, args=8, funcdata={LOCALS: bitmaps("1"), ARGS: bitmaps("1")}))
    assert (found.locals, found.args) == (None, None)


def test_a_frame_without_maps_is_not_known() -> None:
    found = known(MadeUp("runtime.assembly", 64, args=8))
    assert (found.locals, found.args) == (None, None)


def test_arguments_of_a_size_that_only_the_runtime_knows_are_not_known() -> None:
    found = known(MadeUp("reflect.makeFuncStub", 64, args=ARGS_UNKNOWN, funcdata={ARGS: bitmaps("1")}))
    assert (found.args_bytes, found.args) == (None, None)


def test_variables_have_a_place_a_size_and_a_part_with_pointers() -> None:
    found = known(MadeUp("main.f", 64, funcdata={LOCALS: bitmaps("1"), OBJECTS: variables((-32, 24, -16), (0, 8, 8))}))
    assert found.objects.tolist() == [[-32, 24, 16], [0, 8, 8]]


def test_a_frame_of_no_known_size_has_no_map() -> None:
    assert stack_map(MadeUp("main.f", -1)) is None
    assert stack_map(MadeUp("main.f", 12)) is None


@pytest.mark.parametrize(
    "funcdata",
    [
        {LOCALS: bitmaps("1", "0")},
        {LOCALS: b"\0\0\0\0\1\0\0\0"},
        {LOCALS: b"\xff\xff\xff\xff\1\0\0\0"},
        {LOCALS: b"\1\0\0\0\xff\xff\xff\x7f"},
        {LOCALS: b"\xff\0\0\0\xff\0\0\0"},
        {LOCALS: bitmaps(""), OBJECTS: b"\xff" * 8},
        {LOCALS: bitmaps(""), OBJECTS: b"\xff\xff\0\0\0\0\0\0"},
    ],
)
def test_tables_that_contradict_themselves_are_refused(funcdata: dict[int, bytes]) -> None:
    with pytest.raises(MalformedBinaryError):
        stack_map(MadeUp("main.f", 64, index=2, funcdata=funcdata))
