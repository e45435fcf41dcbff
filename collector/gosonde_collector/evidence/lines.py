"""The lines of a text profile, one at a time, with their numbers."""

import io
from collections.abc import Iterator

from gosonde_collector.model.errors import ProfileError, Refusal

#: Frames of one goroutine: the runtime prints no more than 100, gosonde reads 2,048 calls and what is inlined in them.
MAX_FRAMES = 10_000
#: Characters of one line; labels and the arguments of type parameters make long ones.
MAX_LINE = 64 << 10


class Lines:
    """Iterates over (line without its end); `number` is that of the line given last, from 1."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        """Yields each line; raises ProfileError for a line that is cut off, too long or not UTF-8."""
        while raw := self._data.readline(MAX_LINE + 1):
            self.number += 1
            if len(raw) > MAX_LINE:
                raise self.error(f"is longer than {MAX_LINE} bytes", Refusal.TOO_LARGE)
            if not raw.endswith(b"\n"):
                raise self.error("is cut off: the file ends within it", Refusal.TRUNCATED)
            try:
                yield raw[:-1].decode()
            except UnicodeDecodeError as error:
                raise self.error(f"is not UTF-8: {error.reason} at byte {error.start}") from error

    def error(self, problem: str, reason: Refusal = Refusal.MALFORMED) -> ProfileError:
        """An error about the line given last."""
        return ProfileError(f"line {self.number} of the goroutine profile {problem}", reason)
