"""Texts of goroutines that are alike, and of calls that are in many stacks: made once, within a bound."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gosonde_common.values.goroutines import Kind, Location

#: Characters that are kept of texts of kinds and of texts of calls, each.
MOST_KEPT: Final = 8 << 20
#: Beside its text, an entry takes some room.
ENTRY: Final = 256


class KeptTexts:
    """The parts of text that all goroutines of a kind share; `parts` makes them, and `call` the text of one call.

    What was kept goes all at once when it is too much: a program with so many different stacks shows each a few times.
    """

    def __init__(
        self, parts: "Callable[[Kind, KeptTexts], tuple[str, ...]]", call: "Callable[[Location], str]"
    ) -> None:
        self._make_parts, self._make_call = parts, call
        self._parts: dict[Kind, tuple[str, ...]] = {}
        self._calls: dict[Location, str] = {}
        self._room_for_parts = self._room_for_calls = MOST_KEPT

    def of(self, kind: "Kind") -> tuple[str, ...]:
        """Its parts."""
        if (known := self._parts.get(kind)) is not None:
            return known
        made = self._make_parts(kind, self)
        self._room_for_parts -= ENTRY + sum(map(len, made))
        if self._room_for_parts < 0:
            self._parts.clear()
            self._room_for_parts = MOST_KEPT
        self._parts[kind] = made
        return made

    def call(self, location: "Location") -> str:
        """Its text."""
        if (known := self._calls.get(location)) is not None:
            return known
        made = self._make_call(location)
        self._room_for_calls -= ENTRY + len(made)
        if self._room_for_calls < 0:
            self._calls.clear()
            self._room_for_calls = MOST_KEPT
        self._calls[location] = made
        return made
