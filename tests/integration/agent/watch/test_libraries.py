"""Go in a library of a program that is not Go's: watched, or refused under its name, and never passed over."""

import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from gosonde.agent_client import AgentClient
from gosonde_agent.model.errors import NotGoError
from gosonde_agent.sources.memory.target import opened
from gosonde_common.errors import GosondeError

from tests import go_programs
from tests.agent_process import AgentProcess, eventually
from tests.go_programs import GoProgram, site_line
from tests.integration.watching import Watch, watching

pytestmark = pytest.mark.usefixtures("ebpf")

#: Loads the library only when it is told to, as late as a program may.
PYTHON = """
import ctypes, json, sys, time
print(json.dumps({"ready": True}), flush=True)
sys.stdin.readline()
ctypes.CDLL(sys.argv[1]).start(int(sys.argv[2]))
while True:
    time.sleep(60)
"""


def library(ldflags: tuple[str, ...] = ()) -> Path:
    return go_programs.build("library", buildmode="c-shared", env={"CGO_ENABLED": "1"}, ldflags=ldflags)


def python_with(path: Path, goroutines: int) -> GoProgram:
    """A Python program that loads a library when it is asked anything."""
    return GoProgram(Path(sys.executable), "-c", PYTHON, str(path), str(goroutines))


def observe_until(watch: Watch, holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < end, "it never came to hold"
        time.sleep(0.1)
        watch.observe()


@pytest.mark.parametrize("ldflags", [(), ("-s", "-w")], ids=["plain", "stripped"])
def test_go_in_a_library_that_a_python_program_loads_while_it_is_watched_is_counted(ldflags: tuple[str, ...]) -> None:
    with python_with(library(ldflags), 25) as program, watching(pid=program.pid) as watch:
        assert not watch.processes
        program.ask("load")
        observe_until(watch, lambda: bool(watch.processes))
        watch.monitor.readings.read_due()
        program.ask("more 17")
        watch.observe()
        (row,) = [row for row in watch.sites.values() if row.site.line == site_line("library", "idle")]
        assert (row.baseline, row.created, row.live) == (25, 17, 42)
        process = watch.process(program.pid)
        assert (process.go_version, process.refusal) == ("go1.27.3", "")
        assert Path(process.exe) == Path(sys.executable).resolve()


def test_goroutines_in_a_library_are_read() -> None:
    with python_with(library(), 25) as program:
        with pytest.raises(NotGoError, match="neither the executable nor a mapped library"), opened(program.pid):
            pytest.fail("was read")
        program.ask("load")
        with opened(program.pid) as target:
            assert sum(one.start_function == "main.idle" for one in target.goroutines()) == 25
            assert target.gc().cycles == 0


def test_a_library_that_is_not_understood_is_refused_under_the_name_of_its_process(tmp_path: Path) -> None:
    nameless = Path(shutil.copy(library(), tmp_path / "library"))
    data = nameless.read_bytes()
    nameless.write_bytes(data.replace(b"\xff Go buildinf:", bytes(14)).replace(b"go1.27.3", b"unknown "))
    with python_with(nameless, 5) as program, watching(pid=program.pid) as watch:
        program.ask("load")
        observe_until(watch, lambda: bool(watch.processes))
        assert "a Go binary whose version is not known" in watch.process(program.pid).refusal
    with python_with(library(), 5) as other, watching(pid=other.pid) as watch:
        other.ask("load")
        observe_until(watch, lambda: bool(watch.processes))
        assert not watch.process(other.pid).refusal


def test_an_agent_without_privileges_watches_a_library_and_a_program_without_build_info(tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    bare.write_bytes(go_programs.build("parked").read_bytes().replace(b"\xff Go buildinf:", bytes(14)))
    bare.chmod(0o755)
    (tmp_path / "agent.toml").write_text("")
    agent = AgentProcess(tmp_path, "", "*")
    try:
        with python_with(library(), 25) as program, GoProgram(bare, "20") as other:
            program.ask("load")
            eventually(lambda: live(agent, other.pid, "main.main", "main.idle") == 20)
            eventually(lambda: live(agent, program.pid, "main.park", "main.idle") == 25)
    finally:
        agent.kill()


def live(agent: AgentProcess, pid: int, function: str, started: str) -> int:
    """What the agent says how many goroutines of a function's `go` statements run another one; -1 for no answer."""
    try:
        with AgentClient(agent.listen, timeout_seconds=5) as client:
            rows = client.observation(pid).site_counts
    except GosondeError:
        return -1
    return sum(row.live for row in rows if (row.site.function, row.site.start_function) == (function, started))
