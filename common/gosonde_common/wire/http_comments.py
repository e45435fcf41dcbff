"""To which hosts a process has HTTP connections, as a comment of a profile in JSON."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple
from typing import Any, Final

from gosonde_common.errors import InvalidInputError
from gosonde_common.values.http import MOST_CHARACTERS, MOST_HOSTS, HostConnections

START: Final = "HTTP connections read by gosonde: "
#: Connections.
MOST: Final = (1 << 63) - 1
NUMBERS: Final = 5


def comments(found: Sequence[HostConnections]) -> Iterator[str]:
    """One, or none where there are no connections."""
    if found:
        yield START + json.dumps([astuple(one) for one in found], ensure_ascii=True, separators=(",", ":"))


def read(texts: Iterable[str]) -> tuple[HostConnections, ...]:
    """What the first such comment says; others are passed over.

    Raises:
        InvalidInputError: It says what cannot be.
    """
    text = next((text for text in texts if text.startswith(START)), None)
    if text is None:
        return ()
    try:
        return tuple(map(_host, _rows(json.loads(text.removeprefix(START)))))
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidInputError(f"the comment about HTTP connections is damaged: {error}") from error


def _rows(value: object) -> list[Any]:
    if not isinstance(value, list) or len(value) > MOST_HOSTS:
        raise ValueError(f"not a list of at most {MOST_HOSTS} hosts")
    return value


def _host(row: Any) -> HostConnections:  # noqa: ANN401 - whatever the JSON has
    host, *numbers = row
    if not isinstance(host, str) or len(host) > MOST_CHARACTERS:
        raise ValueError(f"not a host of at most {MOST_CHARACTERS} characters")
    if len(numbers) != NUMBERS or not all(type(one) is int and 0 <= one <= MOST for one in numbers):
        raise ValueError(f"not {NUMBERS} numbers of connections")
    found = HostConnections(host, *numbers)
    if found.bodies + found.waiting + found.idle > found.connections or found.on_no_stack > found.bodies:
        raise ValueError("more connections in states than there are")
    return found
