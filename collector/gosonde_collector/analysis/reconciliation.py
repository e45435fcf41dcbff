"""Whether the events of a site can be believed: what they say against what the agent read from memory.

The rule stands in docs/adr/0045-a-growing-mismatch.md.
"""

from gosonde_collector.analysis.numbers import LIVE, Numbers
from gosonde_collector.analysis.witnesses import (
    DISAGREES,
    TOLERANCE,
    TOLERANCE_MIN,
    Witness,
)
from gosonde_collector.store.records import Series


def contradiction(series: Series, grown: int) -> Witness | None:
    """What memory says when its disagreement with the events grows, against the growth of the live count; else None."""
    before, now = abs(int(series.mismatch[0])), int(series.mismatch[-1])
    if abs(now) - before <= max(TOLERANCE_MIN, TOLERANCE * grown):
        return None
    detail = (
        f"memory shows {abs(now)} {'fewer' if now < 0 else 'more'} live goroutines than the counters; the difference "
        f"was {before} an hour ago or when counting began. Counts are lost, so growth by {grown} proves nothing"
    )
    live = max(int(series.live[-1]), 0)
    shown = max(live + now, 0)
    return Witness("memory", DISAGREES, detail, numbers=Numbers(LIVE, series.until_unix_nano, shown, shown, live, live))


def contradicted(witnesses: tuple[Witness, ...], memory: Witness) -> tuple[Witness, ...]:
    """The witnesses with what memory says of the events for what a snapshot of it said."""
    return tuple(memory if witness.name == memory.name else witness for witness in witnesses)
