"""Who holds a goroutine is named as the program's author calls it, as far as its file and memory have the names."""

import time
from pathlib import Path

import numpy as np
import pytest
from gosonde_agent.sources.memory.reachability.names import awaited_by, namer_of
from gosonde_agent.sources.memory.reachability.paths import Paths
from gosonde_agent.sources.memory.target import Target, opened

from tests import go_programs, real_binaries, toolchains
from tests.go_programs import GoProgram
from tests.integration.agent.sources.memory.reachability.judging import scanner

VERSIONS = (toolchains.DEBIAN, "1.22.10", "1.25.5", toolchains.DEFAULT)

#: What names without types or symbols too.
ALWAYS = {
    ("stack of main.main", "channel of int"),
    ("timer", "closure main.hold.func5", "channel of int"),
    ("finalizer", "closure main.hold.func6", "channel of int"),
}
WITH_DWARF = ALWAYS | {
    ("main.alone",),
    ("main.subscribers", "map[string]chan int", "channel of int"),
    ("main.clients", "map[int]*main.subscriber", "main.subscriber.events", "channel of int"),
    ("main.crowd", "map[main.key]main.subscriber value.events", "channel of int"),
    ("main.reg.subs[3].events", "channel of int"),
    ("main.reg.fixed[2].events", "channel of int"),
    ("main.current", "main.feed.out", "channel of int"),
    ("main.anything", "main.subscriber.events", "channel of int"),
    ("main.callback", "closure main.hold.func1", "channel of int"),
    ("main.boxes", "channel of chan int, buffer[0]", "channel of int"),
    ("main.big", "main.large.done", "channel of int"),
    ("main.state", "main.guarded.mu"),
    ("main.locked.mu",),
}
WITH_SYMBOLS = ALWAYS | {
    ("main.subscribers", "object of 48 bytes", "object of 208 bytes", "channel of int"),
    ("main.clients", "object of 48 bytes", "object of 144 bytes", "object of 24 bytes", "channel of int"),
    ("main.reg+8", "object of 128 bytes", "channel of int"),
    ("main.reg+96", "channel of int"),
    ("main.current", "main.feed.out", "channel of int"),
    ("main.anything", "main.subscriber.events", "channel of int"),
    ("main.callback", "closure main.hold.func1", "channel of int"),
    ("main.boxes", "channel of chan int, buffer[0]", "channel of int"),
    ("main.big", "main.large.done", "channel of int"),
    ("main.alone",),
}
BEHIND_VARIABLES = {path[1:] for path in WITH_SYMBOLS - ALWAYS}


def ways(target: Target) -> list[tuple[str, ...]]:
    """The ways to all blocked goroutines of a process that something holds."""
    scan = scanner(target).scan()
    namer, paths, reasons = namer_of(target), Paths(scan), target.wait_reasons()
    found = []
    for row in np.flatnonzero(scan.blocked & ~scan.accused).tolist():
        path = paths.of(row)
        if path is not None:
            found.append(namer.name(path, scan.goroutines, awaited_by(reasons[int(scan.goroutines.reason[row])])))
    return found


def holders(program: Path) -> list[tuple[str, ...]]:
    """The ways in a run of a program."""
    with GoProgram(program) as run, opened(run.pid) as target:
        return ways(target)


@pytest.mark.parametrize("version", VERSIONS)
def test_with_dwarf_variables_fields_and_elements_are_named(version: str) -> None:
    program = go_programs.build("held", version)
    assert set(holders(program)) == WITH_DWARF


@pytest.mark.parametrize("version", VERSIONS)
def test_with_symbols_alone_variables_and_what_describes_itself_are_named(version: str) -> None:
    program = go_programs.build("held", version, ldflags=("-w",))
    assert set(holders(program)) >= WITH_SYMBOLS


@pytest.mark.parametrize("version", VERSIONS)
def test_in_a_stripped_program_the_section_stands_for_the_variable(version: str) -> None:
    found = holders(go_programs.build("held", version, ldflags=("-s", "-w")))
    assert set(found) >= ALWAYS
    others = [path for path in found if path not in ALWAYS]
    assert {path[0].partition("+0x")[0] for path in others} <= {".bss", ".data", ".noptrbss"}
    assert {path[1:] for path in others} >= BEHIND_VARIABLES


@pytest.mark.parametrize("version", ["1.22.10", toolchains.DEFAULT])
def test_a_position_independent_program_has_the_same_names(version: str) -> None:
    assert set(holders(go_programs.build("held", version, buildmode="pie"))) == WITH_DWARF


def test_a_stripped_server_that_nobody_here_wrote_has_names_of_what_describes_itself(tmp_path: Path) -> None:
    port = real_binaries.free_port()
    command = [str(real_binaries.nats()), "--addr", "127.0.0.1", "--port", str(port)]
    expected = {("server.Server.quitCh", "channel of struct {}")}
    with real_binaries.running(command, port, tmp_path) as pid:
        end = time.monotonic() + 60
        while not expected <= (found := endings(pid)) and time.monotonic() < end:
            time.sleep(0.2)
    assert found >= expected


def endings(pid: int) -> set[tuple[str, ...]]:
    """The last two elements of the ways in a process."""
    with opened(pid) as target:
        return {path[-2:] for path in ways(target)}
