"""Small pictures of a site's live goroutines over time, and one site's numbers."""

from collections.abc import Sequence
from typing import Final

#: Of the picture's own coordinates: a part of Past is so wide, and all of it so high.
STEP: Final = 3
HIGH: Final = 20


def path(line: Sequence[int]) -> str:
    """Of an SVG's `path`: numbers at the ends of equally long parts as a line, from 0 at the bottom to the highest.

    What stays the same for several parts is one line; a line that is 0 throughout lies at the bottom.
    """
    top = max(*line, 1)
    heights = [HIGH - round(max(live, 0) * HIGH / top) for live in line]
    drawn, passed = f"M0 {heights[0]}", 0
    for before, height in zip(heights, [*heights[1:], None], strict=True):
        if height == before:
            passed += 1
        elif height is not None:
            drawn += (f"h{STEP * passed}" if passed else "") + f"l{STEP} {height - before}"
            passed = 0
    return drawn + (f"h{STEP * passed}" if passed else "")


def width(parts: int) -> int:
    """Of the picture's coordinates."""
    return STEP * max(parts - 1, 1)
