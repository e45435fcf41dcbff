"""A shell that becomes a Go program, as in every container, leaves one row: the program's."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from gosonde_agent.host import procfs

from tests.go_programs import build
from tests.integration.watching import Watch, watching

pytestmark = pytest.mark.usefixtures("ebpf")


@pytest.fixture
def executable() -> Path:
    return build("leak")


@pytest.fixture
def watch(executable: Path) -> Iterator[Watch]:
    with watching(exe=str(executable)) as watch:
        watch.know(executable)
        yield watch


def becomes(pid: int, executable: Path) -> None:
    end = time.monotonic() + 20
    while procfs.program(pid).path != str(executable):
        assert time.monotonic() < end
        time.sleep(0.01)


def test_what_was_seen_before_an_exec_is_not_taken_for_the_program_behind_it(watch: Watch, executable: Path) -> None:
    script = ["sh", "-c", 'read line; exec "$0" 3', str(executable)]
    with subprocess.Popen(script, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as shell:
        assert shell.stdin is not None
        try:
            before = watch.monitor.source.epoch(shell.pid)
            shell.stdin.write("go\n")
            shell.stdin.flush()
            becomes(shell.pid, executable)
            watch.monitor.poll()
            watch.monitor.finder.consider(shell.pid, before)  # as a scan does that read the epoch before the exec
            watch.observe()
            (process,) = [process for (pid, _), process in watch.processes.items() if pid == shell.pid]
            assert process.key.exec_epoch == watch.monitor.source.epoch(shell.pid) != before
        finally:
            shell.kill()
