"""Reading and probing one file, in any thread: whoever opens a file waits for the file's system."""

from collections.abc import Callable
from dataclasses import dataclass

import structlog
from gosonde_common.errors import GosondeError

from gosonde_agent.discovery.attachments import Attachment
from gosonde_agent.golang.binary import FileIdentity
from gosonde_agent.host import procfs
from gosonde_agent.model.errors import MalformedBinaryError, UnguardedFileError

log = structlog.get_logger(__name__)

#: Puts probes into an open file with a path, for one process or for all; see ProbedFiles.place.
Place = Callable[[int, str, int | None], Attachment]


@dataclass(slots=True)
class Load:
    """The file that a process runs. `run` may be called from any thread; it raises nothing.

    Attributes:
        identity: Of the file: the one that is expected until it is opened.
        place: Puts the probes in.
        scope: The only process that they are for; None for all of the file.
        attachment: The probes, when they are there.
        error: Why they are not.
        has_ended: Whether it has run.
    """

    pid: int
    epoch: int
    identity: FileIdentity
    place: Place
    scope: int | None
    attachment: Attachment | None = None
    error: GosondeError | None = None
    has_ended: bool = False

    def run(self) -> None:
        """Reads and probes the file: may take some 100 ms, or without end when nobody answers for the file."""
        try:
            with procfs.executable(self.pid) as (fd, path):
                self.identity = FileIdentity.of(fd)
                self.attachment = self._placed(fd, path)
        except GosondeError as error:
            self.error = error
        except Exception as error:  # a fault of ours in reading what others control must not end the agent
            log.exception("a file could not be read", pid=self.pid)
            self.error = MalformedBinaryError(f"reading its executable failed: {type(error).__name__}: {error}")
        self.has_ended = True

    def _placed(self, fd: int, path: str) -> Attachment:
        try:
            return self.place(fd, path, self.scope)
        except UnguardedFileError as error:
            if self.scope is not None:
                raise
            log.debug("watched for one process only", path=path, reason=str(error))
            return self.place(fd, path, self.pid)
