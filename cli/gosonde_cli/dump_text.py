"""A goroutine dump in lines that fit."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from gosonde_cli.rendering import counted, duration
from gosonde_cli.wrapping import Line, fitted

if TYPE_CHECKING:
    from gosonde_collector.analysis.dumps import Creation, DumpSummary

#: Statements that are shown to people, the largest first, and calls of a stack.
SITES: Final = 20
CALLS: Final = 4


def summary(name: str, dump: "DumpSummary", width: int = 80) -> Iterator[str]:
    """What the dump is, then states, statements and the oldest waits, in so many columns; 0 for whole lines."""
    return fitted(_summary(name, dump), width)


def _summary(name: str, dump: "DumpSummary") -> Iterator[Line | str]:
    shown = f"{counted(dump.goroutines, 'goroutine')} with {counted(dump.distinct_stacks, 'distinct stack')}"
    yield Line(f"{name}: {shown}, read from {dump.format}")
    if dump.recognized:
        yield Line(f"recognized: {', '.join(dump.recognized)}", "  ")
    if dump.passed_over:
        yield Line(f"passed over, as part of no goroutine: {counted(dump.passed_over, 'line')}", "  ")
    if dump.partial:
        yield Line(f"partial: {dump.partial}", "  ")
    if dump.states:
        yield from ("", "States")
        for state, count in dump.states.items():
            yield Line(f"{count:>9,}  {state}", " " * 11)
    yield from ("", "Created by")
    for creation in dump.sites[:SITES]:
        yield from _creation(creation)
    if len(dump.sites) > SITES:
        yield Line(f"and {len(dump.sites) - SITES:,} more; --json shows all of them")
    if dump.oldest_waits:
        yield from ("", "Oldest waits")
        for wait in dump.oldest_waits:
            goid = f", such as goroutine {wait.goids[0]}" if wait.goids else ""
            yield Line(
                f"{_waited(wait.wait_ns):>9}  {wait.state}: {wait.goroutines:,} in {wait.function}{goid}", " " * 11
            )


def _creation(creation: "Creation") -> Iterator[Line | str]:
    name = creation.function or f"a statement that is not named, starting {creation.start_function or 'unknown code'}"
    yield Line(f"{creation.goroutines:>9,}  {name}", " " * 11)
    indent = " " * 11
    if creation.file:
        yield Line(f"{indent}{creation.file}:{creation.line}", indent)
    if creation.function and creation.start_function:
        yield Line(f"{indent}starts {creation.start_function}", indent)
    states = ", ".join(f"{count:,} {state}" for state, count in creation.states.items())
    oldest = f"; oldest wait {_waited(creation.oldest_wait_ns)}" if creation.oldest_wait_ns else ""
    if states:
        yield Line(f"{indent}{states}{oldest}", indent)
    for frame in creation.stack[:CALLS]:
        yield Line(f"{indent}  {frame.function} at {frame.file}:{frame.line}", f"{indent}    ")
    if len(creation.stack) > CALLS:
        yield f"{indent}  and {counted(len(creation.stack) - CALLS, 'more call')}"
    yield Line(f"{indent}cause {creation.cause}", indent)
    yield Line(f"{indent}→ {creation.remedy}", f"{indent}  ")


def _waited(nanoseconds: int) -> str:
    """Dumps have whole minutes."""
    return duration(nanoseconds).removesuffix(" 0 s")
