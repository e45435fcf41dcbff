"""A table for people, and the same rows for programs."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rich import table as rich_table
from rich.console import Console, Group, JustifyMethod, RenderableType
from rich.text import Text

from gosonde_cli import rendering
from gosonde_cli.tables.columns import GAP, Column, widths


@dataclass(frozen=True, slots=True)
class Row:
    """A row: a cell for each column, what `--json` prints of it, and what it was made from where that is needed."""

    cells: tuple[object, ...]
    document: Any = None
    source: Any = None


@dataclass(frozen=True, slots=True)
class Table:
    """Columns and rows.

    Attributes:
        empty: What to say when there is no row.
        notes: Lines below the table.
        gaps: Lines about what is not known; with `--json` they go to standard error.
        before: Lines above the table.
        left_out: How many more rows there are.
        document: What `--json` prints, where that is not a list of what it prints of each row.
        rows_in: The key of such a document that has this list.
    """

    columns: Sequence[Column]
    rows: Sequence[Row]
    empty: str
    notes: Sequence[str] = field(default=())
    gaps: Sequence[str] = field(default=())
    before: Sequence[str] = field(default=())
    left_out: int = 0
    document: Any = None
    rows_in: str = ""

    def as_document(self) -> Any:  # noqa: ANN401 - whatever json knows, and dataclasses
        """What `--json` prints."""
        rows = [row.document for row in self.rows]
        if self.document is None:
            return rows
        return {**self.document, self.rows_in: rows} if self.rows_in else self.document


def print_table(table: Table, *, wide: bool = False) -> None:
    """Prints it as wide as the terminal, or with whole values."""
    out = rendering.console(wide=wide)
    out.print(rendered(table, out, wide=wide))


def rendered(table: Table, out: Console, *, wide: bool) -> RenderableType:
    """The table and the lines below it, for a console. Text is never taken for markup."""
    if not table.rows:
        return Group(*map(Text, [*table.before, table.empty, *table.gaps, *table.notes]))
    texts = [[rendering.cell(row.cells[at]) for row in table.rows] for at in range(len(table.columns))]
    filled = [at for at, column in enumerate(table.columns) if any(texts[at]) or not column.optional]
    shared = {} if wide else _shared(table.columns, texts, filled, out.width // 2)
    shown = [at for at in filled if at not in shared]
    of = widths([table.columns[at] for at in shown], [texts[at] for at in shown], out.width)
    grid = rich_table.Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="bold")
    for at, width in ((shown[position], width) for position, width in of.items()):
        grid.add_column(table.columns[at].title, justify=_justify(table, at), width=width, no_wrap=True)
    for number in range(len(table.rows)):
        fitted = (table.columns[shown[p]].fitted(texts[shown[p]][number], width) for p, width in of.items())
        grid.add_row(*map(Text, fitted))
    gone = [table.columns[at].title for position, at in enumerate(shown) if position not in of]
    below = [*_below(table, list(shared.values()), gone), *table.gaps, *table.notes]
    return Group(*map(Text, table.before), grid, *map(Text, below))


def _shared(
    columns: Sequence[Column], texts: Sequence[Sequence[str]], filled: Sequence[int], room: int
) -> dict[int, str]:
    """What all rows have in common, by the position of its column."""
    return {
        at: f"{columns[at].shared} {columns[at].fitted(texts[at][0], room)}"
        for at in filled
        if columns[at].shared and len(set(texts[at])) == 1
    }


def _justify(table: Table, at: int) -> JustifyMethod:
    """Numbers to the right, all else to the left."""
    is_number = all(isinstance(row.cells[at], int | float | rendering.Figure) for row in table.rows)
    return "right" if is_number else "left"


def _below(table: Table, shared: Sequence[str], gone: Sequence[str]) -> list[str]:
    lines = [f"in all rows: {', '.join(shared)}"] if shared else []
    if table.left_out:
        lines.append(f"and {rendering.counted(table.left_out, 'more row')} (--limit)")
    if gone:
        lines.append(f"columns left out: {', '.join(gone)} (--wide shows all)")
    return lines
