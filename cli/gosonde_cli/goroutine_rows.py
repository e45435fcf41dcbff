"""Groups of goroutines in the order that is asked for, as lines, as a table, as a flame graph or for speedscope."""

import math
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gosonde_common.errors import UsageError
from gosonde_common.flames.placing import By, calls, state_of
from gosonde_common.flames.tree import Stack

from gosonde_cli.goroutine_groups import Groups, Row
from gosonde_cli.goroutine_text import bounds, grouped
from gosonde_cli.rendering import columns, console, counted, duration_figure

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from gosonde_cli.tables.table import Table

#: Between two readings.
WATCH_SECONDS: Final = 2.0
#: What rows are sorted by.
ORDERS: Final[dict[str, Callable[[Row], tuple[float, str]]]] = {
    "goroutines": lambda row: (-row.goroutines, ""),
    "longest-wait": lambda row: (math.inf if row.longest_ns is None else -row.longest_ns, ""),
    "state": lambda row: (0, state_of(row.kind)),
    "site": lambda row: (0, f"{row.kind.created_by.function} {row.kind.created_by.file}:{row.kind.created_by.line:9}"),
}
#: Of which groups not all goroutines have the same.
VARIES: Final = {By.SITE: ("state",), By.STATE: ("site",), By.LABEL: ("state", "site")}


@dataclass(frozen=True, slots=True)
class Shown:
    """Which rows, in which order, and how wide.

    Raises:
        UsageError: Rows cannot be sorted like this.
    """

    by: By
    sort: str
    limit: int
    wide: bool

    def __post_init__(self) -> None:
        orders = [order for order in ORDERS if order not in VARIES.get(self.by, ())]
        if self.sort not in orders:
            raise UsageError(f"--sort {self.sort}: rows by {self.by} have {', '.join(orders)}")

    def rows(self, groups: Groups) -> list[Row]:
        """Those that are shown."""
        rows = sorted(groups.rows(self.by), key=ORDERS[self.sort])
        return rows[: self.limit] if self.limit else rows

    def lines(self, groups: Groups) -> Iterable[str]:
        """Of groups by stack."""
        return grouped(groups, self.rows(groups), columns(wide=self.wide))


def print_rows(groups: Groups, shown: Shown) -> None:
    """Prints groups that are not by stack, as a table."""
    from gosonde_cli.tables.table import print_table  # noqa: PLC0415 - groups by stack need none of rich's tables

    print_table(_table(groups, shown), wide=shown.wide)


def watch(read: Callable[[], Groups], shown: Shown) -> None:
    """Shows what is read, again and again, until Ctrl-C."""
    from rich.live import Live  # noqa: PLC0415

    out = console(wide=shown.wide)
    with Live(console=out, auto_refresh=False) as live:
        repeated(lambda: live.update(_renderable(read(), shown, out), refresh=True))


def repeated(show: Callable[[], None]) -> None:
    """Shows something again and again, until Ctrl-C."""
    try:
        while True:
            show()
            sys.stdout.flush()
            time.sleep(WATCH_SECONDS)
    except KeyboardInterrupt:
        return


def _renderable(groups: Groups, shown: Shown, out: "Console") -> "RenderableType":
    from rich.text import Text  # noqa: PLC0415

    from gosonde_cli.tables.table import rendered  # noqa: PLC0415

    if shown.by is By.STACK:
        return Text("\n".join(shown.lines(groups)))
    return rendered(_table(groups, shown), out, wide=shown.wide)


def _table(groups: Groups, shown: Shown) -> "Table":
    from gosonde_cli.tables.columns import Column, Kind  # noqa: PLC0415
    from gosonde_cli.tables.table import Row as TableRow  # noqa: PLC0415
    from gosonde_cli.tables.table import Table  # noqa: PLC0415

    own: Sequence[Column] = [Column("GO STATEMENT IN", Kind.FUNCTION), Column("AT", Kind.PATH)]
    if shown.by in (By.STATE, By.LABEL):
        own = [Column(shown.by.upper(), Kind.TEXT)]
    rows = shown.rows(groups)
    total = groups.total
    notes = [f"{counted(total.about, 'goroutine')}{bounds(total)}, and {groups.system:,} of the runtime's own"]
    is_estimated = groups.strata.is_sampled and groups.strata.by_stack
    if is_estimated:
        notes.append(f"{groups.strata.note()} (--max-stacks)")
    if groups.left_out:
        notes.append(f"{groups.left_out:,} in small groups are left out: there are too many; --each has all of them")
    numbers = [Column(name) for name in (("ABOUT", "AT LEAST", "AT MOST") if is_estimated else ("GOROUTINES",))]
    return Table(
        columns=[*numbers, Column("LONGEST WAIT"), *own],
        rows=[TableRow((*_numbers(row, len(numbers)), _waited(row), *_own(row, shown.by))) for row in rows],
        empty="No goroutine is like that.",
        notes=notes,
        left_out=len(groups.rows(shown.by)) - len(rows),
    )


def _numbers(row: Row, columns: int) -> tuple[int, ...]:
    return (row.found.about, row.found.least, row.found.most)[:columns]


def _waited(row: Row) -> object:
    return "-" if row.longest_ns is None else duration_figure(row.longest_ns)


def _own(row: Row, by: By) -> tuple[str, ...]:
    if by in (By.STATE, By.LABEL):
        return (state_of(row.kind) if by is By.STATE else row.kind.group,)
    made = row.kind.created_by
    return made.function or "-", f"{made.file}:{made.line}" if made.file else "-"


def stacks(groups: Groups, by: By) -> list[Stack]:
    """Stacks with their outermost call first, the largest first; below their `go` statement or state where asked."""
    return [Stack(calls(row.kind, by), row.goroutines, state_of(row.kind), row.longest_ns) for row in groups.rows()]
