"""Every build of every version: proved probe points, exact counts, right names, and a target whose own work comes out.

`make test` takes all builds of the newest Go and some of an old and a middle one; `make test-matrix` takes all of all.
"""

import os
import re
from pathlib import Path
from typing import Any

import pytest
from gosonde_agent.golang import binary
from gosonde_agent.golang.binary import GoBinary

from tests import go_programs, toolchains
from tests.go_programs import GoProgram, site_line
from tests.integration.watching import watching
from tests.versions import IS_MATRIX, OLDEST_MIDDLE_NEWEST

CGO = {"CGO_ENABLED": "1"}
EXTERNAL = ("-linkmode=external",)
STATIC_PIE = ("-linkmode=external", "-extldflags=-static-pie")
STRIPPED = ("-s", "-w")
BUILDS: dict[str, dict[str, Any]] = {
    "default": {},
    "stripped": {"ldflags": STRIPPED},
    "pie": {"buildmode": "pie"},
    "stripped pie": {"buildmode": "pie", "ldflags": STRIPPED},
    "trimpath": {"flags": ("-trimpath",)},
    "static-pie": {"buildmode": "pie", "ldflags": STATIC_PIE, "env": CGO, "flags": ("-tags=withcgo",)},
    "cgo": {"env": CGO, "flags": ("-tags=withcgo",)},
    "cgo, external": {"env": CGO, "flags": ("-tags=withcgo",), "ldflags": EXTERNAL},
    "cgo, external, stripped pie": {
        "buildmode": "pie",
        "env": CGO,
        "flags": ("-tags=withcgo",),
        "ldflags": (*EXTERNAL, *STRIPPED),
    },
    "race": {"env": CGO, "flags": ("-race",)},
    "not optimized": {"flags": ("-gcflags=all=-N -l",)},
}
#: For the versions that `make test` does not take whole: what differs most.
SOME = ("default", "stripped pie", "cgo, external, stripped pie")
CASES = [
    (version, build)
    for version in (toolchains.ALL_VERSIONS if IS_MATRIX else OLDEST_MIDDLE_NEWEST)
    for build in (BUILDS if IS_MATRIX or version == OLDEST_MIDDLE_NEWEST[-1] else SOME)
]
PROBES = {"created", "exited", "parked", "stopped", "started", "status_changed", "mark_termination"}


def load(path: Path) -> GoBinary:
    fd = os.open(path, os.O_RDONLY)
    try:
        return binary.load(fd, str(path))
    finally:
        os.close(fd)


@pytest.mark.parametrize(("version", "build"), CASES)
def test_every_probe_has_a_proved_point_behind_the_stack_check(version: str, build: str) -> None:
    known = load(go_programs.build("churn", version, **BUILDS[build]))
    assert set(known.points) == PROBES
    assert not known.unproved
    for point in known.points.values():
        assert point.offset > 0
        assert len(point.proof) >= 3
    assert re.match(rf"go{re.escape(version)}\b", known.go_version)


@pytest.mark.usefixtures("ebpf")
@pytest.mark.parametrize(("version", "build"), CASES)
def test_counts_names_and_collections_are_exact_and_the_targets_own_sum_comes_out(version: str, build: str) -> None:
    executable = go_programs.build("churn", version, **BUILDS[build])
    with GoProgram(executable, env={"GOGC": "off"}) as program, watching(pid=program.pid) as watch:
        answer = program.ask("run 20000")
        program.ask("gc 3")
        watch.observe()
        assert watch.counts(program.pid, "main.spawn", site_line("churn", "spawn")) == (20_000, 20_000)
        assert answer["sum"] == answer["expected"]
        assert [total.cycles for total in watch.totals.values()] == [3]
        assert len([pause for pause in watch.pauses if pause.reason.startswith("GC ")]) == 6
        assert watch.nothing_lost()


@pytest.mark.usefixtures("ebpf")
@pytest.mark.parametrize(("version", "build"), [case for case in CASES if case[1] in ("default", "race")])
def test_stacks_that_grow_in_the_probed_functions_are_counted_once(version: str, build: str) -> None:
    executable = go_programs.build("deep", version, **BUILDS[build])
    with GoProgram(executable) as program, watching(pid=program.pid) as watch:
        answer = program.ask("run 50")
        watch.observe()
        for marker, function in (("dive", "main.spawn"), ("level", "main.dive")):
            counted = watch.counts(program.pid, function, site_line("deep", marker))
            assert counted == (answer[marker], answer[marker])
        assert answer["right"]
