"""How many goroutines of each site were created and exited of late, where some of them are estimated."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from gosonde_common.values.observation import NAMELESS_PC

from gosonde_collector.analysis.amounts import Amount, gained
from gosonde_collector.model.values import Before, ProcessKey, SiteTotal

NOTHING: Final = Amount(0, 0, 0)


class Turnover(NamedTuple):
    """What was created and exited in a time; of the site without a statement, what no other site has."""

    over_ns: int
    created: Amount
    exited: Amount


def turnovers(totals: Sequence[SiteTotal]) -> Iterator[Turnover | None]:
    """Of each of these sites, all of their processes; None where nothing is known of before."""
    found = [(total, _estimated(total, total.before)) for total in totals if total.before]
    shared: defaultdict[tuple[str, ProcessKey], list[tuple[Amount, Amount]]] = defaultdict(list)
    for total, estimated in found:
        shared[total.host, total.process].append(estimated)
    for total in totals:
        yield _turnover(total, total.before, shared[total.host, total.process]) if total.before else None


def _turnover(total: SiteTotal, before: Before, shared: Sequence[tuple[Amount, Amount]]) -> Turnover | None:
    if before.over_ns <= 0:
        return None
    created, exited = max(total.created - before.created, 0), max(total.exited - before.exited, 0)
    if total.site.pc == NAMELESS_PC:
        left = (_left(certain, [both[which] for both in shared]) for which, certain in enumerate((created, exited)))
        return Turnover(before.over_ns, *left)
    own = _estimated(total, before)
    return Turnover(before.over_ns, own[0].plus(created), own[1].plus(exited))


def _estimated(total: SiteTotal, before: Before) -> tuple[Amount, Amount]:
    """What is estimated of creations and of exits since before."""
    if total.estimate is None:
        return NOTHING, NOTHING
    return gained(before.estimate[:3], total.estimate[:3]), gained(before.estimate[3:], total.estimate[3:6])


def _left(certain: int, others: Sequence[Amount]) -> Amount:
    """Without what others have of it."""
    number, low, high = (sum(column) for column in zip(*others, strict=True))
    return Amount(*(max(certain - theirs, 0) for theirs in (number, high, low)))
