"""A small chart for the terminal: a count over time, in a few rows of blocks."""

from collections.abc import Sequence
from typing import Final

#: From nothing to a full row, in eighths.
BLOCKS: Final = " ▁▂▃▄▅▆▇█"


def chart(values: Sequence[int], room: int, rows: int = 6) -> list[str]:
    """One line a row, the highest first, with the count that its top stands for; empty without values.

    Where there are more values than columns, several share one, and the highest of them is shown.
    """
    if not values:
        return []
    low, high = min(0, *values), max(values)
    if high == low:
        high = low + 1
    width = max(len(f"{high:,}"), len(f"{low:,}"))
    each = -(-len(values) // max(room - width - 2, 1))
    highest = [max(values[start : start + each]) for start in range(0, len(values), each)]
    filled = [round((value - low) / (high - low) * rows * 8) for value in highest]
    return [f"{_top(low, high, row, rows):>{width},} ┤{_row(filled, row)}" for row in reversed(range(rows))]


def _top(low: int, high: int, row: int, rows: int) -> int:
    return low + round((high - low) * (row + 1) / rows)


def _row(filled: Sequence[int], row: int) -> str:
    return "".join(BLOCKS[min(max(eighths - 8 * row, 0), 8)] for eighths in filled).rstrip()
