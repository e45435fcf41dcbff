"""By which marked `go` statement of a program of `fixtures/go` its goroutines were made."""

from pathlib import Path

from gosonde_agent.sources.memory.reachability.headers import Goroutines
from gosonde_agent.sources.memory.target import Target

from tests.go_programs import SOURCES

MARKER = "// site: "


def markers(name: str) -> dict[tuple[str, int], str]:
    """By file and line of a program, the marker that stands there."""
    return {
        (path.name, number): line.rsplit(MARKER, 1)[1].strip()
        for path in (SOURCES / name).glob("*.go")
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if MARKER in line
    }


def sites_of(target: Target, goroutines: Goroutines, name: str) -> list[str]:
    """By row the marker of the line with the go statement; the function's name where it has none."""
    known, sites = markers(name), []
    for gopc in goroutines.gopc.tolist():
        location = target.pclntab.location_of(gopc - target.runtime.bias - 1) if gopc else None
        place = (Path(location.file).name, location.line) if location else ("", 0)
        sites.append(known.get(place, location.function if location else ""))
    return sites
