"""The lines of a text profile, one at a time, with their numbers."""

import io
from collections.abc import Iterator

from gosonde_collector.model.errors import ProfileError, Refusal

#: Frames of one goroutine: the runtime prints no more than 100, gosonde reads 2,048 calls and what is inlined in them.
MAX_FRAMES = 10_000
#: Characters of one line; labels and the arguments of type parameters make long ones.
MAX_LINE = 64 << 10


class Lines:
    """Iterates over lines without their ends and blanks there.

    Attributes:
        number: Of the line given last, from 1.
        whole: Whether that line had an end.
        foreign: Where it was not UTF-8, in words; empty when it was.
    """

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)
        self.number = 0
        self.whole = True
        self.foreign = ""

    def __iter__(self) -> Iterator[str]:
        """Yields each line; raises ProfileError for one that is too long."""
        while raw := self._data.readline(MAX_LINE + 1):
            self.number += 1
            if len(raw) > MAX_LINE:
                raise self.error(f"is longer than {MAX_LINE} bytes", Refusal.TOO_LARGE)
            self.whole = raw.endswith(b"\n")
            self.foreign = ""
            try:
                line = raw.decode()
            except UnicodeDecodeError as error:
                self.foreign = f"is not UTF-8: {error.reason} at byte {error.start}"
                line = raw.decode(errors="replace")
            yield line.rstrip()

    def error(self, problem: str, reason: Refusal = Refusal.MALFORMED) -> ProfileError:
        """An error about the line given last."""
        return ProfileError(f"line {self.number} of the goroutine profile {problem}", reason)
