"""What stands above stacks in a flame graph, by what goroutines have in common."""

from enum import StrEnum

from gosonde_common import foreign
from gosonde_common.values.goroutines import Kind, Location


class By(StrEnum):
    """What goroutines of one group have in common; those of one stack also have state and `go` statement."""

    STACK = "stack"
    SITE = "site"
    STATE = "state"
    LABEL = "label"


def state_of(kind: Kind) -> str:
    """The wait reason where it waits for one, else the status; as the runtime prints it."""
    return kind.wait_reason or kind.status


def calls(kind: Kind, by: By) -> list[Location]:
    """The stack with its outermost call first, below its `go` statement, state or label where asked."""
    return [*_above(kind, by), *reversed(kind.stack)]


def _above(kind: Kind, by: By) -> list[Location]:
    made = kind.created_by
    match by:
        case By.SITE:
            name = f"{made.function or 'not known'} {made.file}:{made.line}" if made.file else made.function
            return [Location(f"go statement in {foreign.shown(name or 'not known')}", made.file, made.line)]
        case By.STATE:
            return [Location(state_of(kind), "", 0)]
        case By.LABEL:
            return [Location(kind.group, "", 0)]
    return []
