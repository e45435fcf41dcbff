"""The file of `go` statements whose leaks are known and allowed; docs/ci.md describes it."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gosonde_common.errors import UsageError

from gosonde_cli.suspects.verdict import Suspect, Unsettled

MAX_BYTES: Final = 1 << 20
MAX_LINE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Allowed:
    """A line of the file: patterns of a function and of a file, and a line number; empty and 0 for any.

    Attributes:
        at: Where the pattern itself stands, as path:line.
        text: As it was written.
    """

    at: str
    text: str
    function: str
    file: str = ""
    line: int = 0

    def matches(self, suspect: Suspect | Unsettled) -> bool:
        """Whether it is about a statement."""
        return (
            _matches(self.function, suspect.function)
            and (not self.file or _matches(self.file, suspect.file))
            and self.line in {0, suspect.line}
        )


def _matches(pattern: str, name: str) -> bool:
    """`*` stands for any text. Nothing else is special: names of generic functions have brackets."""
    parts = pattern.split("*")
    if len(parts) == 1:
        return pattern == name
    return re.fullmatch(".*?".join(map(re.escape, parts)), name, re.DOTALL) is not None


def read(path: Path) -> list[Allowed]:
    """What a file allows.

    Raises:
        UsageError: It cannot be read, or a line of it makes no sense; says which.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise UsageError(f"{path}: more than {MAX_BYTES:,} bytes")
    found = (_line(f"{path}:{number}", line) for number, line in enumerate(content.splitlines(), 1))
    return [one for one in found if one]


def _line(at: str, raw: bytes) -> Allowed | None:
    try:
        text = raw.decode().strip()
    except UnicodeDecodeError as error:
        raise UsageError(f"{at}: this is not UTF-8") from error
    if not text or text.startswith("#"):
        return None
    if len(text) > MAX_LINE:
        raise UsageError(f"{at}: more than {MAX_LINE:,} characters")
    function, *place = text.split()
    if len(place) > 1:
        raise UsageError(
            f"{at}: {text!r} has more than a function and a place: write for example main.serve */main.go:12"
        )
    if re.search(r"\*\*|(\*.*){9}", text):
        raise UsageError(f"{at}: {text!r} has more than eight asterisks, or two side by side")
    if not place:
        return Allowed(at, text, function)
    file, colon, line = place[0].rpartition(":")
    if not colon:
        return Allowed(at, text, function, place[0])
    if not (file and line.isascii() and line.isdecimal() and 0 < int(line) < 1 << 31):
        raise UsageError(f"{at}: {line!r} in {text!r} is no line number")
    return Allowed(at, text, function, file, int(line))
