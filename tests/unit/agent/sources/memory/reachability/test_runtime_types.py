from collections.abc import Iterator

import pytest
from gosonde_agent.golang.go_types import Kind
from gosonde_agent.sources.memory.errors import ImplausibleMemoryError, UnreadableMemoryError
from gosonde_agent.sources.memory.reachability.runtime_types import MAX_FIELDS, MAX_NAME, RuntimeTypes

from tests.unit.agent.sources.memory.reachability.made_up import TYPES_END, MadeUp

STRUCT, POINTER, INT, FUNCTION, MAP = 25, 22, 2, 19, 21
DIRECT = 1 << 5


@pytest.fixture
def made() -> Iterator[MadeUp]:
    found = MadeUp()
    yield found
    found.close()


def types_of(made: MadeUp, minor: int = 27) -> RuntimeTypes:
    return RuntimeTypes(made.runtime, made.base, minor)


def test_a_struct_is_read_with_its_fields(made: MadeUp) -> None:
    word = made.type("*int", INT, 8, flags=2)
    found = types_of(made).describe(made.struct("main.pair", 16, ("one", word, 0), ("two", word, 8)))
    assert (found.name, found.kind, found.size) == ("main.pair", Kind.STRUCT, 16)
    assert [(field.name, field.offset, found.other(field.type).name) for field in found.fields] == [
        ("one", 0, "int"),
        ("two", 8, "int"),
    ]


def test_up_to_go_1_18_an_offset_is_doubled(made: MadeUp) -> None:
    word = made.type("int", INT, 8)
    found = types_of(made, 18).describe(made.struct("main.pair", 16, ("one", word, 1), ("two", word, 16)))
    assert [field.offset for field in found.fields] == [0, 8]


def test_what_an_interface_holds_is_told_by_its_type_or_its_table_of_methods(made: MadeUp) -> None:
    inner = made.type("main.feed", INT, 8)
    pointer = made.type("*main.feed", POINTER, 8, inner, flags=DIRECT)
    interface = made.type("main.source", 20, 16)
    table = made.put(TYPES_END, interface, pointer, 7)
    types = types_of(made)
    for word in (pointer, table):
        found = types.of_interface(word)
        assert found is not None
        assert (found[0].name, found[1]) == ("*main.feed", True)
    found = types.of_interface(inner)
    assert found is not None
    assert (found[0].name, found[1]) == ("main.feed", False)


def test_a_table_of_methods_with_another_hash_is_none(made: MadeUp) -> None:
    held = made.type("main.feed", INT, 8)
    assert types_of(made).of_interface(made.put(TYPES_END, held, held, 8)) is None


@pytest.mark.parametrize("word", [0, 1, 8, 0x7FFFFFFFFFF8, (1 << 64) - 8])
def test_what_is_no_address_is_no_interface(made: MadeUp, word: int) -> None:
    assert types_of(made).of_interface(word) is None


@pytest.mark.parametrize("kind", [0, 27, 31])
def test_kinds_that_there_are_not_are_refused(made: MadeUp, kind: int) -> None:
    with pytest.raises(ImplausibleMemoryError, match=f"kind {kind}"):
        types_of(made).describe(made.type("main.odd", kind, 8))


def test_sizes_that_no_memory_has_are_refused(made: MadeUp) -> None:
    with pytest.raises(ImplausibleMemoryError):
        types_of(made).describe(made.type("main.huge", INT, 1 << 60))


def test_more_fields_than_any_struct_has_are_refused(made: MadeUp) -> None:
    with pytest.raises(ImplausibleMemoryError, match="fields"):
        types_of(made).describe(made.type("main.many", STRUCT, 8, 0, made.base, MAX_FIELDS + 1, 0))


def test_fields_whose_names_are_nowhere_are_refused(made: MadeUp) -> None:
    rows = made.put(TYPES_END, 8, made.base, 0)
    with pytest.raises(ImplausibleMemoryError, match="without names"):
        types_of(made).describe(made.type("main.odd", STRUCT, 8, 0, rows, 1, 1))


def test_a_field_outside_of_all_memory_is_refused(made: MadeUp) -> None:
    word = made.type("int", INT, 8)
    with pytest.raises(ImplausibleMemoryError, match="outside"):
        types_of(made).describe(made.struct("main.odd", 8, ("far", word, 1 << 60)))


def test_a_long_name_is_cut(made: MadeUp) -> None:
    assert len(types_of(made).describe(made.type("x" * 2_000, INT, 8)).name) == MAX_NAME


def test_a_name_outside_of_memory_is_a_typed_error(made: MadeUp) -> None:
    with pytest.raises(UnreadableMemoryError):
        RuntimeTypes(made.runtime, made.base, 27).describe(made.type("", INT, 8, offset=-(1 << 31)))


def test_an_address_outside_of_the_types_is_refused(made: MadeUp) -> None:
    with pytest.raises(ImplausibleMemoryError, match="no type"):
        types_of(made).describe(made.base + TYPES_END)
