"""Contexts that are not cancelled, in groups: of which kind, made from which others, and forgotten or not."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class ContextKind(StrEnum):
    """What made a context: context.WithCancel, WithDeadline or WithTimeout, AfterFunc."""

    CANCEL = "cancel"
    DEADLINE = "deadline"
    AFTER_FUNC = "after-func"


class Cancel(StrEnum):
    """Who holds the CancelFunc of a context.

    FORGOTTEN: nobody; only its parent or its deadline can end it. HELD: something alive does. UNKNOWN: something alive
    points to the context in a way that does not say whether it could cancel it.
    """

    FORGOTTEN = "forgotten"
    HELD = "held"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class MadeIn:
    """A call that makes contexts.

    Attributes:
        sampled: How many of those contexts the heap profile sampled; of no others is it known who made them.
    """

    function: str
    file: str
    line: int
    sampled: int


@dataclass(frozen=True, slots=True)
class ContextGroup:
    """Contexts that have the first five attributes in common.

    Attributes:
        kind: What made them.
        cancel: Who holds their CancelFunc.
        parents: What each was made from, and that, up to the root: ("value *main.key", "cancel", "background").
        waits_in: The function of a goroutine that waits for Done; empty where none does.
        created_by: The function of the `go` statement of that goroutine; empty where none waits.
        made_in: The calls that made them, as far as the program's heap profile sampled them; most sampled first.
        live: How many.
        children: Contexts that end with them: of all together.
        waiting: Goroutines that wait for the Done of one of them.
        next_deadline_ns: Until the first deadline, 0 for one that has passed; None where they have none.
        grown: How many more there are than in the first of two readings; None where there was only one.
    """

    kind: ContextKind
    cancel: Cancel
    parents: Sequence[str]
    waits_in: str
    created_by: str
    made_in: Sequence[MadeIn]
    live: int
    children: int
    waiting: int
    next_deadline_ns: int | None
    grown: int | None = None


@dataclass(slots=True)
class ContextNode:
    """A context in a tree, with those that were made from it.

    Attributes:
        name: As in `ContextGroup.parents`.
        is_own: The goroutine has it on its stack, or waits for its Done.
        cancel: Who holds its CancelFunc; None for one that has none of its own.
        waits_in: The function of a goroutine that waits for its Done; empty where none does.
        waiting: How many do.
        deadline_ns: Until its deadline; None without one.
    """

    name: str
    is_own: bool = False
    cancel: Cancel | None = None
    waits_in: str = ""
    waiting: int = 0
    deadline_ns: int | None = None
    children: list["ContextNode"] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ContextTree:
    """The contexts of one goroutine, what they were made from, and what was made from them.

    Attributes:
        contexts: The roots.
        left_out: Contexts below the goroutine's own that are not in the tree.
        changing: As of LiveContexts.
    """

    goid: int
    contexts: Sequence[ContextNode]
    left_out: int = 0
    changing: int = 0


@dataclass(frozen=True, slots=True)
class LiveContexts:
    """All that were found.

    Attributes:
        groups: Those that grew most first, where there were two readings; else the largest.
        changing: Contexts that were made or ended while they were read, and are not counted.
        unnamed: Objects that look like contexts, but nothing names their type: they are not counted.
        has_package: The program has package context.
    """

    groups: Sequence[ContextGroup]
    changing: int = 0
    unnamed: int = 0
    has_package: bool = True

    @property
    def live(self) -> int:
        """All together."""
        return sum(group.live for group in self.groups)
