"""Which processes seem to leak: their `go` statements make goroutines of which too few end, or none ever did.

A suspicion costs a few scans of memory, and accuses nobody; so it is raised long before growth could be judged.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from typing import Final

from gosonde_common.values.observation import Process, ProcessKey, SiteCount

#: By how many live goroutines a site has risen, next to none of those created having ended.
RISE: Final = 8
FEW_EXITS: Final = 0.25
#: The same where many end: by so many, for so long, in seconds.
RISE_AMONG_EXITS, LASTING = 16, 20.0
#: After a search a site must rise by this share of what lived then, so that searches grow rarer as a leak goes on.
RISE_AGAIN: Final = 0.5
#: Sites with so many live goroutines may have leaked them before anybody looked.
FEWEST: Final = 3


@dataclass(slots=True)
class _Site:
    """A site since its live count began to rise, or since it was searched: `at` is CLOCK_MONOTONIC seconds."""

    newest: SiteCount
    base: SiteCount
    at: float
    least: int = RISE


@dataclass(slots=True)
class Suspected:
    """What is known of one process.

    Attributes:
        rising: The sites that are suspected of a leak because they rise, with their rise.
        holds: Whether a site has enough goroutines to be worth a search when there is nothing more urgent.
    """

    rising: dict[int, int] = field(default_factory=dict)
    holds: bool = False
    sites: dict[int, _Site] = field(default_factory=dict)


class Suspicion:
    """Follows the live counts of all processes; to be used by one thread."""

    def __init__(self) -> None:
        self._processes: dict[ProcessKey, Suspected] = {}

    def note(self, processes: Iterable[Process], rows: Iterable[SiteCount], now: float) -> None:
        """Takes what an observation counted. Processes that it does not name, or that have ended, are forgotten."""
        running = {process.key for process in processes if not process.ended_unix_nano and not process.refusal}
        self._processes = {key: known for key, known in self._processes.items() if key in running}
        for key, own in groupby(rows, attrgetter("process")):
            if key in running:
                _follow(self._processes.setdefault(key, Suspected()), own, now)

    def all(self) -> Iterator[tuple[ProcessKey, Suspected]]:
        """Every process that runs and has sites."""
        yield from self._processes.items()

    def of(self, key: ProcessKey) -> Suspected | None:
        """What is known of a process that runs."""
        return self._processes.get(key)

    def searched(self, key: ProcessKey, now: float) -> None:
        """A search of the process has ended: what has risen up to now was looked at."""
        if known := self._processes.get(key):
            known.rising.clear()
            for site in known.sites.values():
                site.base, site.at = site.newest, now
                site.least = max(RISE, int(RISE_AGAIN * site.newest.live))


def _follow(known: Suspected, rows: Iterable[SiteCount], now: float) -> None:
    for row in rows:
        site = known.sites.get(row.site.pc)
        if site is None:
            # Whatever was created since counting began has risen since.
            began = row._replace(created=0, exited=0)
            site = known.sites[row.site.pc] = _Site(row, began, now)
        elif site.newest is row or site.newest == row:
            continue  # nothing happened: most sites of most programs
        site.newest = row
        if _net(row) <= _net(site.base):
            site.base, site.at = row, now
        rise = _rise(site, now)
        if rise:
            known.rising[row.site.pc] = rise
        else:
            known.rising.pop(row.site.pc, None)
        known.holds = known.holds or row.live >= FEWEST


def _net(row: SiteCount) -> int:
    """Without those that lived when counting began: that they are found is no rise."""
    return row.created - row.exited


def _rise(site: _Site, now: float) -> int:
    """By how many goroutines a site has risen as a leak does; 0 when it has not."""
    rise = _net(site.newest) - _net(site.base)
    created, exited = site.newest.created - site.base.created, site.newest.exited - site.base.exited
    if rise >= site.least and exited <= FEW_EXITS * created:
        return rise
    return rise if rise >= max(RISE_AMONG_EXITS, site.least) and now - site.at >= LASTING else 0
