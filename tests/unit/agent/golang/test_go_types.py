import pytest
from gosonde_agent.golang.go_types import MAX_DEPTH, Field, GoType, Kind, place_in
from gosonde_agent.model.errors import MalformedBinaryError


class Types:
    """A source of types that a test makes up."""

    def __init__(self) -> None:
        self.known: dict[int, GoType] = {}

    def describe(self, reference: int) -> GoType:
        """The one of that number."""
        if reference not in self.known:
            raise MalformedBinaryError(f"no type {reference}")
        return self.known[reference]

    def struct(self, reference: int, size: int, *fields: Field) -> GoType:
        """Adds a struct."""
        return self._add(reference, GoType(f"main.t{reference}", Kind.STRUCT, size, self, fields=fields))

    def array(self, reference: int, element: int, length: int, size: int) -> GoType:
        """Adds an array."""
        return self._add(reference, GoType("[]", Kind.ARRAY, size, self, element=element, length=length))

    def plain(self, reference: int, size: int) -> GoType:
        """Adds a type of no parts."""
        return self._add(reference, GoType("int", Kind.PLAIN, size, self))

    def _add(self, reference: int, found: GoType) -> GoType:
        self.known[reference] = found
        return found


def test_the_way_to_a_field_of_an_element_is_written_as_in_go() -> None:
    types = Types()
    types.plain(1, 8)
    types.struct(2, 16, Field("count", 0, 1), Field("events", 8, 1))
    types.array(3, 2, 4, 64)
    outer = types.struct(4, 72, Field("lock", 0, 1), Field("subs", 8, 3))
    place = place_in(outer, 8 + 3 * 16 + 8)
    assert (place.text, place.type.name, place.offset) == (".subs[3].events", "int", 0)


def test_of_fields_at_one_offset_the_one_with_bytes_is_meant() -> None:
    types = Types()
    types.plain(1, 8)
    types.struct(2, 0)
    outer = types.struct(3, 8, Field("empty", 0, 2), Field("value", 0, 1), Field("nothing", 0, 2))
    assert place_in(outer, 0).text == ".value"


def test_padding_is_named_by_what_it_pads() -> None:
    types = Types()
    types.plain(1, 1)
    outer = types.struct(2, 16, Field("flag", 0, 1))
    place = place_in(outer, 8)
    assert (place.text, place.type, place.offset) == ("", outer, 8)


def test_a_struct_in_itself_ends() -> None:
    types = Types()
    outer = types.struct(1, 8, Field("again", 0, 1))
    assert len(place_in(outer, 0).parts) == MAX_DEPTH


def test_elements_of_no_size_are_not_counted() -> None:
    types = Types()
    types.struct(1, 0)
    assert place_in(types.array(2, 1, 1 << 40, 8), 4).parts == ()


def test_a_field_of_a_type_that_nothing_describes_is_an_error() -> None:
    outer = Types().struct(1, 8, Field("unknown", 0, 99))
    with pytest.raises(MalformedBinaryError, match="no type 99"):
        place_in(outer, 0)
