"""A process that lies about its runtime, or goes away while it is read, costs a typed error and nothing more."""

import contextlib
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from gosonde_agent.golang.buildinfo import parse_version
from gosonde_agent.golang.layouts import layout_of
from gosonde_agent.host import procfs
from gosonde_agent.model.errors import UnreadableFileError
from gosonde_agent.sources.memory.errors import ImplausibleMemoryError
from gosonde_agent.sources.memory.reader import ProcessMemory
from gosonde_agent.sources.memory.target import opened
from gosonde_common.errors import GosondeError

from tests.go_programs import GoProgram
from tests.paths import FIXTURES

SOURCE = FIXTURES / "c" / "hostile.c"
GOSONDE = str(Path(sys.executable).with_name("gosonde"))
VERSION = "go1.24.11"
NAMES = r'"\0runtime.parked\0runtime.waitReason.String"'
#: What the command may take in all, address space included; numpy alone takes some 500 MiB of that.
MEMORY_LIMIT = 2 << 30
#: Only so that a loop without end does not hang the tests.
PATIENCE_SECONDS = 120

FIELDS = {
    "G_STACK_LO": ("g", "stack.lo"),
    "G_STACK_HI": ("g", "stack.hi"),
    "G_SP": ("g", "sched.sp"),
    "G_PC": ("g", "sched.pc"),
    "G_SELF": ("g", "sched.g"),
    "G_GOID": ("g", "goid"),
    "G_M": ("g", "m"),
    "G_START": ("g", "startpc"),
    "G_GOPC": ("g", "gopc"),
    "G_STATUS": ("g", "atomicstatus"),
    "SCHED_GOIDGEN": ("schedt", "goidgen"),
    "SCHED_NGSYS": ("schedt", "ngsys"),
    "SCHED_MNEXT": ("schedt", "mnext"),
    "SCHED_PROCRESIZETIME": ("schedt", "procresizetime"),
    "STATS_ENABLEGC": ("mstats", "enablegc"),
    "GC_PERCENT": ("gcControllerState", "gcPercent"),
    "GC_LIMIT": ("gcControllerState", "memoryLimit"),
    "GC_MINIMUM": ("gcControllerState", "heapMinimum"),
}

Hostile = Callable[[str], "subprocess.Popen[str]"]


def compiled(target: Path, names: str = NAMES, name_bytes: int = 64) -> Path:
    """The fake Go program."""
    layout = layout_of(parse_version(VERSION))
    macros = [f"-D{macro}={layout.offset(*field)}" for macro, field in FIELDS.items()]
    macros += [f'-DGO_VERSION="{VERSION}"', f"-DNAMES={names}", f"-DNAME_TABLE={name_bytes}"]
    subprocess.run(["gcc", "-O1", "-no-pie", "-w", *macros, "-o", str(target), str(SOURCE)], check=True)
    return target


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compiled once."""
    return compiled(tmp_path_factory.mktemp("hostile") / "hostile")


@contextlib.contextmanager
def running(program: Path, mode: str) -> Iterator[int]:
    """The pid of a hostile process that is ready."""
    process = subprocess.Popen([str(program), mode], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process.pid
    finally:
        process.kill()
        process.communicate()


def limit_memory() -> None:
    """Runs in the command before it starts."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))


def reported(pid: int) -> subprocess.CompletedProcess[str]:
    """What the command says of a process, in bounded memory."""
    return subprocess.run(
        [GOSONDE, "goroutines", str(pid)],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
        preexec_fn=limit_memory,  # nothing here runs in another thread
        env={"PATH": "/usr/bin:/bin", "OPENBLAS_NUM_THREADS": "1"},
    )


def test_the_fake_passes_for_go_when_it_does_not_lie(program: Path) -> None:
    with running(program, "sane") as pid:
        done = reported(pid)
    assert done.returncode == 0, done.stderr
    assert "and 4096 of the runtime's own" in done.stdout


@pytest.mark.parametrize(
    ("mode", "complaint"),
    [
        ("length", "runtime.allgs was not located"),
        ("late-length", "claims to have 67108864 goroutines"),
    ],
)
def test_a_length_that_cannot_be_is_refused(program: Path, mode: str, complaint: str) -> None:
    with running(program, mode) as pid:
        done = reported(pid)
    assert done.returncode in (1, 3)
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr


def test_a_length_that_cannot_be_of_what_is_not_needed_costs_that_alone(program: Path) -> None:
    with running(program, "processors") as pid, opened(pid) as target:
        assert len(list(target.goroutines())) == 4096
        with pytest.raises(GosondeError, match="allp"):
            target.totals()


def test_figures_of_a_runtime_that_cannot_be_are_absent(program: Path) -> None:
    with running(program, "processors") as pid, opened(pid) as target:
        found = target.figures_reader().read(target.runtime.memory)
    assert (found.goroutines, found.processors) == (None, None)  # runtime.allp is not one
    assert (found.stack_bytes, found.other_bytes, found.allocations) == (None, None, None)  # no runtime has no stacks
    assert found.gogc_percent == 100


@pytest.mark.parametrize("mode", ["self", "stacks", "endless-stacks", "strings", "machines", "numbers"])
def test_what_makes_no_sense_is_left_out_or_refused(program: Path, mode: str) -> None:
    with running(program, mode) as pid:
        done = reported(pid)
    assert "Traceback" not in done.stderr
    assert done.returncode == 0 or done.stderr.startswith("gosonde: ")


def test_a_name_that_never_ends_is_refused(tmp_path: Path) -> None:
    size = 1 << 20
    endless = compiled(tmp_path / "endless", "{[0 ... %d] = 0x61}" % (size - 1), size)  # noqa: UP031
    with running(endless, "sane") as pid:
        done = reported(pid)
    assert "Traceback" not in done.stderr
    assert len(done.stdout) + len(done.stderr) < 1 << 20


@pytest.mark.parametrize("mode", ["unmap", "exec"])
def test_what_changes_while_it_is_read_is_a_typed_error_or_whole(program: Path, mode: str) -> None:
    results = []
    with running(program, mode) as pid:
        for _ in range(60):
            try:
                with opened(pid) as target:
                    results.append(sum(1 for _ in target.goroutines()))
            except GosondeError:
                continue
    assert set(results) <= {0, 4096}


def test_an_end_while_it_is_read_is_a_typed_error(program: Path) -> None:
    with running(program, "sane") as pid:
        with opened(pid) as target:
            blocks = target.blocks(stacks=True)
            os.kill(pid, signal.SIGKILL)
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
            with pytest.raises(GosondeError):
                list(blocks)
            with pytest.raises(GosondeError):
                list(target.blocks(stacks=False))
        with pytest.raises(GosondeError), opened(pid):
            pass


def test_more_goroutines_than_can_have_been_created_are_refused(go_program: Callable[..., GoProgram]) -> None:
    program = go_program("churn", version=VERSION.removeprefix("go"))
    with opened(program.pid) as target:
        assert target.totals().created < 1_000
        at = (
            target.runtime.addresses.sched
            + target.runtime.bias
            + layout_of(parse_version(VERSION)).offset("schedt", "goidgen")
        )
        with Path(f"/proc/{program.pid}/mem").open("r+b", buffering=0) as memory:
            memory.seek(at)
            memory.write((1 << 63).to_bytes(8, "little"))
        with pytest.raises(ImplausibleMemoryError, match=r"claims 9223372036854775\d{3} goroutines created"):
            target.totals()


def test_a_file_that_cannot_be_opened_costs_one_target() -> None:
    """The agent may have no descriptor left, or the file's file system may not answer."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, before[1]))
    try:
        with pytest.raises(UnreadableFileError, match="Too many open files"), procfs.executable(os.getpid()):
            pass
        with pytest.raises(UnreadableFileError, match="Too many open files"):
            ProcessMemory(os.getpid())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
