"""Why a value escapes, in a few words, from the compiler's explanation of it.

An explanation is a list of flows, each with the steps that it consists of (cmd/compile/internal/escape/solve.go:
explainPath, explainFlow). The last step of the last flow brings the value to where it outlives its function.
"""

from dataclasses import dataclass
from typing import Final

from gosonde_collector.evidence.escapes.lines import Step

#: Steps that are only about how the value is written, in the compiler's words.
PLAIN: Final = frozenset({"spill", "reference", "address-of", "dot", "dot of pointer", "indirection"})
#: What the compiler's words mean; {} is the expression.
WORDS: Final = {
    "captured by a closure": "captured by a closure",
    "return": "returned",
    "send": "sent on a channel",
    "interface-converted": "converted to an interface",
    "non-constant size": "of a size that is not known at compile time",
    "too large for stack": "too large for the stack",
    "too aligned for stack": "too strictly aligned for the stack",
    "struct literal element": "put into {}",
    "slice-literal-element": "put into {}",
    "array literal element": "put into {}",
    "map literal key": "put into {}",
    "map literal value": "put into {}",
    "assign": "assigned by {}",
    "assign-pair": "assigned by {}",
    "assign-pair-dot-type": "assigned by {}",
    "assign-pair-func-call": "assigned by {}",
    "appendee slice": "appended to by {}",
    "appended slice...": "appended by {}",
    "copied slice": "copied by {}",
    "key of map put": "put into a map as a key",
    "value of map put": "put into a map",
}
#: Said where no step says more.
OUTLIVES: Final = "outlives the call"
#: Characters of a reason.
MOST_CHARACTERS: Final = 120


@dataclass(slots=True)
class Explanation:
    """The lines about one value, as they come.

    Attributes:
        file: Where it is, as its line.
        name: Which it is.
        function: In which it is, as Go 1.25 and newer say; empty else.
        to_heap: It leaks to the heap, and not to a result or to another value alone.
        last: The last step of the last flow that says more than how the value is written.
    """

    file: str
    line: int
    name: str
    function: str
    to_heap: bool
    last: Step | None = None

    def flow(self) -> None:
        """A flow begins."""
        self.last = None

    def step(self, step: Step) -> None:
        """The flow has another step."""
        if step.word not in PLAIN:
            self.last = step

    def why(self) -> str:
        """The reason, with the line where that is another one of the same file."""
        last = self.last
        if last is None:
            return OUTLIVES
        text = _in_words(last.expression, last.word)
        text = text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 1]}…"
        return f"{text} at line {last.line}" if last.file == self.file and last.line != self.line else text


def _in_words(expression: str, word: str) -> str:
    if word == "call parameter":
        return f"passed to {_callee(expression)}"
    before, slot, after = WORDS.get(word, word).partition("{}")
    return f"{before}{expression if slot else ''}{after}"


def _callee(call: str) -> str:
    """What is called: "(*pool[int]).add" of "(*pool[int]).add(p, v)"."""
    start = call.find(")") + 1 if call.startswith("(") else 0
    end = call.find("(", start)
    return call[:end] if end > 0 else call
