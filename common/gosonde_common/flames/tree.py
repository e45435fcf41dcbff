"""Many stacks as one tree of calls, within a bound."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from gosonde_common.values.goroutines import Location

#: Calls of a tree, and of one branch.
MOST_CALLS: Final = 20_000
MOST_DEPTH: Final = 200


@dataclass(frozen=True, slots=True)
class Stack:
    """Goroutines that stand in the same place.

    Attributes:
        calls: Outermost first.
        state: What they do, as the runtime names it.
        longest_ns: The longest wait that is known of one of them.
        before: How many stood there in the earlier of two snapshots; None where there is but one.
    """

    calls: Sequence[Location]
    goroutines: int
    state: str
    longest_ns: int | None = None
    before: int | None = None

    @property
    def width(self) -> int:
        """Its goroutines, now or before, whichever are more."""
        return max(self.goroutines, self.before or 0)


@dataclass(slots=True)
class Call:
    """A function that was called from the one above it, and the goroutines that are in it or in what it calls.

    Attributes:
        before: Goroutines that were in it in the earlier of two snapshots.
        width: That of all stacks through it: so calls that nobody is in any more have one too, and none is narrower
            than what it calls.
    """

    name: str
    goroutines: int = 0
    before: int = 0
    width: int = 0
    states: Counter[str] = field(default_factory=Counter)
    longest_ns: int | None = None
    called: dict[str, "Call"] = field(default_factory=dict)

    def add(self, stack: Stack) -> None:
        """Counts the goroutines of a stack that goes through it."""
        self.goroutines += stack.goroutines
        self.before += stack.before or 0
        self.width += stack.width
        self.states[stack.state] += stack.goroutines
        if stack.longest_ns is not None:
            self.longest_ns = max(self.longest_ns or 0, stack.longest_ns)

    def placed(self, start: int = 0, depth: int = 0) -> Iterator[tuple["Call", int, int]]:
        """(call, width of all to its left, calls above it) for itself and all below, each before what it calls.

        Calls that are next to each other are in order of their width, the widest first.
        """
        waiting = [(self, start, depth)]
        while waiting:
            call, left, above = waiting.pop()
            yield call, left, above
            below = []
            for one in sorted(call.called.values(), key=lambda one: -one.width):
                below.append((one, left, above + 1))
                left += one.width
            waiting.extend(reversed(below))


class Tree:
    """Calls by function, whatever their lines are.

    Where there are too many calls, or a stack is too deep, its inner calls are left out; its goroutines count for the
    calls above them all the same. So whoever adds large stacks first loses the least.

    Attributes:
        root: Stands above all stacks.
        cut: Goroutines with calls that were left out.
    """

    def __init__(self, name: str) -> None:
        self.root = Call(name)
        self.cut = 0
        self._room = MOST_CALLS

    def add(self, stack: Stack) -> None:
        """Adds the goroutines of a stack."""
        call = self.root
        call.add(stack)
        for place in stack.calls[:MOST_DEPTH]:
            below = call.called.get(place.function)
            if below is None:
                if not self._room:
                    self.cut += stack.width
                    return
                self._room -= 1
                below = call.called[place.function] = Call(place.function)
            below.add(stack)
            call = below
        if len(stack.calls) > MOST_DEPTH:
            self.cut += stack.width
