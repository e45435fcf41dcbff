"""The lines of the compiler's output, each as what it says.

Lines come from anybody: nothing here takes more time than in proportion to their length.
"""

import io
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

#: Bytes of one line: the source of an inlined function stands in one.
MAX_LINE: Final = 64 << 10
#: `FILE:LINE:COLUMN: `, with the place without a //line directive in brackets.
PLACE: Final = re.compile(
    r"(?P<file>[^:]{1,4096}):(?P<line>\d{1,9})(?::(?P<column>\d{1,9}))?(?:\[[^\]]{0,4096}\])?: ", re.ASCII
)
#: `FILE:LINE`, at the end of a step.
AT: Final = re.compile(r"(?P<file>[^:]{1,4096}):(?P<line>\d{1,9})(?::\d{1,9})?", re.ASCII)


class Said(NamedTuple):
    """A line that is about a place."""

    file: str
    line: int
    column: int
    text: str


class Step(NamedTuple):
    """`from EXPRESSION (WORD) at FILE:LINE:COLUMN`."""

    expression: str
    word: str
    file: str
    line: int


def read(data: bytes) -> Iterator[str | None]:
    """Yields each line without its end; None for one that is not text, too long, or without an end."""
    source, within = io.BytesIO(data), False
    while raw := source.readline(MAX_LINE):
        torn, within = within, not raw.endswith(b"\n")
        if not torn:
            yield None if within else _text(raw)


def _text(raw: bytes) -> str | None:
    try:
        return raw.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        return None


def placed(text: str) -> Said | None:
    """What a line says of a place; None where it begins with none."""
    found = PLACE.match(text)
    if not found:
        return None
    return Said(found["file"], int(found["line"]), int(found["column"] or 0), text[found.end() :])


def step(text: str) -> Step | None:
    """One step of an explanation."""
    before, _, at = text.rpartition(") at ")
    expression, _, word = before.rpartition(" (")
    found = AT.match(at)
    return Step(expression.strip().removeprefix("from "), word, found["file"], int(found["line"])) if found else None


def explained(text: str) -> tuple[str, str, bool] | None:
    """(value, function, whether it leaks to the heap) of the line that begins an explanation.

    The function is empty before Go 1.25.
    """
    if not text.endswith(":"):
        return None
    if text.startswith("parameter ") and " leaks to " in text:
        name, _, rest = text.removeprefix("parameter ").partition(" leaks to ")
        function = rest.partition(" for ")[2].partition(" with derefs=")[0]
        return name, function, rest.startswith("{heap} ")
    name, said, rest = text[:-1].rpartition(" escapes to heap")
    return (name, rest.removeprefix(" in "), True) if said and (not rest or rest.startswith(" in ")) else None


def declared(text: str) -> str:
    """The function of which a line says whether it can be inlined; empty for other lines."""
    if text.startswith("can inline "):
        return text.removeprefix("can inline ").partition(" with cost ")[0]
    return text.removeprefix("cannot inline ").partition(": ")[0] if text.startswith("cannot inline ") else ""
