"""Breakpoints in running Go programs, for tests."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from gosonde_agent.golang.binary import GoBinary, load
from gosonde_agent.golang.elf import ElfImage
from gosonde_agent.golang.layouts import STARTPC_BEHIND
from gosonde_agent.host import procfs
from gosonde_agent.sources.memory.bias import load_bias
from gosonde_agent.sources.ptrace.breakpoints.finding import breakpoints
from gosonde_agent.sources.ptrace.breakpoints.messages import Plan
from gosonde_agent.sources.ptrace.breakpoints.session import Session

from tests.integration.agent.sources.ptrace.targets import wait_for


def plan(pid: int) -> tuple[Plan, GoBinary, int]:
    """What a tracer is told about a Go process; what is known of its file; and by how much its image is moved."""
    with procfs.executable(pid) as (fd, path):
        binary, image = load(fd, path), ElfImage(fd)
        bias = load_bias(pid, fd, image.segments)
        points = breakpoints(binary, image, bias)
        gopc = binary.layout.gopc
        return Plan(pid, procfs.start_of(pid).ticks, points, gopc, gopc + STARTPC_BEHIND), binary, bias


@contextmanager
def session(pid: int) -> Iterator[Session]:
    """One that counts what is hit, without breakpoints yet."""
    found = Session(plan(pid)[0])
    found.table.count(on=True)
    try:
        yield found
    finally:
        found.close()


def by_line(pid: int, found: Session) -> Mapping[int, tuple[int, int]]:
    """(created, exited) by the line of the go statement."""
    _plan, binary, bias = plan(pid)
    return {binary.go_statement(pc - bias).line: (created, exited) for pc, created, exited in found.table.sites()}


def wait_for_hits(found: Session, number: int) -> None:
    """Returns after so many more hits."""
    before = sum(found.table.hits())
    wait_for(lambda: found.look() is not None or sum(found.table.hits()) >= before + number)
    assert found.over is None
