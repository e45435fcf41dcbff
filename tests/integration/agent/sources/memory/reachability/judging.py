"""What a proof says of the programs of `fixtures/go/reach`, by the marker of the line that has the go statement."""

from collections import Counter

import numpy as np
from gosonde_agent.sources.memory.reachability.limits import Limits
from gosonde_agent.sources.memory.reachability.paths import Path, Paths
from gosonde_agent.sources.memory.reachability.proving import Verdict, prove
from gosonde_agent.sources.memory.reachability.scan import Scan
from gosonde_agent.sources.memory.reachability.scanner import Scanner
from gosonde_agent.sources.memory.target import Target, opened

from tests.go_programs import GoProgram
from tests.go_sites import sites_of

PATIENT = Limits(seconds=3_600.0)
#: On a busy machine a scan may find no moment at which all threads are known.
ATTEMPTS = 4


def scanner(target: Target, limits: Limits | None = None) -> Scanner:
    """What scans a process; a busy machine may take its time unless a limit is asked for."""
    return Scanner(target, target.heap_addresses(), limits or PATIENT)


class Judged:
    """What one proof says of a running program.

    Attributes:
        verdict: As it was given.
        proved: How many goroutines of each marked line can never run again.
        blocked: How many wait at all.
        ways: One way by which somebody still holds goroutines of a marked line.
    """

    def __init__(self, program: GoProgram, name: str) -> None:
        with opened(program.pid) as target:
            self.verdict = _decided(target)
            scan = scanned(self.verdict)
            sites = sites_of(target, scan.goroutines, name)
            self.proved = Counter(sites[row] for row in np.flatnonzero(self.verdict.proved).tolist())
            self.blocked = Counter(sites[row] for row in np.flatnonzero(scan.blocked).tolist())
            self.ways: dict[str, Path] = {}
            paths = Paths(scan)
            for row in np.flatnonzero(scan.blocked & ~scan.accused).tolist():
                if way := paths.of(row):
                    self.ways[sites[row]] = way


def _decided(target: Target) -> Verdict:
    """The first proof that decides, or the last of some."""
    for _ in range(ATTEMPTS):
        verdict = prove(scanner(target))
        if verdict.decided:
            break
    return verdict


def scanned(verdict: Verdict) -> Scan:
    """The scan that a verdict has."""
    assert verdict.first is not None, verdict.why
    return verdict.first
