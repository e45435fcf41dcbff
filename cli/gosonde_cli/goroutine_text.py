"""Goroutines as text: in groups like pprof's debug=1, or one by one like its debug=2.

Goroutines of one kind have most of their text in common: it is made once, and kept as long as there is room.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from gosonde_common.values.goroutines import MAIN_GOROUTINE

from gosonde_cli.kept_texts import KeptTexts
from gosonde_cli.rendering import cell, duration

if TYPE_CHECKING:
    from gosonde_common.values.goroutines import GoroutineColumns, Kind, Location

    Group = tuple[str, Location, tuple[Location, ...]]

MINUTE_NS = 60_000_000_000
NO_STACK = "no stack: it ran, or moved while it was read"


def grouped(found: Iterable["GoroutineColumns"]) -> Iterator[str]:
    """Lines: a total, then the goroutines with the same state, go statement and stack together, largest group first."""
    counts: Counter[Group] = Counter()
    longest: dict[Group, int] = {}
    system = 0
    for columns in found:
        of_kinds = Counter(columns.kinds)
        waits = _longest(columns)
        for kind, count in of_kinds.items():
            if kind.system:
                system += count
                continue
            group = (_state(kind), kind.created_by, kind.stack)
            counts[group] += count
            if kind in waits:
                longest[group] = max(longest.get(group, 0), waits[kind])
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


def _longest(columns: "GoroutineColumns") -> "dict[Kind, int]":
    """The longest wait of the goroutines of each kind of which one is known."""
    longest: dict[Kind, int] = {}
    for kind, wait_ns in zip(columns.kinds, columns.waits_ns, strict=True):
        if wait_ns is not None and wait_ns >= longest.get(kind, 0):
            longest[kind] = wait_ns
    return longest


def one_by_one(found: Iterable["GoroutineColumns"]) -> Iterator[str]:
    """Each goroutine in text that readers of pprof's debug=2 understand; the runtime's own are left out, as there."""
    texts = KeptTexts(_each_parts, _call)
    for columns in found:
        for kind, goid, wait_ns, parent, locked in zip(
            columns.kinds, columns.goids, columns.waits_ns, columns.parent_goids, columns.locked, strict=True
        ):
            if kind.system:
                continue
            state, calls, creator, statement = texts.of(kind)
            minutes = f", {wait_ns // MINUTE_NS} minutes" if wait_ns and wait_ns >= MINUTE_NS else ""
            locks = ", locked to thread" if locked else ""
            created = ""
            if creator and goid != 1:
                created = f"{creator} in goroutine {parent}{statement}" if parent else f"{creator}{statement}"
            yield f"goroutine {goid} [{state}{minutes}{locks}]:\n{calls}{created}\n"


def _each_parts(kind: "Kind", texts: KeptTexts) -> tuple[str, ...]:
    """(state, lines of the calls, beginning of the line of who created it, its end and the line of where)."""
    calls = "".join(map(texts.call, kind.stack)) or "\tgoroutine running on other thread; stack unavailable\n"
    made = kind.created_by
    if not made.function:
        return cell(_state(kind)), calls, "", ""
    return cell(_state(kind)), calls, f"created by {cell(made.function)}", f"\n\t{cell(made.file)}:{made.line}\n"


def _call(frame: "Location") -> str:
    return f"{cell(frame.function)}(...)\n\t{cell(frame.file)}:{frame.line}\n"


def _state(kind: "Kind") -> str:
    """The wait reason where it waits for one, else the status; as the runtime prints it."""
    return kind.wait_reason or kind.status
