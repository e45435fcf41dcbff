"""Programs of `leaky`, `healthy` and `filling` in `fixtures/go`, and what the first line of each says is to be found.

`// expect: site=NAME cause=CAUSE every=PAUSE` names the `go` statement by its marker (`// site: NAME`) or, where it
stands in Go's own library, by the function that contains it; `also=FUNCTION`, where another statement's goroutines stay
with them.
"""

import re
from dataclasses import dataclass

from tests.go_programs import SOURCES

EXPECT = re.compile(
    r"// expect: site=(?P<site>\S+) cause=(?P<cause>\S+) every=(?P<number>\d+)(?P<unit>ms|s|m)(?: also=(?P<also>\S+))?"
)
SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0}
#: A leak is to be found within this time, or within so many of its events when they are rarer.
FOUND_WITHIN_S = 60.0
FOUND_WITHIN_EVENTS = 10


@dataclass(frozen=True, slots=True)
class Labelled:
    """A program and what is true of it. `function`, or `file` and `line`, say where it leaks: empty for a healthy one.

    Attributes:
        name: As `go_programs.build` takes it.
        cause: As findings name it.
        every_s: Time between two goroutines (or steps) that stay.
        also: A function of Go's own library in which another statement leaks with it; empty for none.
    """

    name: str
    function: str = ""
    file: str = ""
    line: int = 0
    cause: str = ""
    every_s: float = 0.0
    also: str = ""

    @property
    def leaks(self) -> bool:
        """Whether there is anything to be found."""
        return bool(self.cause)

    @property
    def limit_s(self) -> float:
        """How long it may take until it is found."""
        return max(FOUND_WITHIN_S, FOUND_WITHIN_EVENTS * self.every_s)

    def is_site(self, function: str, file: str, line: int) -> bool:
        """Whether this is the `go` statement that leaks."""
        if self.function:
            return function == self.function
        return file.endswith(self.file) and line == self.line


def leaky() -> list[Labelled]:
    """Every program that leaks."""
    return [_labelled(name) for name in _names("leaky")]


def healthy() -> list[Labelled]:
    """Every program that does not."""
    return [Labelled(name) for name in _names("healthy")]


def filling() -> list[Labelled]:
    """Healthy ones that are at work on what they need in their first seconds, for those who look at these alone."""
    return [Labelled(name) for name in _names("filling")]


def _names(kind: str) -> list[str]:
    return sorted(f"{kind}/{path.parent.name}" for path in (SOURCES / kind).glob("*/main.go"))


def _labelled(name: str) -> Labelled:
    first = (SOURCES / name / "main.go").read_text().splitlines()[0]
    expected = EXPECT.fullmatch(first)
    if not expected:
        raise ValueError(f"{name}/main.go does not begin with what is expected of it: {first!r}")
    every_s = int(expected["number"]) * SECONDS[expected["unit"]]
    site, cause, also = expected["site"], expected["cause"], expected["also"] or ""
    if "." in site:
        return Labelled(name, function=site, cause=cause, every_s=every_s, also=also)
    file, line = _marked(name, site)
    return Labelled(name, file=file, line=line, cause=cause, every_s=every_s, also=also)


def _marked(name: str, marker: str) -> tuple[str, int]:
    """(path from the module's root, line) of the one `go` statement that is marked, in whichever file it stands."""
    found = [
        (f"{path.relative_to(SOURCES)}", number)
        for path in sorted((SOURCES / name).rglob("*.go"))
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if line.endswith(f"// site: {marker}")
    ]
    if len(found) != 1:
        raise ValueError(f"{name} has {len(found)} lines that are marked as site {marker}, not one")
    return found[0]
