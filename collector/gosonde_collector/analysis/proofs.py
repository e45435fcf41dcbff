"""What searches of a process's memory say of a site: goroutines that nothing alive can ever wake.

The agent proves it (docs/adr/0122-proofs-in-findings.md). Nothing proved says nothing: what a global variable reaches
can be a leak too.
"""

from dataclasses import replace
from typing import Final

from gosonde_collector.analysis.numbers import LEAKED, Numbers
from gosonde_collector.analysis.slope import theil_sen
from gosonde_collector.analysis.steps import SECOND, Steps, moments
from gosonde_collector.analysis.witnesses import AGREES, DISAGREES, SILENT, Witness, live_around
from gosonde_collector.model.values import Holder, Search, SiteProof
from gosonde_collector.store.records import Series

#: Goroutines of one site of which it must be proved for a finding: one or two may be made once, on purpose, to wait.
FEWEST: Final = 3
#: Over how many seconds a site that is found by its proof is seen to rise, and at how many points.
RECENT_S: Final = 45
POINTS: Final = 15


def of_site(series: Series, search: Search | None) -> SiteProof | None:
    """What the newest search that named the site found of it."""
    return search.sites.get(series.site.pc) if search else None


def is_leak(series: Series, proof: SiteProof | None) -> bool:
    """Whether enough goroutines of the site are proved to leak."""
    return proof is not None and _proved(series, proof) >= FEWEST


def witness(series: Series, search: Search | None) -> Witness:
    """The witness "proof": it agrees or is silent."""
    if search is None:
        return Witness("proof", SILENT, "the memory of this process was not searched")
    proof = of_site(series, search)
    if proof is None or not proof.examined:
        why = "no goroutine of the site waited for anything that the newest search could examine"
        return Witness("proof", SILENT, f"the search decided nothing: {search.undecided}" if search.undecided else why)
    age = max(series.until_unix_nano - proof.searched_unix_nano, 0) / SECOND
    waiting = f"of {proof.examined} waiting goroutines"
    scans = f"one scan of memory, {age:.0f} s ago" if proof.scans == 1 else _scans(proof.scans, age)
    proved = _proved(series, proof)
    around = live_around(series, proof.searched_unix_nano)
    numbers = Numbers(LEAKED, proof.searched_unix_nano, proved, proved + proof.probable, *around)
    if proved:
        said = f"{proved} {waiting} are proved to leak: nothing alive can ever wake them ({scans})"
        return Witness("proof", AGREES, said, is_leak(series, proof), numbers)
    if proof.probable >= FEWEST:
        return Witness("proof", AGREES, f"{proof.probable} {waiting} very probably leak ({scans})", numbers=numbers)
    held = [f"{holder.goroutines} are held by {path_text(holder)}" for holder in proof.held_by]
    undecided = [search.undecided] if search.undecided else []
    said = "; ".join([f"none {waiting} is proved to leak ({scans})", *held, *undecided])
    return Witness("proof", SILENT, said, numbers=numbers)


def _scans(number: int, last_s: float) -> str:
    return f"{number} scans of memory, the last {last_s:.0f} s ago"


def early(counted: Witness, series: Series) -> Witness:
    """What the events say of a site that is proved to leak and is not counted for long enough to be judged."""
    if counted.name != "events" or counted.verdict != DISAGREES:
        return counted
    if rise := rise_per_second(series):
        said = f"the live count rises by {rise:.3g} per second, but not yet for long enough to be judged"
    elif (seen_s := (series.until_unix_nano - int(series.unix_nano[0])) / SECOND) < RECENT_S:
        said = f"it was counted for {seen_s:.0f} s, too short a time to judge whether the live count rises"
    else:
        return counted
    created, exited = Steps.of(series).totals
    return replace(counted, verdict=SILENT, detail=f"{created} created and {exited} exited; {said}")


def path_text(holder: Holder) -> str:
    """The path, from its root on."""
    return " → ".join(holder.path)


def rise_per_second(series: Series) -> float:
    """How fast the live count rises of late; 0 when it is not certain that it does."""
    first = max(series.until_unix_nano - RECENT_S * SECOND, int(series.unix_nano[0]))
    at = moments(first, series.until_unix_nano, POINTS)
    if at[0] == at[-1]:
        return 0.0
    slope = theil_sen((at - at[0]) / SECOND, Steps.of(series).live_at(at))
    return slope.middle if slope.low > 0 else 0.0


def _proved(series: Series, proof: SiteProof) -> int:
    """Those of which it is proved and that live: what the events say of their end holds."""
    return max(min(proof.proved, int(series.live[-1])), 0)
