import pytest
from gosonde_agent.golang.dwarf_types import MAX_NAME, DwarfTypes
from gosonde_agent.golang.go_types import Kind, place_in
from gosonde_agent.model.errors import MalformedBinaryError, UnsupportedBinaryError

from tests.unit.agent.golang.elf_file import Description, image

ADDRESS = 0x500000


def read(description: Description) -> DwarfTypes:
    """The types of a file with that DWARF."""
    return DwarfTypes(image(description.sections()))


def test_a_variable_is_found_by_any_address_within_it() -> None:
    made = Description()
    word = made.base("int", 8)
    pair = made.struct("main.pair", 16, ("one", 0, word), ("two", 8, word))
    made.variable("main.pairs", ADDRESS, made.array("[4]main.pair", 64, pair, 4))
    variable = read(made).variable_at(ADDRESS + 3 * 16 + 8)
    assert variable is not None
    assert variable.name + place_in(variable.type, 3 * 16 + 8).text == "main.pairs[3].two"
    assert read(made).variable_at(ADDRESS + 64) is None
    assert read(made).variable_at(ADDRESS - 1) is None


def test_a_pointer_names_what_it_points_at() -> None:
    made = Description()
    pair = made.struct("main.pair", 16)
    types = read(made)
    made.variable("main.there", ADDRESS, made.alias("*main.pair", made.alias("main.pair", pair), is_pointer=True))
    types = read(made)
    variable = types.variable_at(ADDRESS)
    assert variable is not None
    assert variable.type.kind is Kind.POINTER
    assert types.describe(variable.type.element).name == "main.pair"


def test_a_file_without_dwarf_is_refused_by_that_name() -> None:
    with pytest.raises(UnsupportedBinaryError, match="no DWARF"):
        DwarfTypes(image({}))


def test_a_name_of_a_type_for_itself_costs_its_variable_alone() -> None:
    made = Description()
    made.alias("main.loop", made.here)
    made.variable("main.endless", ADDRESS, made.here - len("main.loop") - 6)
    made.variable("main.fine", ADDRESS + 8, made.base("int", 8))
    types = read(made)
    assert types.variable_at(ADDRESS) is None
    found = types.variable_at(ADDRESS + 8)
    assert found is not None
    assert found.name == "main.fine"


@pytest.mark.parametrize("reference", [0, 1, 0x7FFFFFFF])
def test_a_type_outside_of_the_dwarf_costs_its_variable_alone(reference: int) -> None:
    made = Description()
    made.variable("main.lost", ADDRESS, reference)
    assert read(made).variable_at(ADDRESS) is None


def test_an_array_of_itself_is_refused() -> None:
    made = Description()
    made.array("[2]loop", 0, made.here, 2)
    with pytest.raises(MalformedBinaryError):
        read(made).describe(made.here - len("[2]loop") - 10)


def test_a_type_larger_than_memory_is_refused() -> None:
    made = Description()
    huge = made.struct("main.huge", 1 << 60)
    with pytest.raises(MalformedBinaryError, match="bytes"):
        read(made).describe(huge)


def test_a_long_name_is_cut() -> None:
    made = Description()
    long = made.struct("x" * 5 * MAX_NAME, 8)
    assert len(read(made).describe(long).name) == MAX_NAME


def test_bytes_that_look_like_many_variables_cost_no_more_than_a_look_at_a_few() -> None:
    sections = Description().sections()
    info = bytearray(sections[".debug_info"]) + b"\x09\x03\x01\0\0\0\0\0\0\0" * 400_000
    info[:4] = (len(info) - 4).to_bytes(4, "little")
    types = DwarfTypes(image(sections | {".debug_info": bytes(info)}))
    assert types.variable_at(1) is None
