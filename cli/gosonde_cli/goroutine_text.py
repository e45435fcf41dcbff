"""Goroutines as text: in groups like pprof's debug=1, or one by one like its debug=2.

Goroutines of one kind have most of their text in common: it is made once, and kept as long as there is room.
"""

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from gosonde_common import foreign
from gosonde_common.flames.placing import state_of
from gosonde_common.values.goroutines import MAIN_GOROUTINE, REGISTERS
from rich.cells import cell_len

from gosonde_cli.goroutine_groups import Groups, Row
from gosonde_cli.kept_texts import KeptTexts
from gosonde_cli.rendering import cell, counted, duration
from gosonde_cli.tables.shortening import OF_FUNCTIONS, OF_PATHS, shortened

if TYPE_CHECKING:
    from gosonde_common.values.estimates import Estimate
    from gosonde_common.values.goroutines import GoroutineColumns, Kind, Location

PLAIN: Final = re.compile(r"[A-Za-z0-9./_]+")
MINUTE_NS: Final = 60_000_000_000
NO_STACK: Final = "no stack: it ran, or moved while it was read"
UNREAD: Final = "no stack: none of these was read"
ALL_HIDDEN: Final = "all its calls are hidden"
#: Before a call, and before its place where that has a line of its own.
CALL: Final = "#   "
PLACE: Final = "#       "


def grouped(groups: Groups, rows: Sequence[Row], width: int = 0) -> Iterator[str]:
    """Lines: a total, the goroutines of each row with their state and stack, and what is left out.

    Args:
        groups: What the rows are of.
        rows: Those that are shown, in order.
        width: Columns of a line; 0 for whole names, with tabs as in pprof's text.
    """
    total = f"total {groups.total.about}{bounds(groups.total)}"
    yield from _wrapped(f"goroutine profile: {total}, and {groups.system} of the runtime's own", width)
    if note := groups.strata.note():
        yield from _wrapped(f"# {note} (--max-stacks)", width)
    for row in rows:
        state, kind = state_of(row.kind), row.kind
        waited = "" if row.longest_ns is None else f", up to {duration(row.longest_ns)}"
        yield ""
        yield from _wrapped(f"{row.goroutines} @ {cell(state)}{waited}{bounds(row.found)}", width)
        yield from _marks(kind, width)
        for frame in kind.stack:
            yield from _place(CALL if width else "#\t", frame, width)
        if not kind.stack:
            yield f"{CALL if width else '#	'}{_no_stack(kind)}"
        if kind.created_by == MAIN_GOROUTINE:
            yield f"# {kind.created_by.function}"
        elif kind.created_by.function:
            yield from _place("# created by ", kind.created_by, width)
    yield from _left_out(groups, rows, width)


def bounds(found: "Estimate") -> str:
    """Behind a number that is an estimate: between which it is."""
    return "" if found.is_exact else f" ({found.least} to {found.most})"


def _no_stack(kind: "Kind") -> str:
    if kind.unread:
        return UNREAD
    return NO_STACK if kind.active else ALL_HIDDEN


def _left_out(groups: Groups, rows: Sequence[Row], width: int) -> Iterator[str]:
    shown = sum(row.goroutines for row in rows)
    if more := len(groups.rows()) - len(rows):
        yield ""
        goroutines = counted(max(groups.total.about - groups.left_out - shown, 0), "goroutine")
        yield from _wrapped(f"and {counted(more, 'more group')} with {goroutines} (--limit)", width)
    if groups.left_out:
        yield ""
        yield from _wrapped(
            f"{groups.left_out} in small groups that are left out: there are too many; --each has all of them", width
        )


@lru_cache(maxsize=1 << 14)
def _place(before: str, found: "Location", width: int) -> tuple[str, ...]:
    """A function and where it is, in one line if there is room, else in two."""
    function, file = cell(found.function), f"{cell(found.file)}:{found.line}"
    if not width:
        return (f"{before}{function}\t{file}",)
    if cell_len(whole := f"{before}{function}  {file}") <= width:
        return (whole,)
    return (
        before + shortened(function, width - len(before), OF_FUNCTIONS),
        PLACE + shortened(file, width - len(PLACE), OF_PATHS),
    )


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, subsequent_indent="# ", break_on_hyphens=False) if width else [text]


def one_by_one(found: Iterable["GoroutineColumns"]) -> Iterator[str]:
    """Each goroutine in text that readers of pprof's debug=2 understand; the runtime's own are left out, as there."""
    texts = KeptTexts(_each_parts, _call)
    for columns in found:
        for kind, goid, wait_ns, parent, locked, labels in zip(
            *(columns.kinds, columns.goids, columns.waits_ns, columns.parent_goids, columns.locked, columns.labels),
            strict=True,
        ):
            if kind.system:
                continue
            state, calls, creator, statement = texts.of(kind)
            minutes = f", {wait_ns // MINUTE_NS} minutes" if wait_ns and wait_ns >= MINUTE_NS else ""
            locks = ", locked to thread" if locked else ""
            created = ""
            if creator and goid != 1:
                created = f"{creator} in goroutine {parent}{statement}" if parent else f"{creator}{statement}"
            tags = f" {{{', '.join(f'{_quoted(key)}: {_quoted(value)}' for key, value in labels)}}}" if labels else ""
            yield f"goroutine {goid} [{state}{minutes}{locks}]{tags}:\n{calls}{created}\n"


def _quoted(text: str) -> str:
    """As runtime.traceback has labels: in quotes where something else than letters, digits and . / _ is in it."""
    return text if PLAIN.fullmatch(text) else foreign.dumps(text)


def _each_parts(kind: "Kind", texts: KeptTexts) -> tuple[str, ...]:
    """(state, lines of the calls, beginning of the line of who created it, its end and the line of where)."""
    missing = "stack not read" if kind.unread else "goroutine running on other thread; stack unavailable"
    calls = "".join(map(texts.call, kind.stack)) or f"\t{missing}\n"
    made = kind.created_by
    if not made.function:
        return cell(state_of(kind)), calls, "", ""
    return cell(state_of(kind)), calls, f"created by {cell(made.function)}", f"\n\t{cell(made.file)}:{made.line}\n"


def _call(frame: "Location") -> str:
    return f"{cell(frame.function)}(...)\n\t{cell(frame.file)}:{frame.line}\n"


def _marks(kind: "Kind", width: int) -> Iterator[str]:
    """What only a stop has shown."""
    if kind.stack_from == REGISTERS:
        yield "# stack from registers, at the last stop"
    if kind.cause:
        yield from _wrapped(f"# {kind.cause}: {cell(kind.because)}", width)
