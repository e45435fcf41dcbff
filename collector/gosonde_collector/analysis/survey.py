"""Follows the counters of every site as they are stored, and reads in full only those of sites that may grow.

A fleet has hundreds of thousands of sites that change all the time, and a handful that grow: docs/adr/0080.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gosonde_collector.analysis.alone import Alone
from gosonde_collector.analysis.growth import LOOKBACK_NS
from gosonde_collector.analysis.history import History
from gosonde_collector.analysis.proofs import FEWEST
from gosonde_collector.model.values import ProcessKey, Search, Site
from gosonde_collector.store.protocol import Store
from gosonde_collector.store.records import Counters, Running, Series

#: Batches that are read at once.
SLICE: Final = 128
#: Processes are kept for that long after they last ran, series after somebody last asked for them; in seconds.
KEEP_S: Final = 600.0

#: A process number, and the pc of a site of it.
SiteKey = tuple[int, int]
#: A host, a process of it, and the pc of a site of that.
Place = tuple[str, ProcessKey, int]


class Survey:
    """To be used by one thread at a time.

    Attributes:
        alone: Counts what is left out of one site or process.
    """

    def __init__(self, store: Store) -> None:
        self.alone = Alone()
        self._store = store
        self._stored: int | None = None
        self._running: Mapping[int, Running] = {}
        self._numbers: dict[tuple[str, ProcessKey], int] = {}
        self._histories: dict[int, History] = {}
        self._series: dict[SiteKey, Series] = {}
        self._wanted: dict[SiteKey, float] = {}
        self._ran: dict[int, float] = {}
        self._suspected: set[int] = set()
        self._searches: Mapping[int, Search] = {}

    def suspects(self) -> list[Series]:
        """The recent past of every site that may grow, or is proved to leak, up to what is stored by now.

        Raises:
            StoreError: The store failed.
        """
        self._follow()
        found: list[SiteKey] = self._proved()
        for number, of in self._running.items():
            if history := self._histories.get(number):
                with self.alone.step("screen a process", (of.host, of.process.key)):
                    found += [(number, int(pc)) for pc in history.suspects(of.until_unix_nano)]
        self._suspected = {number for number, _ in found}
        return self._full(list(dict.fromkeys(found)))

    def _proved(self) -> list[SiteKey]:
        """The sites of which searches have proved that they leak."""
        return [
            (number, pc)
            for number, search in self._searches.items()
            for pc, proof in search.sites.items()
            if number in self._running and proof.proved >= FEWEST
        ]

    def search_of(self, series: Series) -> Search | None:
        """The newest search of the series' process."""
        return self._searches.get(series.number)

    def beginning(self, wanted: Callable[[tuple[str, ProcessKey]], bool]) -> list[tuple[str, ProcessKey]]:
        """Of the processes asked for, those some site of which seems to begin to grow, or may grow."""
        found = []
        for number, of in self._running.items():
            place, history = (of.host, of.process.key), self._histories.get(number)
            if history and wanted(place) and (number in self._suspected or history.beginning(of.until_unix_nano)):
                found.append(place)
        return found

    def sites(self, wanted: Iterable[Place]) -> dict[Place, Series]:
        """The recent past of sites, those left out whose process does not run. Raises StoreError."""
        keys = [(self._numbers[host, key], pc) for host, key, pc in wanted if (host, key) in self._numbers]
        return {(s.host, s.process.key, s.site.pc): s for s in self._full(keys)}

    def sites_beside(self, series: Series) -> list[Site]:
        """Every known site of the same process."""
        pcs = self._histories[series.number].pcs.tolist() if series.number in self._histories else ()
        return self._store.site_names(series.process.build_id, pcs)

    @property
    def passed_over(self) -> int:
        """Totals of sites that are not examined, since the start, of processes that still run."""
        return sum(history.passed_over for history in tuple(self._histories.values()))

    def _follow(self) -> None:
        """Records what was stored since the last time."""
        if self._stored is None:
            self._stored = self._begin()
        while counters := self._store.new_counters(self._stored, SLICE):
            self._refresh()
            followed: dict[int, list[SiteKey]] = {}
            for key in self._series:
                followed.setdefault(key[0], []).append(key)
            for number, part in _by_process(counters):
                with self.alone.step("follow a process", number):
                    self._take(number, part, followed.get(number, ()))
            self._stored = counters.stored_unix_nano
        self._refresh()
        self._searches = self._store.searches()
        self._forget()

    def _begin(self) -> int:
        base = self._store.base_counters(LOOKBACK_NS)
        self._refresh()
        for number, part in _by_process(base):
            if history := self._history(number):
                with self.alone.step("begin with a process", number):
                    history.begin(int(part.unix_nano.min()), part.pc, part.created, part.exited)
        return base.stored_unix_nano

    def _refresh(self) -> None:
        """Which processes run: those of new counters too, because it comes after those were read."""
        self._running = self._store.running()
        self._numbers = {(of.host, of.process.key): number for number, of in self._running.items()}
        self._ran.update(dict.fromkeys(self._running, time.monotonic()))

    def _history(self, number: int) -> History | None:
        """None when the process does not run."""
        if number not in self._histories and number in self._running:
            self._histories[number] = History(self._running[number].process.counted_since_unix_nano)
        return self._histories.get(number)

    def _take(self, number: int, rows: Counters, followed: Iterable[SiteKey]) -> None:
        history = self._history(number)
        if history is None:
            return
        borders = np.flatnonzero(np.diff(rows.unix_nano)) + 1
        for part in np.split(np.arange(len(rows.pc)), borders):
            history.add(int(rows.unix_nano[part[0]]), rows.pc[part], rows.created[part], rows.exited[part])
        for key in followed:
            self._series[key] = _longer(self._series[key], rows)

    def _full(self, keys: list[SiteKey]) -> list[Series]:
        """Series of sites, read from the store when they are not followed yet."""
        for series in self._store.series([key for key in keys if key not in self._series], LOOKBACK_NS):
            self._series[series.number, series.site.pc] = series
        self._wanted.update(dict.fromkeys(keys, time.monotonic()))
        estimates = self._store.estimates(keys, LOOKBACK_NS)
        return [
            replace(series, estimates=estimates.get((series.number, series.site.pc)))
            for series in self._currents(key for key in keys if key in self._series)
        ]

    def _currents(self, keys: Iterable[SiteKey]) -> Iterator[Series]:
        for key in keys:
            with self.alone.step("bring a site up to date", key):
                yield self._current(key)

    def _current(self, key: SiteKey) -> Series:
        """A series up to now, without what is older than the recent past, except what holds at its beginning."""
        series, of = self._series[key], self._running[key[0]]
        first = int(np.searchsorted(series.unix_nano, of.until_unix_nano - LOOKBACK_NS, side="left")) - 1
        kept = slice(max(first, 0), None)
        (site,) = self._store.site_names(of.process.build_id, [key[1]])
        self._series[key] = replace(
            series,
            process=of.process,
            site=site,
            unix_nano=series.unix_nano[kept],
            created=series.created[kept],
            exited=series.exited[kept],
            baseline=series.baseline[kept],
            mismatch=series.mismatch[kept],
            until_unix_nano=max(of.until_unix_nano, int(series.unix_nano[-1])),
        )
        return self._series[key]

    def _forget(self) -> None:
        """Drops what has not run, and what nobody asked for, in a while."""
        before = time.monotonic() - KEEP_S
        self._ran = {number: when for number, when in self._ran.items() if when >= before}
        self._histories = {number: h for number, h in self._histories.items() if number in self._ran}
        self._wanted = {key: when for key, when in self._wanted.items() if when >= before and key[0] in self._ran}
        self._series = {key: series for key, series in self._series.items() if key in self._wanted}


def _by_process(counters: Counters) -> Iterator[tuple[int, Counters]]:
    borders = np.flatnonzero(np.diff(counters.process)) + 1
    for part in np.split(np.arange(len(counters.process)), borders):
        if part.size:
            yield int(counters.process[part[0]]), _chosen(counters, part)


def _chosen(counters: Counters, part: NDArray[np.int64]) -> Counters:
    return Counters(
        counters.process[part],
        counters.pc[part],
        counters.unix_nano[part],
        counters.created[part],
        counters.exited[part],
        counters.baseline[part],
        counters.mismatch[part],
        counters.stored_unix_nano,
    )


def _longer(series: Series, rows: Counters) -> Series:
    """With the rows of its site: as the store would put them together."""
    mine = rows.pc == np.uint64(series.site.pc)
    if not mine.any():
        return series
    times, created, exited = (
        np.maximum.accumulate(np.concatenate(both))
        for both in (
            (series.unix_nano, rows.unix_nano[mine]),
            (series.created, rows.created[mine]),
            (series.exited, rows.exited[mine]),
        )
    )
    return replace(
        series,
        unix_nano=times,
        created=created,
        exited=exited,
        baseline=np.concatenate([series.baseline, rows.baseline[mine]]),
        mismatch=np.concatenate([series.mismatch, rows.mismatch[mine]]),
    )
