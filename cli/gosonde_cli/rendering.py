"""How commands print: tables and lines for people, one JSON document for programs."""

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from gosonde_common import foreign

if TYPE_CHECKING:
    from rich.console import Console

#: Columns when the output is no terminal, so that nothing is broken into lines.
PIPED_WIDTH: Final = 1_000


def console() -> "Console":
    """Prints to stdout; as wide as its terminal, or wide enough when there is none."""
    from rich.console import Console  # noqa: PLC0415 - text alone needs none of rich, which takes a while to import

    return Console(width=None if sys.stdout.isatty() else PIPED_WIDTH, highlight=False)


def print_json(document: Any) -> None:  # noqa: ANN401 - whatever json knows, and dataclasses
    """One document and a newline."""
    foreign.dump(document, sys.stdout, indent=2)
    sys.stdout.write("\n")


#: The level at which totals and live counts are exact, and created and exited of each go statement estimated.
SAMPLED: Final = "sampled"
#: Before a number that is not precise, and what that means.
ABOUT: Final = "~"
ABOUT_MEANS: Final = (
    f"{ABOUT} not precise: probes were detached or lost counts for a time, and memory shows only part of it"
)


#: What it means before a number that contains an estimate.
ESTIMATED_MEANS: Final = (
    f"{ABOUT} estimated: short windows saw which go statements goroutines are of, the runtime counts them all "
    "(--json has the bounds)"
)


class About(int):
    """A number that is not precise, or contains an estimate."""


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], empty: str) -> None:
    """A table, numbers to the right; `empty` is what to say when there is no row. Text is never taken for markup."""
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    shown = list(rows)
    if not shown:
        console().print(Text(empty))
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for position, column in enumerate(columns):
        number = isinstance(shown[0][position], int | float)
        table.add_column(column, justify="right" if number else "left", no_wrap=number, overflow="fold")
    for row in shown:
        table.add_row(*(Text(cell(value)) for value in row))
    console().print(table)


def cell(value: object) -> str:
    """A number with its thousands apart, anything else as it is; what a terminal would not show is made visible."""
    if isinstance(value, int):
        return f"{ABOUT if isinstance(value, About) else ''}{value:,}"
    return foreign.shown(value)


def moment(unix_nano: int) -> str:
    """A time for people, in UTC and to the second; "-" for 0."""
    if not unix_nano:
        return "-"
    return datetime.fromtimestamp(unix_nano // 1_000_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def counted(number: int, what: str) -> str:
    """A number of things: "1 line", "2,000 lines"."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def duration(nanoseconds: int) -> str:
    """A length of time for people, with two units at most: "850 ns", "1.25 ms", "3 min 20 s", "2 d 4 h"."""
    for unit, size in (("ns", 1), ("µs", 1_000), ("ms", 1_000_000)):
        if nanoseconds < size * 999.5:
            return f"{nanoseconds / size:.3g} {unit}"
    seconds = nanoseconds // 1_000_000_000
    if seconds < 60:
        return f"{nanoseconds / 1e9:.3g} s"
    for large, small, unit, sub in ((60, 1, "min", "s"), (3_600, 60, "h", "min"), (86_400, 3_600, "d", "h")):
        if seconds < large * (24 if unit == "h" else 60) or unit == "d":
            return f"{seconds // large} {unit} {seconds % large // small} {sub}"
    raise AssertionError("days have no upper limit")


def clock(offset_ns: int) -> str:
    """By how much a host's clock is ahead of the collector's, or behind."""
    return f"{duration(abs(offset_ns))} {'ahead of' if offset_ns > 0 else 'behind'} the collector's clock"
