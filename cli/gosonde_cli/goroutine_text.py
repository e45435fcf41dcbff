"""Goroutines as text: in groups like pprof's debug=1, or one by one like its debug=2."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from gosonde_common.values.goroutines import MAIN_GOROUTINE

from gosonde_cli.rendering import cell, duration

if TYPE_CHECKING:
    from gosonde_common.values.goroutines import Goroutine, Location

    Group = tuple[str, Location, tuple[Location, ...]]

MINUTE_NS = 60_000_000_000
NO_STACK = "no stack: it ran, or moved while it was read"


def grouped(goroutines: Iterable["Goroutine"]) -> Iterator[str]:
    """Lines: a total, then the goroutines with the same state, go statement and stack together, largest group first."""
    counts: Counter[Group] = Counter()
    longest: dict[Group, int] = {}
    system = 0
    for goroutine in goroutines:
        if goroutine.system:
            system += 1
            continue
        group = (_state(goroutine), goroutine.created_by, goroutine.stack)
        counts[group] += 1
        if goroutine.wait_ns is not None:
            longest[group] = max(longest.get(group, 0), goroutine.wait_ns)
    yield f"goroutine profile: total {sum(counts.values())}, and {system} of the runtime's own"
    for group, count in counts.most_common():
        state, created_by, stack = group
        waited = f", up to {duration(longest[group])}" if group in longest else ""
        yield ""
        yield f"{count} @ {cell(state)}{waited}"
        yield from (f"#\t{cell(frame.function)}\t{cell(frame.file)}:{frame.line}" for frame in stack)
        if not stack:
            yield f"#\t{NO_STACK}"
        if created_by == MAIN_GOROUTINE:
            yield f"# {created_by.function}"
        elif created_by.function:
            yield f"# created by {cell(created_by.function)}\t{cell(created_by.file)}:{created_by.line}"


def one_by_one(goroutines: Iterable["Goroutine"]) -> Iterator[str]:
    """Lines that a reader of pprof's debug=2 understands; the runtime's own goroutines are left out, as there."""
    for goroutine in goroutines:
        if goroutine.system:
            continue
        minutes = (goroutine.wait_ns or 0) // MINUTE_NS
        waited = f", {minutes} minutes" if minutes else ""
        locked = ", locked to thread" if goroutine.locked else ""
        yield f"goroutine {goroutine.goid} [{cell(_state(goroutine))}{waited}{locked}]:"
        for frame in goroutine.stack:
            yield f"{cell(frame.function)}(...)"
            yield f"\t{cell(frame.file)}:{frame.line}"
        if not goroutine.stack:
            yield "\tgoroutine running on other thread; stack unavailable"
        if goroutine.created_by.function and goroutine.goid != 1:
            parent = f" in goroutine {goroutine.parent_goid}" if goroutine.parent_goid else ""
            yield f"created by {cell(goroutine.created_by.function)}{parent}"
            yield f"\t{cell(goroutine.created_by.file)}:{goroutine.created_by.line}"
        yield ""


def _state(goroutine: "Goroutine") -> str:
    """The wait reason where it waits for one, else the status; as the runtime prints it."""
    return goroutine.wait_reason or goroutine.status
