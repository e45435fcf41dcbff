"""What columns of tables are, and how wide each is where all of them are to fit."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from rich.cells import cell_len

from gosonde_cli.tables import shortening

#: Between two columns.
GAP: Final = 2
#: What a column of names, or of other text, is not made narrower than for the sake of others that are less important.
ENOUGH: Final = 24
ENOUGH_TEXT: Final = 16


class Kind(Enum):
    """What the values of a column are, which says how they may be shortened."""

    WHOLE = "never"
    TEXT = "at its end"
    PATH = "at its beginning, between names of folders"
    FUNCTION = "at its beginning, between packages, types and functions"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        rank: Where room is missing, columns of the highest rank go first; those of rank 0 stay.
        shared: What the value is called below the table when all rows have the same, and there is no column for it;
            empty for a column that stays.
        optional: There is no column for it where no row has a value.
    """

    title: str
    kind: Kind = Kind.WHOLE
    rank: int = 0
    shared: str = ""
    optional: bool = False

    def fitted(self, text: str, width: int) -> str:
        """A value in so many columns."""
        match self.kind:
            case Kind.PATH:
                return shortening.shortened(text, width, shortening.OF_PATHS)
            case Kind.FUNCTION:
                return shortening.shortened(text, width, shortening.OF_FUNCTIONS)
            case Kind.TEXT:
                return shortening.cut(text, width)
        return text

    def bounds(self, texts: Sequence[str]) -> tuple[int, int]:
        """(the least, the full) width for these values and the title; the least is not less than what says enough."""
        title = cell_len(self.title)
        full = max([title, *map(cell_len, texts)])
        match self.kind:
            case Kind.WHOLE:
                return full, full
            case Kind.PATH:
                least = min(max([shortening.least(text, shortening.OF_PATHS) for text in texts], default=0), ENOUGH)
            case Kind.FUNCTION:
                least = min(full, ENOUGH)
            case Kind.TEXT:
                least = min(full, ENOUGH_TEXT)
        return max(title, least), full


def widths(columns: Sequence[Column], texts: Sequence[Sequence[str]], room: int) -> dict[int, int]:
    """The width of each column that is shown, by its position.

    Columns are made narrower first, then those of the highest rank go. What is left of the room goes to those that are
    not whole, one after the other.

    Args:
        texts: The values of each column.
        room: Columns of the terminal.
    """
    bounds = {position: column.bounds(texts[position]) for position, column in enumerate(columns)}
    while _sum(least for least, _ in bounds.values()) > room:
        last = max(bounds, key=lambda position: (columns[position].rank, position))
        if not columns[last].rank:
            break
        del bounds[last]
    result = {position: least for position, (least, _) in bounds.items()}
    if (missing := _sum(result.values()) - room) > 0:
        _narrow(columns, result, missing)
    while (spare := room - _sum(result.values())) > 0:
        open_ = [position for position, (_, full) in bounds.items() if result[position] < full]
        if not open_:
            break
        for position in open_[:spare]:
            result[position] += 1
    return result


def _sum(widths_: Iterable[int]) -> int:
    """With the gaps between them."""
    numbers = list(widths_)
    return sum(numbers) + GAP * (len(numbers) - 1)


def _narrow(columns: Sequence[Column], result: dict[int, int], missing: int) -> None:
    """Takes from the widest that may be shortened, down to the width of their titles."""
    while missing > 0:
        may = [p for p in result if columns[p].kind is not Kind.WHOLE and result[p] > cell_len(columns[p].title)]
        if not may:
            return
        widest = max(may, key=lambda position: result[position])
        result[widest] -= 1
        missing -= 1
