"""How many goroutines have which labels, as comments of a profile: one in JSON for each place."""

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from gosonde_common.errors import InvalidInputError
from gosonde_common.values.goroutines import Location
from gosonde_common.values.labels import (
    MOST_CHARACTERS,
    MOST_KEYS,
    MOST_PLACES,
    MOST_VALUES,
    KeyCount,
    PlaceLabels,
)

START: Final = "labels read by gosonde: "
#: Bytes of a comment, and of all of them.
MOST_BYTES, MOST_BYTES_IN_ALL = 60_000, 2 << 20
#: Characters of a function or file.
MOST_NAME: Final = 8_192
#: Goroutines, and lines.
MOST: Final = (1 << 63) - 1


def comments(found: Iterable[PlaceLabels]) -> Iterator[str]:
    """One for each place, as far as there is room; the rarest keys go first. What `read` refuses is left out."""
    room = MOST_BYTES_IN_ALL
    for place in filter(_can_be, found):
        keys = list(place.keys)
        while (size := len((text := _comment(place, keys)).encode("utf-8", "replace"))) > MOST_BYTES and keys:
            keys.pop()
        if size > min(MOST_BYTES, room):
            continue
        room -= size
        yield text


def _can_be(of: PlaceLabels) -> bool:
    place = of.place
    return max(len(place.function), len(place.file)) <= MOST_NAME and 0 <= place.line <= MOST and of.goroutines <= MOST


def _comment(of: PlaceLabels, keys: Iterable[KeyCount]) -> str:
    place = [of.place.function, of.place.file, of.place.line, of.goroutines]
    counts = [[key.key, key.goroutines, key.missed, key.values] for key in keys]
    return START + json.dumps([*place, counts], ensure_ascii=False, separators=(",", ":"))


def read(texts: Iterable[str]) -> tuple[PlaceLabels, ...]:
    """What such comments say; others are passed over.

    Raises:
        InvalidInputError: One says what cannot be, or there are too many.
    """
    own = [text.removeprefix(START) for text in texts if text.startswith(START)]
    if len(own) > MOST_PLACES + 1:
        raise InvalidInputError(f"more than {MOST_PLACES + 1} comments about labels")
    return tuple(_place(number, text) for number, text in enumerate(own))


def _place(number: int, text: str) -> PlaceLabels:
    try:
        function, file, line, goroutines, counts = json.loads(text)
        place = Location(_text(function, MOST_NAME), _text(file, MOST_NAME), _number(line, MOST))
        everyone = _number(goroutines, MOST)
        keys = tuple(_key(of, everyone) for of in _listed(counts, MOST_KEYS))
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidInputError(f"comment {number} about labels is damaged: {error}") from error
    return PlaceLabels(place, everyone, keys)


def _key(of: Any, everyone: int) -> KeyCount:  # noqa: ANN401 - whatever the JSON has
    key, goroutines, missed, values = of
    having = _number(goroutines, everyone)
    pairs = tuple((_text(value, MOST_CHARACTERS), _number(n, having)) for value, n in _listed(values, MOST_VALUES))
    if sum(n for _, n in pairs) > having:
        raise ValueError("more goroutines have the values of a key than the key")
    return KeyCount(_text(key, MOST_CHARACTERS), having, pairs, _number(missed, having))


def _text(value: object, most: int) -> str:
    if not isinstance(value, str) or len(value) > most:
        raise ValueError(f"not a text of at most {most} characters")
    return value


def _number(value: object, most: int) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError(f"not a number from 0 to {most}")
    return value


def _listed(value: object, most: int) -> list[Any]:
    if not isinstance(value, list) or len(value) > most:
        raise ValueError(f"not a list of at most {most}")
    return value
