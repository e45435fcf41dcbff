"""What a proof says of the programs of `fixtures/go/reach`, by the marker of the line that has the go statement."""

from collections import Counter
from pathlib import Path

import numpy as np
from gosonde_agent.sources.memory.reachability.headers import Goroutines
from gosonde_agent.sources.memory.reachability.limits import Limits
from gosonde_agent.sources.memory.reachability.paths import Path as Way
from gosonde_agent.sources.memory.reachability.paths import Paths
from gosonde_agent.sources.memory.reachability.proving import Verdict, prove
from gosonde_agent.sources.memory.reachability.scan import Scan
from gosonde_agent.sources.memory.reachability.scanner import Scanner
from gosonde_agent.sources.memory.target import Target, opened

from tests.go_programs import SOURCES, GoProgram

MARKER = "// site: "
PATIENT = Limits(seconds=3_600.0)


def scanner(target: Target, limits: Limits | None = None) -> Scanner:
    """What scans a process; a busy machine may take its time unless a limit is asked for."""
    return Scanner(target, target.heap_addresses(), limits or PATIENT)


def markers(name: str) -> dict[tuple[str, int], str]:
    """By file and line of a program, the marker that stands there."""
    return {
        (path.name, number): line.rsplit(MARKER, 1)[1].strip()
        for path in (SOURCES / name).glob("*.go")
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if MARKER in line
    }


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
            self.verdict = prove(scanner(target))
            scan = scanned(self.verdict)
            sites = sites_of(target, scan.goroutines, name)
            self.proved = Counter(sites[row] for row in np.flatnonzero(self.verdict.proved).tolist())
            self.blocked = Counter(sites[row] for row in np.flatnonzero(scan.blocked).tolist())
            self.ways: dict[str, Way] = {}
            paths = Paths(scan)
            for row in np.flatnonzero(scan.blocked & ~scan.accused).tolist():
                if way := paths.of(row):
                    self.ways[sites[row]] = way


def scanned(verdict: Verdict) -> Scan:
    """The scan that a verdict has."""
    assert verdict.first is not None, verdict.why
    return verdict.first


def sites_of(target: Target, goroutines: Goroutines, name: str) -> list[str]:
    """By row the marker of the line with the go statement; the function's name where it has none."""
    known, sites = markers(name), []
    for gopc in goroutines.gopc.tolist():
        location = target.pclntab.location_of(gopc - target.runtime.bias - 1) if gopc else None
        place = (Path(location.file).name, location.line) if location else ("", 0)
        sites.append(known.get(place, location.function if location else ""))
    return sites
