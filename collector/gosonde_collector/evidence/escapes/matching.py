"""Where in the compiler's output a place of the running program is.

The compiler names files from the folder of the build, absolutely, or by -trimpath; the program's line table may have
another of these names. So files are found by their package and by the end of their path, and a place counts only where
the function there has the name that the program gives it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter
from typing import Final

from gosonde_collector.evidence.escapes.model import UNNAMED, Escapes, Function, Value
from gosonde_collector.evidence.model import Frame
from gosonde_collector.evidence.names import package_of, plain_name

#: What the compiler puts behind the name of a function for its closures and wrappers.
INNER: Final = re.compile(r"\.+(?:func|gowrap|deferwrap)\d")
#: The package of every program.
MAIN: Final = "main"


class Missing(StrEnum):
    """Why a place of the program is not in the output."""

    FILE = "no file of its package has that name in the output"
    FUNCTION = "another function stands there in the output, which is of other source"
    AMBIGUOUS = "several files in the output fit, which are of several programs"


@dataclass(frozen=True, slots=True)
class Source:
    """A function of the program in the output, closures included.

    Attributes:
        package: As the output has it, as are `file` and `name`.
        start: The line on which it begins.
        end: The line on which the next one begins; None for the last of its file.
    """

    package: str
    file: str
    name: str
    start: int
    end: int | None

    def covers(self, line: int) -> bool:
        """Whether a line of its file is in it."""
        return self.start <= line and (self.end is None or line < self.end)

    def has(self, value: Value) -> bool:
        """Whether a value is of this function."""
        is_of_file = (value.package, value.file) == (self.package, self.file)
        return is_of_file and self.covers(value.line) and outermost(value.function) in {"", self.name}

    def is_of(self, frame: Frame) -> bool:
        """Whether a call of the program is in this function."""
        return base(frame.file) == base(self.file) and _fits(frame, self.package) and _is_named(frame, self.name)


def outermost(name: str) -> str:
    """The function of the source that a closure is in: "(*job).method" of "(*job).method.func1"."""
    return INNER.split(name, maxsplit=1)[0]


def base(file: str) -> str:
    """The file's name without folders."""
    return file.rpartition("/")[2]


def local_name(function: str) -> str:
    """A function of the program without its package: "(*pool[...]).add" of "main.(*pool[...]).add"."""
    return plain_name(function)[len(package_of(function)) + 1 :]


class Sources:
    """The functions of an output, by where they stand."""

    def __init__(self, escapes: Escapes) -> None:
        self._is_detailed = escapes.is_detailed
        functions: dict[tuple[str, str], list[Function]] = {(one.package, one.file): [] for one in escapes.values}
        for function in escapes.functions:
            functions.setdefault((function.package, function.file), []).append(function)
        self._files = {place: list(_ranges(place, found)) for place, found in functions.items()}

    def find(self, frame: Frame) -> Source | Missing:
        """The function in which a call of the program is; its line alone where the output was written with `-m`."""
        named = [one for one in self._files if base(one[1]) == base(frame.file) and _fits(frame, one[0])]
        whole = [one for one in named if _is_end(one, frame.file)]
        if not self._is_detailed:
            name = outermost(local_name(frame.function))
            lines = [Source(*one, name, frame.line, frame.line + 1) for one in whole]
            return _the_one(lines, frame) if lines else Missing.FILE
        here = [source for one in whole or named for source in self._files[one] if source.covers(frame.line)]
        here = [source for source in here if _is_named(frame, source.name)]
        if here:
            return _the_one(here, frame)
        return Missing.FUNCTION if named else Missing.FILE

    def starting(self, function: str, package: str) -> Source | None:
        """A function of a package of which the program gives the name alone."""
        frame = Frame(function, "", 0)
        sources = (one for place, found in self._files.items() if place[0] == package for one in found)
        return next((one for one in sources if _fits(frame, package) and _is_named(frame, one.name)), None)


def _ranges(place: tuple[str, str], functions: list[Function]) -> Iterator[Source]:
    starts: list[tuple[int, str]] = []
    for function in sorted(functions, key=attrgetter("line")):
        name = outermost(function.name)
        if not starts or starts[-1][1] != name:
            starts.append((function.line, name))
    for number, (start, name) in enumerate(starts, 1):
        yield Source(*place, name, start, starts[number][0] if number < len(starts) else None)


def _fits(frame: Frame, package: str) -> bool:
    """Whether the package can be that of a call: the program calls the one that has its main function `main`."""
    own = package_of(frame.function).replace("%2e", ".")
    return own in {package, MAIN} or package == UNNAMED


def _is_named(frame: Frame, name: str) -> bool:
    """Also of a closure that was inlined, whose name begins with that of the function that it came into."""
    own = outermost(local_name(frame.function))
    return own == name or own.endswith(f".{name}")


def _the_one(found: list[Source], frame: Frame) -> Source | Missing:
    """The one whose path is most like that of the call."""
    likeness = [_likeness(one, frame.file) for one in found]
    best = [one for one, like in zip(found, likeness, strict=True) if like == max(likeness)]
    return best[0] if len(best) == 1 else Missing.AMBIGUOUS


def _likeness(source: Source, file: str) -> int:
    return max(_alike(name, file) for name in (source.file, f"{source.package}/{base(source.file)}"))


def _is_end(place: tuple[str, str], file: str) -> bool:
    """Whether a file of the output can only be this one of the program, by its path; of a hidden path, by its name."""
    end = place[1].removeprefix("./")
    return file == end or file.endswith(f"/{end}") or file == f"{place[0]}/{base(end)}" or "/" not in file


def _alike(one: str, other: str) -> int:
    """How many parts of two paths are the same, from the end."""
    pairs = zip(reversed(one.split("/")), reversed(other.split("/")), strict=False)
    return next((number for number, (a, b) in enumerate(pairs) if a != b), min(one.count("/"), other.count("/")) + 1)
