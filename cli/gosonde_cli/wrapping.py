"""Text in lines that fit, in which no path is broken inside a word."""

import textwrap
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from rich.cells import cell_len

from gosonde_cli.rendering import cell
from gosonde_cli.tables.shortening import OF_FUNCTIONS, OF_PATHS, shortened


class Line(NamedTuple):
    """A line, and what stands before each line that it becomes after the first."""

    text: str
    indent: str = "  "


def fitted(lines: Iterable[Line | str], width: int) -> Iterator[str]:
    """Lines of so many columns; text alone stays as it is. A word without room is shortened from the left.

    Args:
        lines: What is printed, still as it was read.
        width: Columns; 0 for whole lines.
    """
    for line in lines:
        if isinstance(line, str):
            yield line
        elif width:
            yield from _wrapped(cell(line.text), line.indent, width)
        else:
            yield cell(line.text)


def _wrapped(text: str, indent: str, width: int) -> list[str]:
    first = text[: len(text) - len(text.lstrip(" "))]
    room = width - max(len(first), len(indent))
    words = (word if cell_len(word) <= room else _short(word, room) for word in text[len(first) :].split(" "))
    return textwrap.wrap(
        first + " ".join(words), width, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    )


def _short(word: str, room: int) -> str:
    is_path = word.startswith("/")
    return shortened(word, room, OF_PATHS if is_path else OF_FUNCTIONS)
