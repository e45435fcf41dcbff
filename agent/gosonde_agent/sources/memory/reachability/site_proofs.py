"""From a verdict on goroutines to what is said of each `go` statement."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from gosonde_common.values.goroutines import MAIN_GOROUTINE, Location, statement
from gosonde_common.values.reachability import Holder, Proof, SiteProof

from gosonde_agent.model.errors import MalformedBinaryError
from gosonde_agent.sources.memory.dump import NOWHERE, is_system
from gosonde_agent.sources.memory.errors import ImplausibleMemoryError, UnreadableMemoryError
from gosonde_agent.sources.memory.reachability.grouping import grouped
from gosonde_agent.sources.memory.reachability.limits import NotDecidedError
from gosonde_agent.sources.memory.reachability.paths import Path, Paths
from gosonde_agent.sources.memory.reachability.proving import Verdict
from gosonde_agent.sources.memory.reachability.rows import I64, U64
from gosonde_agent.sources.memory.reachability.scan import Scan
from gosonde_agent.sources.memory.target import Target

#: Goroutines of one site of which it is found out who holds them, and different ways that are named.
MAX_FOLLOWED, MAX_NAMED = 10_000, 256
#: With it, and with no cleanup that runs, the runtime calls its own goroutines its own.
FINALIZER_WAIT = "finalizer wait"

#: The texts of a way to a goroutine of a scan, by its row.
Name = Callable[[Path, Scan, int], tuple[str, ...]]
#: What groups of leaked goroutines alone retain: see `Scanner.retained`.
Retained = Callable[[U64, I64], I64]


class SiteProofs:
    """Describes the verdict on one process.

    Args:
        name: Says the texts of a way.
        retained: Works out what the proved ones retain.
    """

    def __init__(self, verdict: Verdict, target: Target, name: Name, retained: Retained) -> None:
        self._verdict, self._name, self._retained = verdict, name, retained
        self._pclntab, self._bias = target.pclntab, target.runtime.bias
        self._now = time.monotonic_ns()

    def proof(self) -> Proof:
        """What is said of the process, and of each of its `go` statements."""
        said = self._verdict
        sites = tuple(self._sites(said.first)) if said.first else ()
        return Proof(said.decided, said.why, said.scans, said.quiet, sites)

    def _sites(self, scan: Scan) -> Iterator[SiteProof]:
        paths = Paths(scan)
        keys = np.stack((scan.goroutines.gopc, scan.goroutines.start_pc), axis=1)
        places, site_of = np.unique(keys, axis=0, return_inverse=True)
        site_of = site_of.reshape(-1)
        order = np.argsort(site_of, kind="stable")
        bounds = np.searchsorted(site_of[order], np.arange(1, len(places)))
        heap = self._heap(scan, site_of, len(places))
        for number, rows in enumerate(np.split(order, bounds)):
            gopc, start_pc = places[number].tolist()
            created_by, start_function = self._statement(gopc), self._function(start_pc)
            if created_by != MAIN_GOROUTINE and not is_system(start_function, FINALIZER_WAIT, running_cleanups=False):
                counted = self._counted(scan, rows, created_by, start_function)
                held_by = self._holders(scan, paths, rows)
                yield replace(counted, held_by=held_by, retained_heap_bytes=heap[number] if counted.proved else 0)

    def _heap(self, scan: Scan, site_of: I64, sites: int) -> list[int | None]:
        """What the proved goroutines of each site alone retain of the heap; None where it takes too much to say."""
        proved = self._verdict.proved
        if not proved.any():
            return [0] * sites
        try:
            found = self._retained(scan.goroutines.at[proved], site_of[proved])
        except (NotDecidedError, ImplausibleMemoryError, UnreadableMemoryError):
            return [None] * sites
        return [*found.tolist(), *[0] * (sites - len(found))]

    def _counted(self, scan: Scan, rows: I64, created_by: Location, start_function: str) -> SiteProof:
        proved, blocked = self._verdict.proved[rows], scan.blocked[rows]
        since = scan.goroutines.since[rows]
        noted = since[(since > 0) & (since <= self._now) & blocked]
        return SiteProof(
            created_by=created_by,
            start_function=start_function,
            live=len(rows),
            blocked=int(blocked.sum()),
            proved=int(proved.sum()),
            probable=int(self._verdict.probable[rows].sum()),
            undecided=int((blocked & (~scan.suspects[rows] | scan.given_up[rows]) & ~proved).sum()),
            retained_stack_bytes=int(scan.stack_bytes()[rows[proved]].sum()),
            oldest_wait_ns=self._now - int(noted.min()) if len(noted) else None,
        )

    def _holders(self, scan: Scan, paths: Paths, rows: I64) -> tuple[Holder, ...]:
        held = rows[scan.suspects[rows] & ~self._verdict.proved[rows] & ~self._verdict.probable[rows]]
        names: dict[Path, tuple[str, ...]] = {}
        ways = []
        for row in held[:MAX_FOLLOWED].tolist():
            path = paths.of(row)
            if path is not None and (path in names or len(names) < MAX_NAMED):
                if path not in names:
                    names[path] = self._name(path, scan, row)
                ways.append(names[path])
        return grouped(ways)

    def _statement(self, gopc: int) -> Location:
        if not gopc:
            return NOWHERE
        try:
            return statement(self._pclntab.location_of(gopc - self._bias - 1) or NOWHERE)
        except MalformedBinaryError:
            return NOWHERE

    def _function(self, start_pc: int) -> str:
        try:
            function = self._pclntab.function_of(start_pc - self._bias)
        except MalformedBinaryError:
            return ""
        return function.name if function is not None else ""
