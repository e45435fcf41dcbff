"""From a verdict on goroutines to what is said of each `go` statement."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from gosonde_common.values.goroutines import MAIN_GOROUTINE, Location, statement
from gosonde_common.values.reachability import Proof, SiteProof

from gosonde_agent.model.errors import MalformedBinaryError
from gosonde_agent.sources.memory.dump import NOWHERE, is_system
from gosonde_agent.sources.memory.reachability.proving import Verdict
from gosonde_agent.sources.memory.reachability.rows import I64, U64
from gosonde_agent.sources.memory.reachability.scan import Scan
from gosonde_agent.sources.memory.reachability.scanner import Scanner
from gosonde_agent.sources.memory.reachability.verdict_sites import Holders, by_site, retained_heap

#: Goroutines of one site of which it is found out who holds them, and different ways that are named.
MAX_FOLLOWED, MAX_NAMED = 10_000, 256
#: With it, and with no cleanup that runs, the runtime calls its own goroutines its own.
FINALIZER_WAIT = "finalizer wait"


class SiteProofs:
    """Describes the verdict on the process that was scanned."""

    def __init__(self, verdict: Verdict, scanner: Scanner) -> None:
        self._verdict, self._scanner = verdict, scanner
        self._pclntab, self._bias = scanner.target.pclntab, scanner.target.runtime.bias
        self._now = time.monotonic_ns()

    def proof(self, *, briefly: bool = False) -> Proof:
        """What is said of the process, and of each `go` statement: briefly, without holders and retained heap."""
        said = self._verdict
        sites: Iterable[SiteProof] = ()
        if said.first:
            sites = self._briefly(said.first) if briefly else self._sites(said.first)
        return Proof(said.decided, said.why, said.scans, said.quiet, tuple(sites))

    def _briefly(self, scan: Scan) -> Iterator[SiteProof]:
        places, _, rows_of = _by_site(scan)
        return (counted for _, _, counted in self._counts(scan, places, rows_of))

    def _sites(self, scan: Scan) -> Iterator[SiteProof]:
        places, site_of, rows_of = _by_site(scan)
        heap = retained_heap(self._scanner, self._verdict, scan, site_of)
        holders = Holders(self._scanner.target, self._verdict, scan)
        for number, rows, counted in self._counts(scan, places, rows_of):
            retained = None if heap is None and counted.proved else (heap or {}).get(number, 0)
            held_by = holders.of(rows, MAX_FOLLOWED, MAX_NAMED)
            yield replace(counted, held_by=held_by, retained_heap_bytes=retained)

    def _counts(self, scan: Scan, places: U64, rows_of: Sequence[I64]) -> Iterator[tuple[int, I64, SiteProof]]:
        """(number of a site, its rows, how many of its goroutines are what) of each that is not the runtime's own."""
        for number, rows in enumerate(rows_of):
            gopc, start_pc = places[number].tolist()
            created_by, start_function = self._statement(gopc), self._function(start_pc)
            if created_by != MAIN_GOROUTINE and not is_system(start_function, FINALIZER_WAIT, running_cleanups=False):
                yield number, rows, self._counted(scan, rows, created_by, start_function)

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


def _by_site(scan: Scan) -> tuple[U64, I64, list[I64]]:
    """As `by_site`, by the addresses of the `go` statement and of the first function."""
    return by_site((scan.goroutines.gopc, scan.goroutines.start_pc))
