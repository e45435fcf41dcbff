"""How old goroutines are, as a histogram for people."""

from typing import Final

from gosonde_common.values.ages import SECOND, Ages

from gosonde_cli.rendering import duration

#: Characters of the longest bar.
BAR: Final = 30


def age_lines(ages: Ages) -> list[str]:
    """A bar for each range of ages that goroutines have; nothing where no age is known."""
    if not ages.bars:
        return []
    most = max(bar.goroutines for bar in ages.bars)
    lines = []
    for bar in ages.bars:
        length = max(round(bar.goroutines / most * BAR), 1)
        began = duration(bar.at_least_ns).removesuffix(" 0 s").removesuffix(" 0 min").removesuffix(" 0 h")
        lines.append(f"{began if bar.at_least_ns >= SECOND else '0 s':>8} {'█' * length} {bar.goroutines:,}")
    return [*lines, f"{'not known':>8} {ages.not_known:,}"] if ages.not_known else lines
