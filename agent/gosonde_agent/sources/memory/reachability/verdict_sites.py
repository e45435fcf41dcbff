"""A verdict by site: which goroutines are of one, what the proved ones retain, and who holds the others."""

import numpy as np
from gosonde_common.values.reachability import Holder

from gosonde_agent.sources.memory.errors import ImplausibleMemoryError, UnreadableMemoryError
from gosonde_agent.sources.memory.reachability.grouping import grouped
from gosonde_agent.sources.memory.reachability.limits import NotDecidedError
from gosonde_agent.sources.memory.reachability.names import Namer, awaited_by, namer_of
from gosonde_agent.sources.memory.reachability.paths import Path, Paths
from gosonde_agent.sources.memory.reachability.proving import Verdict
from gosonde_agent.sources.memory.reachability.rows import I64, U64
from gosonde_agent.sources.memory.reachability.scan import Scan
from gosonde_agent.sources.memory.reachability.scanner import Scanner
from gosonde_agent.sources.memory.target import Target


def by_site(columns: tuple[U64, ...]) -> tuple[U64, I64, list[I64]]:
    """Goroutines that agree in all columns are of one site, by numbers from 0.

    Returns:
        (uint64[sites, columns]: what they agree in; int64[goroutines]: the site of each; the rows of each site).
    """
    places, site_of = np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)
    site_of = site_of.reshape(-1)
    order = np.argsort(site_of, kind="stable")
    bounds = np.searchsorted(site_of[order], np.arange(1, len(places)))
    return places, site_of, np.split(order, bounds)


def retained_heap(scanner: Scanner, verdict: Verdict, scan: Scan, site_of: I64) -> dict[int, int] | None:
    """What the proved goroutines of sites alone retain of the heap, at least, by number; None where it takes too much.

    Raises:
        GosondeError: The process has ended, runs another program, or may not be read.
    """
    proved = verdict.proved
    if not proved.any():
        return {}
    try:
        found = scanner.retained(scan.goroutines.at[proved], site_of[proved])
    except (NotDecidedError, ImplausibleMemoryError, UnreadableMemoryError):
        return None
    return dict(enumerate(found.tolist()))


class Holders:
    """Who holds goroutines of which nothing is proved. Ways are looked for, and DWARF is read, when somebody asks."""

    def __init__(self, target: Target, verdict: Verdict, scan: Scan) -> None:
        self._target, self._verdict, self._scan = target, verdict, scan
        self._reasons = target.wait_reasons()
        self._paths: Paths | None = None
        self._namer: Namer | None = None
        self._names: dict[Path, tuple[str, ...]] = {}

    @property
    def named(self) -> int:
        """Different ways that were named so far."""
        return len(self._names)

    def of(self, rows: I64, most_followed: int, most_named: int) -> tuple[Holder, ...]:
        """The ways to goroutines by their rows, the most goroutines first.

        Args:
            most_followed: Goroutines of which it is found out.
            most_named: Ways that may be named beside those that were before; goroutines on others are left out.
        """
        held = rows[self._scan.suspects[rows] & ~self._verdict.proved[rows] & ~self._verdict.probable[rows]]
        room = self.named + most_named
        names = (self._name(row, room) for row in held[:most_followed].tolist())
        return grouped(name for name in names if name)

    def _name(self, row: int, room: int) -> tuple[str, ...]:
        """Of the way to a goroutine; empty where none is known, or there is no room for one more."""
        self._paths = self._paths or Paths(self._scan)
        path = self._paths.of(row)
        if path is None or (path not in self._names and self.named >= room):
            return ()
        if path not in self._names:
            self._namer = self._namer or namer_of(self._target)
            goroutines = self._scan.goroutines
            self._names[path] = self._namer.name(path, goroutines, awaited_by(self._reasons[goroutines.reason[row]]))
        return self._names[path]
