"""Which goroutines are looked at, and which of their calls: pprof's focus, ignore and hide, and states."""

from dataclasses import dataclass, replace
from typing import Final, Protocol

from gosonde_common.values.goroutines import Kind, Location

#: Packages that are the runtime's own.
RUNTIME: Final = ("runtime.", "runtime/internal/", "internal/runtime/")


class Matcher(Protocol):
    """A regular expression of somebody who looks."""

    def matches(self, call: Location) -> bool:
        """Whether it is in the call's function or file."""


@dataclass(frozen=True, slots=True)
class StackView:
    """What is looked at of goroutines of one kind.

    Attributes:
        focus: Goroutines with a call that it matches.
        ignore: Not those with such a call.
        hide: Not such calls.
        max_depth: So many calls, the innermost; 0 for all.
        function: Goroutines of `go` statements in a function whose name contains it.
        state: States that contain it.
        runtime: The runtime's own calls, too. A stack of nothing else is shown all the same.
    """

    focus: Matcher | None = None
    ignore: Matcher | None = None
    hide: Matcher | None = None
    max_depth: int = 0
    function: str = ""
    state: str = ""
    runtime: bool = False

    def kind(self, kind: Kind) -> Kind | None:
        """The kind with its stack as it is looked at; None for goroutines that are not looked at.

        Nobody knows what an expression finds in a stack that was not read: such a kind is looked at without any.
        """
        if not self.may_choose(kind) or (kind.unread and self.by_stack):
            return None
        if self.focus and not any(map(self.focus.matches, kind.stack)):
            return None
        if self.ignore and any(map(self.ignore.matches, kind.stack)):
            return None
        stack = self._stack(kind.stack)
        return kind if len(stack) == len(kind.stack) else replace(kind, stack=stack)

    def may_choose(self, kind: Kind) -> bool:
        """Whether goroutines of a kind are looked at unless an expression says no."""
        return self.state in (kind.wait_reason or kind.status) and self.function in kind.created_by.function

    @property
    def by_stack(self) -> bool:
        """An expression chooses goroutines by their calls."""
        return self.focus is not None or self.ignore is not None

    def _stack(self, stack: tuple[Location, ...]) -> tuple[Location, ...]:
        if not self.runtime:
            stack = tuple(call for call in stack if not call.function.startswith(RUNTIME)) or stack
        if self.hide:
            stack = tuple(call for call in stack if not self.hide.matches(call))
        return stack[: self.max_depth] if self.max_depth else stack
