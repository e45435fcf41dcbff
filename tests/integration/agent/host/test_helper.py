"""The agent and its helper, really started: what each may do, and that neither outlives the other."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from gosonde_agent import helper
from gosonde_agent.host.thread_registers import sampled
from gosonde_agent.model.errors import RefusedError
from gosonde_agent.sources.memory.target import opened

from tests import go_programs
from tests.agent_process import AgentProcess, eventually
from tests.collector_process import GOSONDE
from tests.go_programs import GoProgram

pytestmark = pytest.mark.usefixtures("ebpf")

Start = Callable[..., GoProgram]


def helpers_of(pid: int) -> list[psutil.Process]:
    """The helpers of an agent: they keep capabilities, and run Python."""
    return [child for child in psutil.Process(pid).children() if "gosonde_agent.helper" in " ".join(child.cmdline())]


def breakpoints(program: GoProgram) -> int:
    """At how many of gosonde's places the program's code is not what its file has."""
    executable = Path(f"/proc/{program.pid}/exe").readlink()
    output = subprocess.run([GOSONDE, "inspect", executable, "--json"], check=True, capture_output=True, text=True)
    points = json.loads(output.stdout)["probes"]
    code = executable.read_bytes()
    with Path(f"/proc/{program.pid}/mem").open("rb", buffering=0) as memory:
        there = [os.pread(memory.fileno(), 1, int(point["address"])) for point in points]
    return sum(byte != code[point["file_offset"]].to_bytes() for byte, point in zip(there, points, strict=True))


@pytest.fixture
def agent(tmp_path: Path, go_program: Start) -> Iterator[tuple[AgentProcess, psutil.Process, GoProgram]]:
    """An agent that has its probes in a program, its helper, and the program."""
    (tmp_path / "agent.toml").write_text("interval_seconds = 0.1\n")
    program = go_program("churn")
    agent = AgentProcess(tmp_path, "127.0.0.1:1", str(Path(f"/proc/{program.pid}/exe").readlink()))
    try:
        eventually(lambda: agent.counted(program.pid) >= 0)
        program.ask("run 10")
        eventually(lambda: agent.counted(program.pid) == 10)
        (child,) = helpers_of(agent.process.pid)
        yield agent, child, program
    finally:
        agent.kill()


def test_neither_the_agent_nor_its_helper_has_much_memory(
    agent: tuple[AgentProcess, psutil.Process, GoProgram],
) -> None:
    """They have 80 MB and 24 MB; what is beyond the bounds is a library that came along, or a table that grew."""
    running, child, _ = agent
    assert psutil.Process(running.process.pid).memory_info().rss < 110e6
    assert child.memory_info().rss < 32e6


def test_whoever_lists_processes_sees_an_agent_by_its_name_and_its_flags(
    agent: tuple[AgentProcess, psutil.Process, GoProgram],
) -> None:
    process = psutil.Process(agent[0].process.pid)
    assert process.name() == "gosonde"
    assert "gosonde agent --config" in " ".join(process.cmdline())


def test_a_go_programs_goroutines_are_read_through_the_helper(started: helper.Helper, go_program: Start) -> None:
    program = go_program("parked", "20")
    with opened(program.pid) as target:
        assert sum(len(block) for block in target.blocks(stacks=True)) >= 20
    assert started.probes.helper is started.client


@pytest.mark.usefixtures("started")
def test_the_helper_opens_what_samples_the_threads_of_a_go_program(go_program: Start) -> None:
    program = go_program("reach/registers", "1", "100000")
    with sampled(program.pid) as registers:
        assert registers.are_sampled
        eventually(lambda: not registers.unseen())
        registers.disable()
        assert len(registers.words()) > 1


def test_memory_that_the_helper_opened_is_not_there_any_more_after_an_exec(
    started: helper.Helper, go_program: Start
) -> None:
    program = go_program("execer", "1", str(go_programs.build("parked")), "5")
    fd = started.client.memory(program.pid)
    try:
        with Path(f"/proc/{program.pid}/maps").open() as lines:
            address = int(next(lines).split("-")[0], 16)
        assert len(os.pread(fd, 4, address)) == 4
        program.ask("exec")
        program.answer()  # of the other program, which says that it is ready
        assert os.pread(fd, 4, address) == b""
    finally:
        os.close(fd)


def test_the_helper_opens_no_memory_of_programs_that_are_not_gos(started: helper.Helper) -> None:
    with subprocess.Popen(["sleep", "60"]) as sleeping:
        try:
            for pid in (sleeping.pid, os.getpid(), *(child.pid for child in helpers_of(os.getpid()))):
                with pytest.raises(RefusedError):
                    started.client.memory(pid)
        finally:
            sleeping.kill()


def test_the_helper_places_probes_in_no_library(started: helper.Helper) -> None:
    library = next(line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "libc.so" in line)
    with Path(library).open("rb") as file, pytest.raises(RefusedError):
        started.client.open_uprobe(file.fileno(), 0x1000, None)


def test_what_runs_as_the_agent_does_may_look_into_no_process(
    agent: tuple[AgentProcess, psutil.Process, GoProgram],
) -> None:
    _, child, program = agent
    code = (
        "import os, sys\nfrom gosonde_agent.host import privileges, seccomp\n"
        "privileges.drop_all(keep_bpf=False); seccomp.install(seccomp.AGENT)\n"
        "for path in sys.argv[1:]:\n"
        "    try:\n        os.open(path, os.O_RDONLY); print('open')\n"
        "    except PermissionError:\n        print('refused')\n"
    )
    paths = [f"/proc/{pid}/{name}" for pid in (1, child.pid, program.pid) for name in ("mem", "maps", "environ")]
    done = subprocess.run([sys.executable, "-c", code, *paths], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["refused"] * len(paths)


def test_both_run_under_filters_and_the_agent_without_any_capability(
    agent: tuple[AgentProcess, psutil.Process, GoProgram],
) -> None:
    process, child, _ = agent
    statuses = [path.read_text() for path in Path(f"/proc/{process.process.pid}/task").glob("*/status")]
    assert len(statuses) > 1
    for status in statuses:
        masks = re.findall(r"^Cap(?:Inh|Prm|Eff|Bnd|Amb):\t(\w+)$", status, re.MULTILINE)
        assert [int(mask, 16) for mask in masks] == [0] * 5
    for status in (*statuses, Path(f"/proc/{child.pid}/status").read_text()):
        assert "Seccomp:\t2" in status
        assert "NoNewPrivs:\t1" in status


def test_an_agent_whose_helper_dies_detaches_its_probes_and_ends(
    agent: tuple[AgentProcess, psutil.Process, GoProgram], tmp_path: Path
) -> None:
    process, child, program = agent
    assert breakpoints(program) > 0
    child.kill()
    assert process.process.wait(60) == 1
    assert breakpoints(program) == 0
    assert b"helper has ended" in (tmp_path / "agent.log").read_bytes()
    assert program.ask("run 5")["exited"] == 5


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_helper_ends_with_its_agent_and_no_probe_stays(
    agent: tuple[AgentProcess, psutil.Process, GoProgram], number: signal.Signals
) -> None:
    process, child, program = agent
    assert breakpoints(program) > 0
    process.process.send_signal(number)
    process.process.wait(60)
    child.wait(60)
    eventually(lambda: breakpoints(program) == 0)
    assert program.ask("run 5")["exited"] == 5
