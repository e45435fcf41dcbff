"""Reading and probing one file, in any thread: whoever opens a file waits for the file's system."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import structlog
from gosonde_common.errors import GosondeError

from gosonde_agent.discovery.attachments import Attachment
from gosonde_agent.golang.binary import FileIdentity
from gosonde_agent.host import procfs
from gosonde_agent.host.own_budget import collect_newest
from gosonde_agent.model.errors import MalformedBinaryError, UnguardedFileError

log = structlog.get_logger(__name__)

#: Opens the file of a process that is loaded: (descriptor, path).
Open = Callable[[int], AbstractContextManager[tuple[int, str]]]
#: Puts probes into an open file with a path, for one process or for all; see ProbedFiles. None when it only looks.
Place = Callable[[int, str, int | None], Attachment | None]


@dataclass(slots=True)
class Load:
    """The file that a process runs, or a library of it. `run` may be called from any thread; it raises nothing.

    Attributes:
        identity: Of the file: the one that is expected until it is opened.
        place: Puts the probes in.
        scope: The only process that they are for; None for all of the file.
        open: Opens it.
        is_look: It is only to be found out which library of the process has Go in it.
        is_library: It is not what the process runs, but a library of that.
        attachment: The probes, when they are there.
        error: Why they are not.
        has_ended: Whether it has run.
    """

    pid: int
    epoch: int
    identity: FileIdentity
    place: Place
    scope: int | None
    open: Open = procfs.executable
    is_look: bool = False
    is_library: bool = False
    attachment: Attachment | None = None
    error: GosondeError | None = None
    has_ended: bool = False

    def run(self) -> None:
        """Reads and probes the file: may take some 100 ms, or without end when nobody answers for the file."""
        try:
            with self.open(self.pid) as (fd, path):
                self.identity = FileIdentity.of(fd)
                self.attachment = self._placed(fd, path)
        except GosondeError as error:
            self.error = error
        except Exception as error:  # a fault of ours in reading what others control must not end the agent
            log.exception("a file could not be read", pid=self.pid)
            self.error = MalformedBinaryError(f"reading its executable failed: {type(error).__name__}: {error}")
        collect_newest()  # of what was read of the file
        self.has_ended = True

    def _placed(self, fd: int, path: str) -> Attachment | None:
        try:
            return self.place(fd, path, self.scope)
        except UnguardedFileError as error:
            if self.scope is not None:
                raise
            log.debug("watched for one process only", path=path, reason=str(error))
            return self.place(fd, path, self.pid)
