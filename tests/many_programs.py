"""Many Go programs of an ordinary user: copies of one, each a file of its own."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests import go_programs
from tests.go_programs import GoProgram

#: nobody, on every Linux.
ORDINARY_USER = 65_534
OPEN_ALL = """
import os, sys
for path in sys.argv[1:]:
    try:
        os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        pass
"""
WRITE_ALL = """
import os, sys
for path in sys.argv[1:]:
    os.close(os.open(path, os.O_WRONLY))
"""
RUN_ALL = """
for _ in range({times}):
    started = [subprocess.Popen([path], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) for path in paths]
    for process in started:
        process.wait()
"""


@contextmanager
def copies(count: int) -> Iterator[list[Path]]:
    """Executables that belong to the ordinary user, in a folder that everybody may enter."""
    folder = Path(tempfile.mkdtemp(prefix="gosonde-programs-"))
    try:
        folder.chmod(0o755)
        program = go_programs.build("churn")
        paths = [folder / f"program-{number}" for number in range(count)]
        for path in paths:
            shutil.copy(program, path)
            os.chown(path, ORDINARY_USER, ORDINARY_USER)
        yield paths
    finally:
        shutil.rmtree(folder)


@contextmanager
def running(paths: Sequence[Path]) -> Iterator[list[GoProgram]]:
    """All of them, ready."""
    with ExitStack() as stack:
        yield [stack.enter_context(GoProgram(path)) for path in paths]


def ask_to_write(paths: Sequence[Path]) -> None:
    """The user opens all of them for writing, and does not wait."""
    _as_user(OPEN_ALL, paths)


def write(paths: Sequence[Path]) -> None:
    """The user opens each of them for writing, and waits for it."""
    _as_user(WRITE_ALL, paths)


def start_and_end(paths: Sequence[Path], times: int) -> None:
    """The user runs each of them so often, for an instant, all at the same time."""
    _as_user(f"import subprocess, sys\npaths = sys.argv[1:]\n{RUN_ALL.format(times=times)}", paths)


def _as_user(code: str, paths: Sequence[Path]) -> None:
    subprocess.run(
        [sys.executable, "-c", code, *paths], check=True, user=ORDINARY_USER, group=ORDINARY_USER, extra_groups=()
    )
