"""The output of `go build -gcflags='-m -m'`, or of `-m` alone, into plain values.

Go 1.19 to 1.27 write the same lines, but for `in FUNCTION` and `for FUNCTION`, which Go 1.25 added, and the arrow of a
flow. What the compiler says twice counts once: verdicts are taken, and explanations looked up for them.
"""

import re
from dataclasses import replace
from typing import Final, NamedTuple

from gosonde_collector.evidence.escapes import lines
from gosonde_collector.evidence.escapes.model import EXPRESSION, PARAMETER, UNNAMED, VARIABLE, Escapes, Function, Value
from gosonde_collector.evidence.escapes.reasons import Explanation
from gosonde_collector.evidence.names import is_dependency, is_standard, plain_name
from gosonde_collector.model.errors import ProfileError, Refusal

#: Values and functions together that are kept, and explanations and inlined calls together meanwhile.
MOST, MOST_BESIDE = 100_000, 200_000
#: Characters of a name that are kept.
MOST_CHARACTERS: Final = 200
#: Where no line of so many is the compiler's, the file is something else.
LOOKED_AT: Final = 1_000
#: Functions inlined at one place that are kept.
MOST_INLINED: Final = 10

#: What stands above the lines of each package.
HEADER: Final = re.compile(r"# (?P<package>[^\s\[]{1,1000})(?: \[[^\]]{1,1000}\])?")
#: How verdicts begin, and of what kind the value is.
MOVED: Final = "moved to heap: "
LEAKING: Final = ("leaking param: ", "leaking param content: ")
ESCAPES: Final = " escapes to heap"
INLINING: Final = "inlining call to "
STAYS: Final = " does not escape"
#: What else the compiler says with these flags (cmd/compile/internal/escape, inline and devirtualize).
OTHER: Final = re.compile(
    r".+ capturing by (?:ref|value): .*|.+ ignoring self-assignment in .*"
    r"|(?:assuming|marking) .+ (?:is unsafe|as escaping) .*"
    r"|(?:partially |PGO )?devirtualizing .*|mark inlined callsite .*|zero-copy .*|skip inlining .*"
    r"|index bounds check elided|function .+ considered 'big'; .*"
)


class _Position(NamedTuple):
    package: str
    file: str
    line: int
    column: int


def parse_escapes(data: bytes) -> Escapes:
    """Parses the whole output.

    Raises:
        ProfileError: No line is of the compiler, or none says what escapes and what does not.
    """
    reader, number = _Reader(), 0
    for number, line in enumerate(lines.read(data.removeprefix(b"\xef\xbb\xbf")), 1):
        reader.take(line)
        if number >= LOOKED_AT and not reader.recognized:
            break
    if not reader.recognized:
        raise ProfileError(
            f"not what go build -gcflags='-m -m' prints: none of {number} lines is of the compiler; the file begins "
            f"with {data[:40]!r}",
            Refusal.UNKNOWN_KIND,
        )
    found = reader.finish()
    if not found.values and not found.kept_on_stack:
        raise ProfileError(
            f"none of {number} lines says what escapes: build with -gcflags='-m -m', and send what go prints on its "
            "standard error",
            Refusal.EMPTY,
        )
    return replace(found, is_cut=not data.endswith(b"\n"))


class _Reader:
    """Takes one line after the other.

    Attributes:
        recognized: Lines that are of the compiler.
    """

    def __init__(self) -> None:
        self.recognized = 0
        self._package = UNNAMED
        self._values: dict[Value, None] = {}
        self._functions: dict[_Position, Function] = {}
        self._explanations: dict[_Position, list[Explanation]] = {}
        self._inlined: dict[_Position, dict[str, None]] = {}
        self._explained: Explanation | None = None
        self._is_detailed = False
        self._beside, self._left_out, self._passed_over, self._stay, self._foreign = 0, 0, 0, 0, 0

    def take(self, line: str | None) -> None:
        """Takes the next line; None is one that could not be read."""
        header = HEADER.fullmatch(line) if line else None
        if header:
            self._package, known = header["package"], True
        else:
            said = lines.placed(line) if line else None
            known = said is not None and self._understood(said)
        self.recognized += known
        self._passed_over += not known and line != ""

    def finish(self) -> Escapes:
        """What was read."""
        counts = self._stay, self._foreign, self._passed_over, self._left_out
        return Escapes(
            tuple(map(self._completed, self._values)), tuple(self._functions.values()), self._is_detailed, *counts
        )

    def _understood(self, said: lines.Said) -> bool:
        text, position = said.text, _Position(self._package, *said[:3])
        if text.startswith("  "):
            return self._detail(text.strip())
        self._explained = None
        if is_dependency(said.file) or is_standard(f"{self._package}."):
            self._foreign += 1
        elif explained := lines.explained(text):
            self._explain(position, *explained)
        elif function := lines.declared(text):
            self._declare(position, function, is_detailed=": " in text)
        elif text.startswith(INLINING):
            self._note_inlined(position, text.removeprefix(INLINING))
        elif text.endswith(STAYS) or (text.startswith(LEAKING) and " to result " in text):
            self._stay += 1
        else:
            return self._verdict(position, text) or OTHER.fullmatch(text) is not None
        return True

    def _detail(self, text: str) -> bool:
        """A line of an explanation."""
        if text.startswith("flow: ") and self._explained:
            self._explained.flow()
        elif text.startswith("from ") and self._explained and (found := lines.step(text)):
            self._explained.step(found)
        return text.startswith(("flow: ", "from ", "warning: "))

    def _explain(self, position: _Position, name: str, function: str, to_heap: bool) -> None:
        self._is_detailed = True
        function = _shortened(plain_name(function))
        self._explained = Explanation(position.file, position.line, _shortened(name), function, to_heap)
        if self._has_room_beside():
            self._explanations.setdefault(position, []).append(self._explained)

    def _declare(self, position: _Position, name: str, *, is_detailed: bool) -> None:
        self._is_detailed |= is_detailed
        # What is said again of a place is of a copy that was inlined elsewhere, or of another type argument.
        if position not in self._functions and self._has_room():
            self._functions[position] = Function(*position[:3], _shortened(plain_name(name)))

    def _note_inlined(self, position: _Position, name: str) -> None:
        if self._has_room_beside():
            names = self._inlined.setdefault(position, {})
            if len(names) < MOST_INLINED:
                names[_shortened(plain_name(name))] = None

    def _verdict(self, position: _Position, text: str) -> bool:
        leaking = next((start for start in LEAKING if text.startswith(start)), "")
        if text.startswith(MOVED):
            kind, name = VARIABLE, text.removeprefix(MOVED)
        elif leaking:
            kind, name = PARAMETER, text.removeprefix(leaking)
        elif text.endswith(ESCAPES):
            kind, name = EXPRESSION, text.removesuffix(ESCAPES)
        else:
            return False
        value = Value(*position, kind, _shortened(name))
        if value not in self._values and self._has_room():
            self._values[value] = None
        return True

    def _has_room(self) -> bool:
        has_room = len(self._values) + len(self._functions) < MOST
        self._left_out += not has_room
        return has_room

    def _has_room_beside(self) -> bool:
        self._beside += 1
        return self._beside <= MOST_BESIDE

    def _completed(self, value: Value) -> Value:
        position = _Position(value.package, value.file, value.line, value.column)
        here = self._explanations.get(position, [])
        # From Go 1.25 on the verdict about append has no arguments.
        own = [one for one in here if one.name == value.name or one.name.startswith(f"{value.name}(")]
        own = own or (here if len(here) == 1 else [])
        best = next((one for one in own if one.to_heap), own[0] if own else None)
        why, function = (best.why(), best.function) if best else ("", "")
        return replace(value, why=why, function=function, inlined=tuple(self._inlined.get(position, ())))


def _shortened(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 1]}…"
