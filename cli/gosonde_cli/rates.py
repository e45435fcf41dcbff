"""How many goroutines are created and exit each second at a `go` statement: `per_second` of docs/json.md."""

from collections.abc import Mapping
from typing import Any, Final

from gosonde_cli.rendering import ABOUT, Figure

SECOND_NS: Final = 1_000_000_000
WHAT: Final = ("created", "exited")


def per_second(site: Mapping[str, Any], others: Mapping[str, int], over_ns: int) -> dict[str, float] | None:
    """Of a site whose totals rose from 0 in that time; None where no time passed.

    `others` is what is estimated of all sites together: of the row that shares its totals it is theirs.
    """
    if over_ns <= 0:
        return None
    found: dict[str, float] = {"over_ns": over_ns}
    for what in WHAT:
        for key, number in zip((what, f"{what}_low", f"{what}_high"), _amounts(site, what, others), strict=True):
            found[key] = number * SECOND_NS / over_ns
    return found


def _amounts(site: Mapping[str, Any], what: str, others: Mapping[str, int]) -> tuple[int, int, int]:
    """(the most likely number, not fewer, not more)."""
    known: int = site[what]
    if own := site.get("estimated"):
        return known + own[what], known + own[f"{what}_low"], known + own[f"{what}_high"]
    if "shared" in site:
        theirs = others[what], others[f"{what}_high"], others[f"{what}_low"]
        likely, low, high = (max(known - number, 0) for number in theirs)
        return likely, low, high
    return known, known, known


def figure(rates: Mapping[str, float] | None, what: str, *, is_about: bool) -> Figure:
    """A cell of a table: "0", "0.25", "12.3", "~1,240"; "-" where nothing is known."""
    if rates is None:
        return Figure(-1, "-")
    rate = rates[what]
    text = f"{rate:,.0f}" if rate >= 99.95 else f"{rate:.3g}"
    about = ABOUT if is_about or rates[f"{what}_low"] != rates[f"{what}_high"] else ""
    return Figure(rate, f"{about}{text}")
