"""Files that have probes: reading them, probing them, and letting go of those that nobody runs."""

from collections.abc import Collection

import structlog
from gosonde_common.errors import GosondeError

from gosonde_agent.discovery.attachments import Attachment, Attachments
from gosonde_agent.discovery.selection import Selection
from gosonde_agent.golang import binary as golang
from gosonde_agent.golang.known import KnownBinaries
from gosonde_agent.host import procfs
from gosonde_agent.model.errors import MalformedBinaryError, NoSuchProcessError, UnguardedFileError
from gosonde_agent.sources.protocol import Source
from gosonde_agent.watch.stepping import Stepper

log = structlog.get_logger(__name__)


class ProbedFiles:
    """The files of processes that `selection` selects, each read once and probed once.

    Attributes:
        selection: Which processes are watched; may be replaced at any time.
        attachments: What is probed or refused, by file.
    """

    def __init__(self, source: Source, selection: Selection, stepper: Stepper) -> None:
        self.selection = selection
        self.attachments = Attachments(source)
        self._known = KnownBinaries()
        self._stepper = stepper

    def scope(self, pid: int, path: str) -> int | None:
        """The process to probe where the selection names it alone: others of its file are to pay nothing; else None."""
        return None if self.selection.by_file(path) else pid

    def find(self, identity: golang.FileIdentity, pid: int, path: str) -> Attachment | GosondeError | None:
        """The probes that count a process, or why its file has none; None for a file that was not read yet."""
        return self.attachments.find(identity, self.scope(pid, path)) or self.attachments.find(identity, pid)

    def attach_for(self, pid: int) -> None:
        """Probes the file that a process runs: for all its processes where they are selected, else for this one alone.

        Raises:
            GosondeError: Why it cannot be watched.
        """
        with procfs.executable(pid) as (fd, path):
            try:
                self.attach(fd, path, self.scope(pid, path))
            except UnguardedFileError as error:
                log.debug("watched for one process only", path=path, reason=str(error))
                self.attach(fd, path, pid)

    def attach(self, fd: int, path: str, pid: int | None) -> Attachment:
        """Reads and probes an open file, unless that was done already.

        Raises:
            GosondeError: Why it cannot be watched; remembered for the file.
        """
        identity = golang.FileIdentity.of(fd)
        found = self.attachments.find(identity, pid)
        if isinstance(found, GosondeError):
            raise found
        return found or self._attach_new(identity, fd, path, pid)

    def _attach_new(self, identity: golang.FileIdentity, fd: int, path: str, pid: int | None) -> Attachment:
        try:
            attachment = self.attachments.attach(fd, lambda: golang.load(fd, path, self._known), pid)
        except (NoSuchProcessError, UnguardedFileError):
            raise
        except GosondeError as error:
            self.attachments.refuse(identity, error)
            raise
        except Exception as error:  # a fault of ours in reading what others control must not end the agent
            log.exception("a file could not be read", path=path)
            refusal = MalformedBinaryError(f"reading {path} failed: {type(error).__name__}: {error}")
            self.attachments.refuse(identity, refusal)
            raise refusal from error
        self._stepper.begin(attachment.number)
        return attachment

    def selects_all(self, number: int) -> bool:
        """Whether every process that the probes of a number count is selected."""
        if number not in self.attachments:
            return False
        attachment = self.attachments[number]
        return attachment.pid is not None or self.selection.by_file(attachment.binary.path)

    def keep_used(self, running: Collection[int]) -> None:
        """Detaches the probes from files that no process runs any more and none is likely to run again."""
        self.attachments.keep_used(running, self.selection.by_file)

    def detach_deselected(self, running: Collection[int]) -> None:
        """Detaches the probes from files that the selection leaves no process of."""
        self.attachments.detach_deselected(running, self.selection.by_file)
