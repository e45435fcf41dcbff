"""A goroutine dump in lines of 80 columns."""

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from gosonde_cli.rendering import cell, counted, duration

if TYPE_CHECKING:
    from gosonde_collector.analysis.dumps import Creation, DumpSummary

WIDTH: Final = 80
#: Statements that are shown to people, the largest first, and calls of a stack.
SITES: Final = 20
CALLS: Final = 4


def summary(name: str, dump: "DumpSummary") -> Iterator[str]:
    """What the dump is, then states, statements and the oldest waits."""
    shown = f"{counted(dump.goroutines, 'goroutine')} with {counted(dump.distinct_stacks, 'distinct stack')}"
    yield from _wrapped(f"{name}: {shown}, read from {dump.format}")
    if dump.recognized:
        yield from _wrapped(f"recognized: {', '.join(dump.recognized)}", "  ")
    if dump.passed_over:
        yield from _wrapped(f"passed over, as part of no goroutine: {counted(dump.passed_over, 'line')}", "  ")
    if dump.partial:
        yield from _wrapped(f"partial: {dump.partial}", "  ")
    if dump.states:
        yield from ("", "States")
        for state, count in dump.states.items():
            yield from _wrapped(f"{count:>9,}  {state}", " " * 11)
    yield from ("", "Created by")
    for creation in dump.sites[:SITES]:
        yield from _creation(creation)
    if len(dump.sites) > SITES:
        yield from _wrapped(f"and {len(dump.sites) - SITES:,} more; --json shows all of them")
    if dump.oldest_waits:
        yield from ("", "Oldest waits")
        for wait in dump.oldest_waits:
            goid = f", such as goroutine {wait.goids[0]}" if wait.goids else ""
            yield from _wrapped(
                f"{_waited(wait.wait_ns):>9}  {wait.state}: {wait.goroutines:,} in {wait.function}{goid}", " " * 11
            )


def _creation(creation: "Creation") -> Iterator[str]:
    name = creation.function or f"a statement that is not named, starting {creation.start_function or 'unknown code'}"
    yield from _wrapped(f"{creation.goroutines:>9,}  {name}", " " * 11)
    indent = " " * 11
    if creation.file:
        yield from _wrapped(f"{indent}{creation.file}:{creation.line}", indent)
    if creation.function and creation.start_function:
        yield from _wrapped(f"{indent}starts {creation.start_function}", indent)
    states = ", ".join(f"{count:,} {state}" for state, count in creation.states.items())
    oldest = f"; oldest wait {_waited(creation.oldest_wait_ns)}" if creation.oldest_wait_ns else ""
    if states:
        yield from _wrapped(f"{indent}{states}{oldest}", indent)
    for frame in creation.stack[:CALLS]:
        yield from _wrapped(f"{indent}  {frame.function} at {frame.file}:{frame.line}", f"{indent}    ")
    if len(creation.stack) > CALLS:
        yield f"{indent}  and {len(creation.stack) - CALLS:,} more calls"
    yield from _wrapped(f"{indent}cause {creation.cause}", indent)
    yield from _wrapped(f"{indent}→ {creation.remedy}", f"{indent}  ")


def _waited(nanoseconds: int) -> str:
    """Dumps have whole minutes."""
    return duration(nanoseconds).removesuffix(" 0 s")


def _wrapped(text: str, indent: str = "  ") -> list[str]:
    return textwrap.wrap(cell(text), WIDTH, subsequent_indent=indent, break_on_hyphens=False)
