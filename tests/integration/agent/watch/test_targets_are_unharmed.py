"""A watched program computes what it should, whatever happens to the agent."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from gosonde_agent.golang import binary
from gosonde_agent.host import procfs

from tests import go_programs, kept_probes
from tests.agent_process import eventually
from tests.go_programs import GoProgram, site_line
from tests.integration.watching import watching

pytestmark = pytest.mark.usefixtures("ebpf")

Start = Callable[..., GoProgram]
GOSONDE = str(Path(sys.executable).parent / "gosonde")


@contextmanager
def running_agent(folder: Path, pid: int) -> Iterator[subprocess.Popen[bytes]]:
    """A real agent that watches one process with all its probes, whatever they cost."""
    kept_probes.give(folder / "state")
    (folder / "agent.toml").write_text('max_target_overhead = "off"\n')
    places = ["--listen", f"unix:{folder}/agent.sock", "--state", str(folder / "state")]
    arguments = ["--config", str(folder / "agent.toml"), *places, "--pid", str(pid)]
    agent = subprocess.Popen([GOSONDE, "agent", *arguments], stderr=subprocess.PIPE)
    assert agent.stderr is not None
    said = b""
    try:
        for line in agent.stderr:
            said += line
            if b"agent started" in line:
                break
        assert agent.poll() is None, f"the agent ended at once: {said.decode()}"
        yield agent
    finally:
        agent.kill()
        agent.wait()
        agent.stderr.close()


@pytest.mark.parametrize("version", ["1.21.13", "1.27.3"])
def test_results_are_right_through_attaching_and_detaching_under_load(go_program: Start, version: str) -> None:
    program = go_program("load", version=version)
    for _ in range(5):
        with watching(pid=program.pid) as watch:
            rounds = program.ask("status")["rounds"]
            while program.ask("status")["rounds"] < rounds + 3:
                time.sleep(0.01)
            watch.observe()
            assert watch.counts(program.pid, "main.sieve")[0] > 0
    answer = program.ask("stop")
    assert answer["right"]
    assert answer["rounds"] >= 15


def test_counts_under_load_equal_the_programs_own_over_its_whole_life() -> None:
    executable = go_programs.build("load")
    with watching(exe=str(executable)) as watch:
        watch.know(executable)
        with GoProgram(executable) as program:
            while program.ask("status")["rounds"] < 100:
                time.sleep(0.01)
            answer = program.ask("stop")
            watch.observe()
        for marker in ("generate", "filter"):
            counted = watch.counts(program.pid, "main.sieve", site_line("load", marker))
            assert counted == (answer[marker], answer[marker])
        assert answer["right"]


@pytest.mark.parametrize("death", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_the_agents_death_leaves_the_target_right_and_free_of_probes(
    go_program: Start, tmp_path: Path, death: signal.Signals
) -> None:
    program = go_program("load")
    with running_agent(tmp_path, program.pid) as agent:
        eventually(lambda: has_breakpoint(program), 120)
        os.kill(agent.pid, death)
        agent.wait()
    before = program.ask("status")["rounds"]
    while program.ask("status")["rounds"] < before + 3:
        time.sleep(0.01)
    assert not has_breakpoint(program)
    assert program.ask("stop")["right"]


@pytest.mark.parametrize("version", ["1.21.13", "1.27.3"])
def test_a_child_that_is_a_copy_goes_on_creating_goroutines(go_program: Start, version: str) -> None:
    program = go_program("forks", version=version, env={"GOMAXPROCS": "1"})
    with watching(pid=program.pid):
        program.ask("run 1000")
        assert program.ask("fork 1000")["exited"]
    assert program.ask("fork 1000")["exited"]


def has_breakpoint(program: GoProgram) -> bool:
    """Whether the byte where the creation probe goes is an int3 in the program's memory."""
    with procfs.executable(program.pid) as (fd, path):
        point = binary.load(fd, path).points["created"]
    with Path(f"/proc/{program.pid}/mem").open("rb") as memory:
        memory.seek(point.vaddr)
        return memory.read(1) == b"\xcc"
