"""Files that have probes: reading them, probing them, and letting go of those that nobody runs."""

from collections.abc import Collection
from functools import partial
from typing import NamedTuple

import structlog
from gosonde_common.clock import steady_unix_nano
from gosonde_common.errors import GosondeError
from gosonde_common.values.levels import Level, Reason, Step

from gosonde_agent.discovery.attachments import Attachment, Attachments
from gosonde_agent.discovery.limits import Limits
from gosonde_agent.discovery.selection import Selection
from gosonde_agent.golang import binary as golang
from gosonde_agent.golang.known import KnownBinaries
from gosonde_agent.host import procfs
from gosonde_agent.model.errors import NoSuchProcessError, UnguardedFileError, UnreadableFileError
from gosonde_agent.sources.protocol import Source
from gosonde_agent.watch.load import Load
from gosonde_agent.watch.paces import Paces
from gosonde_agent.watch.stepping import Stepper

log = structlog.get_logger(__name__)

#: What says nothing of a file itself: another process of it is tried again.
PASSING = (NoSuchProcessError, UnguardedFileError, UnreadableFileError)


class Runners(NamedTuple):
    """Processes that run: those of a file that is to get probes, and some of the files that follow it."""

    own: tuple[int, ...] = ()
    next: tuple[int, ...] = ()


NO_RUNNERS = Runners()


class ProbedFiles:
    """The files of processes that `selection` selects, each read once and probed once.

    Attributes:
        selection: Which processes are watched; may be replaced at any time.
        attachments: What is probed or refused, by file.

    Where there are `paces`, they say which probes a file begins with.
    """

    def __init__(
        self,
        source: Source,
        selection: Selection,
        stepper: Stepper,
        limits: Limits,
        *,
        paces: Paces | None = None,
    ) -> None:
        self.selection = selection
        self._source = source
        self.attachments = Attachments(source, limits)
        self._known = KnownBinaries()
        self._stepper = stepper
        self._paces = paces

    def scope(self, pid: int, path: str) -> int | None:
        """The process to probe where the selection names it alone: others of its file are to pay nothing; else None."""
        return None if self.selection.by_file(path) else pid

    def find(self, identity: golang.FileIdentity, pid: int, path: str) -> Attachment | GosondeError | None:
        """The probes that count a process, or why its file has none; None for a file that was not read yet."""
        return self.attachments.find(identity, self.scope(pid, path)) or self.attachments.find(identity, pid)

    def load(self, pid: int, epoch: int, program: procfs.Program, runners: Runners = NO_RUNNERS) -> Load:
        """Has the file that a process runs probed by whoever runs what this returns and gives it to `take`.

        Args:
            runners: Which other processes run it, and which will be loaded next.
        """
        identity = golang.FileIdentity.from_status(program.status)
        place = partial(self._place, self.attachments.new_number(), runners=runners._replace(own=(pid, *runners.own)))
        return Load(pid, epoch, identity, place, self.scope(pid, program.path))

    def look(self, pid: int, epoch: int, program: procfs.Program) -> Load:
        """Has it found out which library has the Go of a process that runs another program."""
        identity = golang.FileIdentity.from_status(program.status)
        return Load(pid, epoch, identity, _only_looked_at, pid, procfs.library, is_look=True)

    def load_library(self, pid: int, epoch: int, library: golang.FileIdentity) -> Load:
        """Has the library that has the Go of a process probed, for this process alone; as `load`."""
        place = partial(self._place, self.attachments.new_number(), runners=Runners((pid,)), is_library=True)
        return Load(pid, epoch, library, place, pid, procfs.library, is_library=True)

    def take(self, load: Load) -> None:
        """Keeps what has been loaded, or why it could not be: that is remembered for the file.

        Raises:
            GosondeError: Why it cannot be watched.
        """
        if load.attachment is not None:
            self._keep(load.attachment)
        elif load.error is not None:
            if not isinstance(load.error, PASSING):
                self.attachments.refuse(load.identity, load.error)
            raise load.error

    def attach(self, fd: int, path: str, pid: int | None) -> None:
        """Reads and probes an open file now, unless that was done already.

        Raises:
            GosondeError: Why it cannot be watched; remembered for the file.
        """
        identity = golang.FileIdentity.of(fd)
        found = self.attachments.find(identity, pid)
        if isinstance(found, GosondeError):
            raise found
        if found is None:
            self._keep(self._place(self.attachments.new_number(), fd, path, pid))

    def _place(
        self,
        number: int,
        fd: int,
        path: str,
        pid: int | None,
        *,
        runners: Runners = NO_RUNNERS,
        is_library: bool = False,
    ) -> Attachment:
        def load() -> golang.GoBinary:
            return golang.load(fd, path, self._known)

        def first_step(binary: golang.GoBinary) -> Step | None:
            if self._source.kind.level is Level.MEMORY:
                return Step(steady_unix_nano(), Level.MEMORY, Reason.NO_PROBES, 0)
            return self._paces.first_step(binary, runners.own) if self._paces else None

        if self._paces:
            self._paces.look([*runners.own, *runners.next])
        return self.attachments.place(number, fd, load, pid, first_step=first_step, is_library=is_library)

    def _keep(self, attachment: Attachment) -> None:
        self.attachments.add(attachment)
        self._stepper.begin(attachment.number, attachment.first_step)

    def make_room(self, pid: int, program: procfs.Program, running: Collection[int]) -> None:
        """Detaches the probes from the files that are to give them up for the one that a process runs.

        Raises:
            TooManyFilesError: None can.
        """
        for attachment in self.attachments.surplus(self.owner(pid, program), running):
            log.info("probes detached from the least used file", path=attachment.binary.path, owner=attachment.owner)
            self.attachments.leave(attachment)

    def owner(self, pid: int, program: procfs.Program) -> int:
        """The user whom the probes for a process are counted for."""
        return program.status.owner if self.scope(pid, program.path) is None else program.user

    def selects_all(self, number: int) -> bool:
        """Whether every process that the probes of a number count is selected."""
        if number not in self.attachments:
            return False
        attachment = self.attachments[number]
        return attachment.pid is not None or self.selection.by_file(attachment.binary.path)

    def counts_all(self, number: int) -> bool:
        """Whether the probes of a number count every process of their file."""
        return number in self.attachments and self.attachments[number].pid is None

    def keep_used(self, running: Collection[int]) -> None:
        """Detaches the probes from files that no process runs any more and none is likely to run again."""
        self.attachments.keep_used(running, self.selection.by_file)

    def detach_deselected(self, running: Collection[int]) -> None:
        """Detaches the probes from files that the selection leaves no process of."""
        self.attachments.detach_deselected(running, self.selection.by_file)


def _only_looked_at(_fd: int, _path: str, _pid: int | None) -> None:
    """Puts no probes in."""
