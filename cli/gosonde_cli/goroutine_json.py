"""Goroutines as one JSON document, written as they are read; docs/goroutines.md describes it."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from gosonde_common import foreign

from gosonde_cli.kept_texts import KeptTexts

if TYPE_CHECKING:
    from gosonde_common.values.goroutines import GoroutineColumns, Kind, Location


def document(found: Iterable["GoroutineColumns"]) -> Iterator[str]:
    """Pieces of an array, in order: a million goroutines need no more memory than a few thousand."""
    texts = KeptTexts(_parts, _place)
    separator = "["
    for columns in found:
        for kind, goid, wait_ns, parent, thread, locked, labels in zip(
            columns.kinds,
            columns.goids,
            columns.waits_ns,
            columns.parent_goids,
            columns.thread_ids,
            columns.locked,
            columns.labels,
            strict=True,
        ):
            state, made, rest = texts.of(kind)
            waited = "null" if wait_ns is None else wait_ns
            yield (
                f'{separator}\n  {{"goid": {goid}, {state}, "wait_ns": {waited}, {made}, '
                f'"parent_goid": {parent}, "thread_id": {thread}, "locked": {"true" if locked else "false"}, '
                f'"labels": {foreign.dumps(dict(labels)) if labels else "{}"}, {rest}}}'
            )
            separator = ","
    yield "[]\n" if separator == "[" else "\n]\n"


def line(found: Iterable["GoroutineColumns"]) -> Iterator[str]:
    """Pieces of the same array in one line: text in JSON has no line break."""
    for piece in document(found):
        yield piece.replace("\n", "")
    yield "\n"


def _parts(kind: "Kind", texts: KeptTexts) -> tuple[str, ...]:
    """The members between those that each goroutine has of its own."""
    state = _members(status=kind.status, wait_reason=kind.wait_reason)
    start = _members(start_function=kind.start_function)
    rest = _members(system=kind.system, active=kind.active, unread=kind.unread, complete=kind.complete)
    seen = _members(stack_from=kind.stack_from or None, cause=kind.cause, because=kind.because)
    stack = ", ".join(map(texts.call, kind.stack))
    return state, f'"created_by": {texts.call(kind.created_by)}, {start}', f'{rest}, {seen}, "stack": [{stack}]'


def _place(location: "Location") -> str:
    return f"{{{_members(function=location.function, file=location.file, line=location.line)}}}"


def _members(**values: object) -> str:
    """Of an object, without its braces."""
    return foreign.dumps(values)[1:-1]
