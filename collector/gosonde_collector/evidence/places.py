"""By which place of a program goroutines of a profile are counted."""

from gosonde_common.values.goroutines import Location
from gosonde_common.values.labels import EVERYONE

from gosonde_collector.evidence.model import WITH_STATEMENT, GoroutineGroup


def place_of(group: GoroutineGroup, form: str) -> Location:
    """The `go` statement in formats that name it, else the function that they began with; EVERYONE where none is."""
    if form in WITH_STATEMENT:
        by = group.created_by
        return Location(by.function, by.file, by.line) if by else EVERYONE
    return Location(group.frames[-1].function, "", 0) if group.frames else EVERYONE
