"""A verdict on a process that was watched, for people: the last thing that a trace says."""

import textwrap
from collections.abc import Iterator
from typing import Final

from gosonde_cli.rendering import cell, counted, duration
from gosonde_cli.suspects.verdict import Suspect, Unsettled, Verdict

INDENT: Final = "  "
#: Statements that are shown to people, those with the most goroutines first.
SHOWN: Final = 10


def verdict_lines(verdict: Verdict, over_ns: int, width: int) -> Iterator[str]:
    """The verdict, each statement, what was looked at, and what is not known."""
    yield from _wrapped(headline(verdict, over_ns), width)
    for suspect in verdict.suspects[:SHOWN]:
        yield ""
        yield from _suspect(suspect, width)
    if len(verdict.suspects) > SHOWN:
        yield f"and {len(verdict.suspects) - SHOWN:,} more; --json shows all of them"
    if verdict.suspects:
        yield ""
    if verdict.suspects and verdict.too_early:
        yield from _wrapped(too_early(verdict), width)
    for unsettled in verdict.too_early[:SHOWN]:
        yield from _wrapped(f"{INDENT}{unsettled_line(unsettled)}", width)
    yield from _wrapped(f"looked at: {'; '.join(verdict.looked_at)}", width)
    yield from _wrapped(f"not known: {'; '.join(verdict.not_known)}", width)


def headline(verdict: Verdict, over_ns: int) -> str:
    """The verdict in a sentence."""
    if not (number := len(verdict.suspects)):
        return too_early(verdict) if verdict.too_early else f"nothing looks like a leak in these {duration(over_ns)}"
    live = sum(suspect.live for suspect in verdict.suspects)
    look = "looks" if number == 1 else "look"
    return f"{counted(number, 'go statement')} {look} like a leak, with {counted(live, 'live goroutine')}"


def too_early(verdict: Verdict) -> str:
    """Of how many statements it is too early to say, and what to do."""
    number, seconds = len(verdict.too_early), max(one.run_seconds for one in verdict.too_early)
    leaks, their = ("leaks", "its") if number == 1 else ("leak", "their")
    return (
        f"too early to say whether {counted(number, 'go statement')} {leaks}: {their} goroutines still become more. "
        f"Run longer: --duration {seconds}s"
    )


def unsettled_line(one: Unsettled) -> str:
    """One statement of which it is too early to say."""
    place = f" {one.file}:{one.line}" if one.file else ""
    return f"{one.function}{place}: {one.live:,} live, {one.more:,} more than at first, cause if they stay: {one.cause}"


def _suspect(suspect: Suspect, width: int) -> Iterator[str]:
    place = f"  {suspect.file}:{suspect.line}" if suspect.file else ""
    yield from _wrapped(f"{INDENT}{suspect.function}{place}", width)
    rates = ""
    if suspect.created_per_second is not None and suspect.exited_per_second is not None:
        rates = f"; {suspect.created_per_second:,.3g} created and {suspect.exited_per_second:,.3g} exited a second"
    yield from _wrapped(f"{2 * INDENT}{suspect.live:,} live{rates}", width)
    for sentence in suspect.evidence:
        yield from _wrapped(f"{2 * INDENT}{sentence}", width)
    yield from _wrapped(f"{2 * INDENT}cause {suspect.cause}", width)
    if suspect.remedy:
        yield from _wrapped(f"{2 * INDENT}→ {suspect.remedy}", width)


def _wrapped(text: str, width: int) -> list[str]:
    after = " " * (len(text) - len(text.lstrip()) + 2)
    return textwrap.wrap(cell(text), max(width, 20), subsequent_indent=after, break_on_hyphens=False)
