"""What a person has chosen to see: order, filter, row, page; and what each key changes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gosonde_cli.top import keys
from gosonde_cli.top.picture import Entry, Key, Picture

#: By the key that asks for it: the name of an order, and what it sorts by.
ORDERS: Final[dict[str, tuple[str, Callable[[Entry], Any]]]] = {
    "l": ("live", lambda entry: (-entry.live, -entry.created.number)),
    "c": ("created/s", lambda entry: (-entry.created.number, -entry.live)),
    "e": ("exited/s", lambda entry: (-entry.exited.number, -entry.live)),
    "w": ("what they wait for", lambda entry: (not entry.waits, entry.waits, -entry.live)),
    "f": ("function", lambda entry: (entry.key.function, -entry.live)),
}
#: Characters of a filter.
LONGEST_FILTER: Final = 60
LIST, DETAILS, HELP = "list", "details", "help"


@dataclass(slots=True)
class View:
    """Of one terminal. `page` is how many rows it shows; set when a frame is made."""

    order: str = "l"
    filter: str = ""
    is_typing: bool = False
    paused: Picture | None = None
    selected: Key | None = None
    mode: str = LIST
    first: int = 0
    page: int = 1
    has_quit: bool = False

    def entries(self, picture: Picture) -> list[Entry]:
        """Those that the filter leaves, in the order that was chosen."""
        wanted = self.filter.lower()
        found = [entry for entry in picture.entries if not wanted or wanted in _searched(entry)]
        return sorted(found, key=ORDERS[self.order][1])

    def position(self, entries: Sequence[Entry]) -> int:
        """Of the selected row; of the first where it is gone."""
        return next((at for at, entry in enumerate(entries) if entry.key == self.selected), 0)

    def press(self, key: str, now: Picture) -> None:
        """Does what a key means, where `now` is the newest picture."""
        if self.is_typing:
            self._type(key)
        elif key == "q":
            self.has_quit = True
        elif key == "?":
            self._show(LIST if self.mode == HELP else HELP)
        elif key == " ":
            self.paused = now if self.paused is None else None
        elif self.mode != LIST and key in {keys.ESCAPE, keys.ENTER}:
            self._show(LIST)
        elif key in _STEPS:
            self._move(key, self.paused or now)
        elif self.mode == LIST:
            self._choose(key, self.paused or now)

    def _type(self, key: str) -> None:
        if key in {keys.ENTER, keys.ESCAPE}:
            self.is_typing = False
            self.filter = "" if key == keys.ESCAPE else self.filter
        elif key == keys.ERASE:
            self.filter = self.filter[:-1]
        elif len(key) == 1:
            self.filter = (self.filter + key)[:LONGEST_FILTER]

    def _choose(self, key: str, picture: Picture) -> None:
        if key in ORDERS:
            self.order = key
        elif key == "/":
            self.is_typing = True
        elif key == keys.ESCAPE:
            self.filter = ""
        elif key == keys.ENTER and (entries := self.entries(picture)):
            self.selected = entries[self.position(entries)].key
            self._show(DETAILS)

    def _show(self, mode: str) -> None:
        self.mode, self.first = mode, 0

    def _move(self, key: str, picture: Picture) -> None:
        step = _STEPS[key](max(self.page, 1))
        if self.mode != LIST:
            self.first = max(self.first + step, 0)
        elif entries := self.entries(picture):
            at = min(max(self.position(entries) + step, 0), len(entries) - 1)
            self.selected = entries[at].key


#: More than any list is long.
_FAR: Final = 1 << 40
_STEPS: Final[dict[str, Callable[[int], int]]] = {
    "up": lambda _: -1,
    "k": lambda _: -1,
    "down": lambda _: 1,
    "j": lambda _: 1,
    "page-up": lambda page: -page,
    "page-down": lambda page: page,
    "home": lambda _: -_FAR,
    "end": lambda _: _FAR,
}


def _searched(entry: Entry) -> str:
    key = entry.key
    return f"{key.function} {key.place} {entry.waits} {key.host} {key.pid} {entry.exe}".lower()
