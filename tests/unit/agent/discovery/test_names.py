"""A name stands for one process, or says which there are."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from gosonde_agent.discovery.names import pid_of
from gosonde_common.errors import NotFoundError

NAME = "gosonde-test-of-names"
Sleeper = Callable[[], int]


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[Sleeper]:
    """Starts a process that runs a file of that name, and returns its pid."""
    executable = tmp_path / NAME
    shutil.copy(shutil.which("sleep") or "/bin/sleep", executable)
    with ExitStack() as ends:

        def start() -> int:
            process = ends.enter_context(subprocess.Popen([executable, "1000"]))
            ends.callback(process.kill)
            return process.pid

        yield start


def test_a_name_a_path_and_a_pattern_stand_for_the_process_that_runs_the_file(sleeper: Sleeper, tmp_path: Path) -> None:
    pid = sleeper()
    assert pid_of(NAME) == pid_of(str(tmp_path / NAME)) == pid_of(f"{NAME[:-2]}*") == pid


def test_several_processes_with_one_name_are_listed(sleeper: Sleeper) -> None:
    first, second = sorted((sleeper(), sleeper()))
    with pytest.raises(NotFoundError) as error:
        pid_of(NAME)
    assert str(error.value) == f"{NAME} is the name of 2 processes; give the pid: {first} {NAME}, {second} {NAME}"


def test_a_name_that_nobody_has_is_an_error_that_says_which_go_processes_there_are() -> None:
    with pytest.raises(NotFoundError, match=f"no process here runs an executable named {NAME}; .*Go process"):
        pid_of(NAME)
