"""An ordinary user's program that runs the probed instructions of a Go file without Go: `fixtures/c/intruder.c`."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from gosonde_agent.golang import binary as golang
from gosonde_agent.golang.known import KnownBinaries
from gosonde_agent.host import procfs

from tests.paths import FIXTURES

#: nobody: owns nothing, and may do what every user may.
USER = 65534


class Ground:
    """A folder that every user may read, with the intruder and a copy of a Go program.

    Attributes:
        program: The copy.
    """

    def __init__(self, folder: Path, executable: Path) -> None:
        folder.chmod(0o755)
        self.program = Path(shutil.copy(executable, folder / executable.name))
        self.program.chmod(0o755)
        self._intruder = folder / "intruder"
        source = FIXTURES / "c" / "intruder.c"
        subprocess.run(["gcc", "-O1", "-o", str(self._intruder), str(source)], check=True)

    @contextmanager
    def intruding(self, probe: str, processes: int, times: int, user: int = USER) -> Iterator[int]:
        """Processes of a user that have each hit a probe so often, each time with another number.

        The file must have its probes already.

        Args:
            probe: As in `gosonde inspect`.
            processes: How many children do so; 0 for the started process itself.
            times: Of each.
            user: A uid.

        Yields:
            The pid of the started process.
        """
        command = [str(self._intruder), str(self.program), hex(self._offset(probe)), str(processes), str(times)]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, user=user, group=user) as running:
            try:
                assert running.stdout is not None
                assert running.stdout.readline() == "done\n"
                yield running.pid
            finally:
                running.kill()

    @cache  # noqa: B019 - a few of them in a test
    def _offset(self, probe: str) -> int:
        with procfs.file(str(self.program)) as (fd, path):
            return golang.load(fd, path, KnownBinaries()).file_offsets[probe]


@contextmanager
def ground(executable: Path) -> Iterator[Ground]:
    """A folder for intruders and the program that they run into."""
    with tempfile.TemporaryDirectory(prefix="gosonde-intruder.") as folder:
        yield Ground(Path(folder), executable)
