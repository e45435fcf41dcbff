"""Processes that are not watched for a reason that may pass: a file system that does not answer, or no room."""

from collections.abc import Iterator
from itertools import islice

from gosonde_common.errors import GosondeError

from gosonde_agent.accounting.processes import Processes
from gosonde_agent.host import procfs
from gosonde_agent.model.errors import TooManyFilesError, UnreadableFileError
from gosonde_agent.watch.files import ProbedFiles
from gosonde_agent.watch.load import Load

#: Processes that are remembered; further ones stay refused.
MAX_PUT_OFF = 1_024
#: Processes that are tried again at a time.
TRIED_AT_ONCE = 16
#: File systems that may hold up a load each at the same time, and with it a thread.
MOST_HELD_UP = 32
NO_ANSWER = UnreadableFileError("its executable cannot be read: the file system that it lies on does not answer")


class PutOff:
    """What is put off, and the loads that are held up."""

    def __init__(self, processes: Processes, files: ProbedFiles) -> None:
        self._processes = processes
        self._files = files
        self._waiting: dict[tuple[int, int], None] = {}
        self._held_up: dict[int, Load] = {}

    def reason(self, pid: int, program: procfs.Program) -> GosondeError | None:
        """Why the file that a process runs cannot be loaded now; makes room for it where it can."""
        of_host = program.status.device in self._files.attachments.host_devices
        if program.status.device in self._held_up or (len(self._held_up) >= MOST_HELD_UP and not of_host):
            return NO_ANSWER
        try:
            self._files.make_room(pid, program, self._running())
        except TooManyFilesError as error:
            return error
        return None

    def hold_up(self, load: Load) -> None:
        """A load does not end: nothing else is loaded of its file system until it has."""
        self._held_up[load.identity.device] = load

    def ended(self, load: Load) -> None:
        """A load has ended, whether it was held up or not."""
        self._held_up = {device: held for device, held in self._held_up.items() if held is not load}

    def add(self, pid: int, epoch: int) -> None:
        """A process is refused for now."""
        if len(self._waiting) < MAX_PUT_OFF:
            self._waiting[pid, epoch] = None

    def due(self) -> Iterator[tuple[int, int]]:
        """(pid, epoch) of those that may be watched now, a few of them."""
        for pid, epoch in list(islice(self._waiting, TRIED_AT_ONCE)):
            del self._waiting[pid, epoch]
            process = self._processes.get(pid, epoch)
            if process is None or process.has_ended:
                continue
            try:
                program = procfs.program(pid)
            except GosondeError:
                continue
            if self.reason(pid, program) is None:
                yield pid, epoch
            else:
                self._waiting[pid, epoch] = None

    def _running(self) -> set[int]:
        return {process.image.binary for process in self._processes if process.image is not None}
