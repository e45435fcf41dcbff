"""The one way of a foreign string to a person: to a terminal, into a log, a JSON document or a metric's label.

Paths, symbol names, host names and messages are written by programs and peers that nobody trusts. Printed raw they move
the cursor, hide what stands beside them, or make up lines of their own.
"""

import json
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import asdict, is_dataclass
from functools import lru_cache
from typing import IO, Any, Final

#: A longer text is cut and ends in "…".
MAX_TEXT: Final = 4_096
#: Controls, formats (bidirectional and zero-width ones among them), lone surrogates, private and unassigned characters,
#: and what separates lines.
UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
#: Takes no room, or that of the character before it, though its category is one of letters or marks.
FILLERS: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
VARIATIONS: Final = (range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))
ENDING: Final = "…"


def is_shown(character: str) -> bool:
    """Whether a terminal shows a character as itself, where it stands."""
    if character.isascii():
        return character.isprintable()
    return not (
        unicodedata.category(character) in UNSEEN
        or character in FILLERS
        or any(ord(character) in part for part in VARIATIONS)
    )


def shown(value: object, most: int = MAX_TEXT) -> str:
    """The value as text that a terminal shows as it stands, on one line and of bounded length."""
    text = bounded(str(value), most)
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if is_shown(c) else _escaped(c) for c in text)


def lines(value: object, most: int = MAX_TEXT) -> str:
    """As `shown`, for text of ours that has lines of its own: line feeds and tabs stay. Never for a foreign string."""
    return "\n".join("\t".join(shown(cell, most) for cell in line.split("\t")) for line in str(value).split("\n"))


def dumps(document: Any, *, indent: int | None = None) -> str:  # noqa: ANN401 - whatever json knows, and dataclasses
    r"""A JSON document in which what a terminal would not show stands as \u escapes: whoever reads it gets it back."""
    return _json_escaped(json.dumps(document, default=_plain, indent=indent, ensure_ascii=False))


def dump(document: Any, out: IO[str], *, indent: int | None = None) -> None:  # noqa: ANN401
    """Writes what `dumps` gives, piece by piece."""
    encoder = json.JSONEncoder(default=_plain, indent=indent, ensure_ascii=False)
    out.writelines(map(_json_escaped, encoder.iterencode(document)))


def shown_within(value: Any) -> Any:  # noqa: ANN401 - whatever a log or a metric takes
    """The value with every string in it as `shown`; numbers and the like stay what they are."""
    return _within(value, shown)


def cut(value: Any) -> Any:  # noqa: ANN401
    """The value with every string in it as it is, but of bounded length; what JSON does not know as text."""
    return _within(value, lambda text: bounded(str(text), MAX_TEXT))


def _within(value: Any, change: Callable[[object], str]) -> Any:  # noqa: ANN401
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {change(key): _within(part, change) for key, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_within(part, change) for part in value]
    return change(value)


def bounded(text: str, most: int) -> str:
    """The text, or so many characters of it, the last of which says that it goes on."""
    return text if len(text) <= most else text[: most - 1] + ENDING


@lru_cache(maxsize=1 << 12)
def _escaped(character: str) -> str:
    number = ord(character)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def _json_escaped(text: str) -> str:
    if text.isascii():
        return text if "\x7f" not in text else text.replace("\x7f", "\\u007f")
    return "".join(c if c == "\n" or is_shown(c) else json.dumps(c)[1:-1].replace("\x7f", "\\u007f") for c in text)


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
