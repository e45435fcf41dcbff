"""Finds the Go processes of this host, and has their files probed."""

from collections import deque

import structlog
from gosonde_common.errors import GosondeError

from gosonde_agent.accounting.processes import Processes
from gosonde_agent.discovery.attachments import Attachment
from gosonde_agent.golang import binary as golang
from gosonde_agent.host import procfs
from gosonde_agent.host.kernel import monotonic_to_unix_nano
from gosonde_agent.model.errors import NoSuchProcessError, NotGoError
from gosonde_agent.sources.counters import Image
from gosonde_agent.sources.protocol import Source
from gosonde_agent.watch.files import ProbedFiles
from gosonde_agent.watch.roster import Roster

log = structlog.get_logger(__name__)

MAX_UNKNOWN = 1_024


class Finder:
    """Sees to it that each process that is selected gets into the roster, as soon as it is known what it runs."""

    def __init__(self, source: Source, processes: Processes, files: ProbedFiles, roster: Roster) -> None:
        self._source = source
        self._processes = processes
        self._files = files
        self._roster = roster
        self._unknown: deque[tuple[int, int]] = deque(maxlen=MAX_UNKNOWN)

    def scan(self) -> None:
        """Considers every process that runs now and is not known yet."""
        for pid in procfs.pids():
            epoch = self._source.epoch(pid)
            if self._processes.get(pid, epoch) is None:
                self.consider(pid, epoch)

    def consider(self, pid: int, epoch: int) -> None:
        """Registers a process if it is selected and its file is known; else its file waits for `load_next`."""
        try:
            with procfs.executable(pid) as (fd, path):
                identity = golang.FileIdentity.of(fd)
                found = self._files.find(identity, pid, path)
                is_selected = self._files.selection.selects(pid, path)
            start = procfs.start_of(pid)
        except GosondeError:
            return  # it has ended, or may not be read; if it was counted, `learn` says so
        if not is_selected and self._files.attachments.counts(identity):
            self._roster.deselected.add(pid, epoch, start.ticks)
        if not is_selected or isinstance(found, NotGoError) or self._roster.deselected.is_past(pid, epoch):
            return
        if isinstance(found, Attachment):
            self._roster.register(pid, epoch, start, found, path)
        elif found is not None:
            self._roster.register_refused(pid, epoch, start, path, found)
        else:
            self._unknown.append((pid, epoch))

    @property
    def has_unknown(self) -> bool:
        """Whether `load_next` has something to do."""
        return bool(self._unknown)

    def forget_unknown(self) -> None:
        """Forgets what waits for `load_next`: the next `scan` finds it again."""
        self._unknown.clear()

    def load_next(self) -> None:
        """Reads and probes the file of one process that runs an unknown file. May take some 100 ms."""
        pid, epoch = self._unknown.popleft()
        try:
            self._files.attach_for(pid)
        except GosondeError as error:
            log.debug("not watched", pid=pid, reason=str(error))
            if isinstance(error, NoSuchProcessError):
                return
        self.consider(pid, epoch)

    def watch(self, pid: int) -> None:
        """Probes the file of one process now.

        Raises:
            GosondeError: Why it cannot be watched.
        """
        self._files.attach_for(pid)
        self.consider(pid, self._source.epoch(pid))

    def learn(self, image: Image) -> None:
        """Registers a process that was counted before it was considered; one that has ended by what its probes know."""
        self.consider(image.tgid, image.epoch)
        if self._processes.get(image.tgid, image.epoch) is not None or not procfs.has_ended(image.tgid, 0):
            return
        exec_at = self._roster.exec_seen_at(image.tgid, image.epoch)
        if exec_at is None or not self._files.selects_all(image.binary):
            self._roster.losses["processes_unseen"] += 1
            self._source.forget(image, ())
            return
        attachment = self._files.attachments[image.binary]
        start = procfs.ProcessStart(0, exec_at + monotonic_to_unix_nano())
        self._roster.register(image.tgid, image.epoch, start, attachment, attachment.binary.path)
