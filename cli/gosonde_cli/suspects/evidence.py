"""Why a `go` statement looks like a leak, in sentences."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gosonde_common.values.goroutines import Location

from gosonde_cli.rendering import counted, duration
from gosonde_cli.suspects.lasting import Rise

if TYPE_CHECKING:
    from gosonde_collector.analysis.dumps import Creation
    from gosonde_common.values.reachability import Proof

SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Unwoken:
    """Goroutines of a statement that nothing alive can wake: proved, and by fewer scans than that takes; of so many."""

    proved: int = 0
    probable: int = 0
    live: int = 0

    @classmethod
    def by_statement(cls, proof: "Proof | None") -> "dict[Location, Unwoken]":
        """Of each statement that has any."""
        found: dict[Location, Unwoken] = {}
        for one in proof.sites if proof else ():
            before = found.get(one.created_by, cls())
            found[one.created_by] = cls(
                before.proved + one.proved, before.probable + one.probable, before.live + one.live
            )
        return {place: one for place, one in found.items() if one.proved or one.probable}


def sentences(
    row: Mapping[str, Any] | None, rise: Rise | None, unwoken: Unwoken | None, creation: "Creation | None"
) -> Iterator[str]:
    """All that speaks for it: what was counted, whom memory has shown, who can be woken, and what the stacks say."""
    if rise:
        yield f"{rise.more:,} more within {duration(int(rise.seconds * SECOND))}, and at no time fewer again"
        if rise.is_leak and rise.lasted_s > rise.seconds:
            yield f"at that rate since the process began, {duration(int(rise.age_s * SECOND))} ago"
    if row:
        yield f"{counted(row['created'], 'goroutine')} created and {row['exited']:,} exited since counting began"
        if row["baseline"]:
            yield f"{row['baseline']:,} lived before counting began"
    if rise and (fate := rise.fate) and fate.seen:
        ran = f"{fate.ran:,} of them" if fate.ran else "none of them"
        there = f"of {fate.seen:,} that were there {rise.fate_seconds:.1f} s before the end"
        yield f"{there}, {fate.kept:,} stayed; {ran} ran"
    if unwoken and unwoken.proved:
        yield f"{unwoken.proved:,} can never run again: nothing alive leads to what they wait for"
    if unwoken and unwoken.probable:
        yield f"nothing alive can wake {unwoken.probable:,}, by fewer scans than a proof needs"
    yield from _waits(creation)


def _waits(creation: "Creation | None") -> Iterator[str]:
    """Where most of them wait, and for how long."""
    if creation is None:
        return
    own = [frame for frame in creation.stack if not frame.function.startswith("runtime.")]
    if own and creation.states:
        state, number = next(iter(creation.states.items()))
        at, where = own[0], f"{creation.goroutines_of_stack:,} of {creation.goroutines:,}"
        yield f"{where} are at {at.function} ({at.file}:{at.line}); {number:,} in state {state}"
    if creation.oldest_wait_ns:
        yield f"the oldest has waited for {duration(creation.oldest_wait_ns)}"
