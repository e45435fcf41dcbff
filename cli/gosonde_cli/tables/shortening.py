"""Long names in little room: shortened from the left, at the boundaries that the names have themselves."""

import re
from typing import Final

from rich.cells import cell_len, set_cell_size

#: Stands for what was left out.
LEFT_OUT: Final = "…"
#: Where the rest of a path may begin, and where that of a Go function may: not inside of (*T) and [...].
OF_PATHS: Final = re.compile(r"/")
OF_FUNCTIONS: Final = re.compile(r"/|(?<![.(\[])\.(?![.\])])")


def shortened(text: str, width: int, boundaries: re.Pattern[str]) -> str:
    """The text, or as much of its end as fits into so many columns: "…/payment.go:18".

    It begins at a boundary. Where nothing that begins at one fits, it is cut where the room ends.
    """
    if cell_len(text) <= width:
        return text
    for place in boundaries.finditer(text, 1):
        end = text[place.start() :]
        if cell_len(end) < width:
            return LEFT_OUT + end
    return LEFT_OUT + set_cell_size(text[::-1], width - 1)[::-1] if width > 0 else ""


def least(text: str, boundaries: re.Pattern[str]) -> int:
    """How many columns the shortest end takes that begins at a boundary."""
    places = [place.start() for place in boundaries.finditer(text, 1)]
    return cell_len(LEFT_OUT + text[places[-1] :]) if places else cell_len(text)


def cut(text: str, width: int) -> str:
    """The text, or as much of its beginning as fits into so many columns."""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, width - 1) + LEFT_OUT if width > 0 else ""
