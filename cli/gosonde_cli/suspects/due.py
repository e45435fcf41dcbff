"""When something that takes its time is done again."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

#: Between two times there are so many seconds, and so many times what the last one took.
APART_SECONDS: Final = 0.5
SHARE: Final = 20


class Due:
    """Says when it is time again; the first time is at once."""

    def __init__(self) -> None:
        self._next = 0.0

    @property
    def is_now(self) -> bool:
        """Whether it is time."""
        return time.monotonic() >= self._next

    @contextmanager
    def taking(self) -> Iterator[None]:
        """Notes how long the block takes."""
        began = time.monotonic()
        try:
            yield
        finally:
            ended = time.monotonic()
            self._next = ended + max(APART_SECONDS, SHARE * (ended - began))
