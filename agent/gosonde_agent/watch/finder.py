"""Finds the Go processes of this host, and has their files probed."""

import contextlib
from collections import deque
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

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
from gosonde_agent.watch.files import ProbedFiles, Runners
from gosonde_agent.watch.load import Load
from gosonde_agent.watch.nameless import Nameless
from gosonde_agent.watch.others import Others
from gosonde_agent.watch.put_off import NO_ANSWER, PutOff
from gosonde_agent.watch.roster import Roster

log = structlog.get_logger(__name__)

MAX_UNKNOWN = 1_024
#: Processes whose pace is looked at before their file gets probes, and so many of the next files beside them.
MAX_SIBLINGS, LOOKED_AHEAD = 32, 8


class _Unknown(NamedTuple):
    """A process image whose file waits for `Finder.next`."""

    pid: int
    epoch: int
    identity: golang.FileIdentity


class Finder:
    """Sees to it that each process that is selected gets into the roster, as soon as it is known what it runs."""

    def __init__(self, source: Source, processes: Processes, files: ProbedFiles, roster: Roster) -> None:
        self._source = source
        self._processes = processes
        self._files = files
        self._roster = roster
        self._unknown: deque[_Unknown] = deque(maxlen=MAX_UNKNOWN)
        self._put_off = PutOff(processes, files)
        # What was counted of processes whose beginning or end was not reported yet when they were last asked for.
        self._late: set[Image] = set()
        self._others = Others()
        self.nameless = Nameless()

    def scan(self) -> None:
        """Considers every process that runs now, can be selected and is not known yet."""
        self.nameless.begin()
        running, candidates = procfs.pids(), self._files.selection.candidates
        for pid in running if candidates is None else sorted(candidates.intersection(running)):
            with self._processes.alone(pid, "find"):
                epoch = self._source.epoch(pid)
                if self._processes.get(pid, epoch) is None:
                    self.consider(pid, epoch)

    def consider(self, pid: int, epoch: int) -> None:
        """Registers a process if it is selected and its file is known; else its file waits for `next`."""
        try:
            program = procfs.program(pid)
            start = procfs.start_of(pid)
        except GosondeError:
            return  # it has ended, or may not be read; if it was counted, `learn` says so
        if self._source.epoch(pid) != epoch:
            return  # it has run exec meanwhile: what was read is of its next image, which is considered by itself
        path, identity = program.path, golang.FileIdentity.from_status(program.status)
        found = self._files.find(identity, pid, path)
        is_selected = self.nameless.selected(self._files.selection, pid, path)
        if not is_selected and self._files.attachments.counts(identity):
            self._roster.deselected.add(pid, epoch, start.ticks)
        if not is_selected or self._roster.deselected.is_past(pid, epoch):
            return
        if isinstance(found, NotGoError):
            library = self._others.library((pid, epoch))
            if library is None:
                self._others.add((pid, epoch))
                return
            found = self._files.attachments.find(library, pid)
            if isinstance(found, NotGoError):
                return
        if isinstance(found, Attachment):
            self._roster.register(pid, epoch, start, found, path)
        elif found is not None:
            self._roster.register_refused(pid, epoch, start, path, found)
        else:
            self._unknown.append(_Unknown(pid, epoch, identity))

    # --- unknown files -----------------------------------------------------------------------------------------------

    @property
    def has_unknown(self) -> bool:
        """Whether `next` may have something to do."""
        return bool(self._unknown) or self._others.has_due

    def forget_unknown(self) -> None:
        """Forgets what waits for `next`: the next `scan` finds it again."""
        self._unknown.clear()

    def next(self) -> Load | None:
        """What reads and probes the file of a process that runs an unknown one: run it, then give it to `take`."""
        while self._unknown:
            pid, epoch, _ = self._unknown.popleft()
            with self._processes.alone(pid, "load a file"):
                if load := self._load(pid, epoch):
                    return load
        return self._next_look()

    def _load(self, pid: int, epoch: int) -> Load | None:
        """What reads and probes the file of a process, unless that is known or has to wait."""
        try:
            program = procfs.program(pid)
        except GosondeError:
            return None
        found = self._files.find(golang.FileIdentity.from_status(program.status), pid, program.path)
        library = self._others.library((pid, epoch)) if isinstance(found, NotGoError) else None
        if library is not None:
            found, program = self._files.attachments.find(library, pid), _as_of_its_user(program)
        if found is not None:
            self.consider(pid, epoch)
        elif self._processes.get(pid, epoch) is None:
            if reason := self._put_off.reason(pid, program):
                self._refuse_for_now(pid, epoch, reason)
            elif library is not None:
                return self._files.load_library(pid, epoch, library)
            else:
                return self._files.load(pid, epoch, program, self._runners(program))
        return None

    def _runners(self, program: procfs.Program) -> Runners:
        """Who waits for the file of a process as well, and for the files after it."""
        identity = golang.FileIdentity.from_status(program.status)
        own = tuple(unknown.pid for unknown in self._unknown if unknown.identity == identity)
        others = (unknown.pid for unknown in self._unknown if unknown.identity != identity)
        return Runners(own[:MAX_SIBLINGS], tuple(islice(others, LOOKED_AHEAD)))

    def _next_look(self) -> Load | None:
        """What looks for Go in the libraries of a process whose turn it is."""
        while (turn := self._others.next()) is not None:
            pid, epoch = turn
            with contextlib.suppress(GosondeError):
                program = procfs.program(pid)
                if self._files.selection.selects(pid, program.path) and self._source.epoch(pid) == epoch:
                    return self._files.look(pid, epoch, program)
            self._others.remove(turn)
        return None

    def take(self, load: Load) -> None:
        """Keeps what was loaded; the process is watched, or it is said why not."""
        with self._processes.alone(load.pid, "take a file"):
            self._put_off.ended(load)
            if load.is_look:
                self._others.looked(load)
            if (load.is_look and load.error is None) or load.is_library:
                self._others.found((load.pid, load.epoch), load.identity)
            if not (load.is_look and load.error):
                self._take(load)

    def _take(self, load: Load) -> None:
        try:
            self._files.take(load)
        except GosondeError as error:
            log.debug("not watched", pid=load.pid, reason=str(error))
            if isinstance(error, NoSuchProcessError):
                return
            if self._files.attachments.find(load.identity, load.scope) is None:
                self._refuse(load.pid, load.epoch, error)
                return
        self.consider(load.pid, load.epoch)

    def waits_for(self, load: Load) -> bool:
        """Whether others wait for a load that takes its time: that of a file system without which no host runs.

        Else its process is reported as refused until the load has ended, and so is every other whose file lies there.
        """
        if load.is_look and not load.has_ended:
            self._others.hold_up(load)
            return False
        if load.has_ended or self._files.attachments.is_of_host(load.identity):
            return True
        self._put_off.hold_up(load)
        self._refuse_for_now(load.pid, load.epoch, NO_ANSWER)
        return False

    def load_next(self) -> None:
        """Reads and probes the file of one process that runs an unknown one, now. May take some 100 ms."""
        if load := self.next():
            load.run()
            self.take(load)

    def try_again(self) -> None:
        """Considers again what was refused for a reason that holds no longer."""
        for pid, epoch in self._put_off.due():
            with self._processes.alone(pid, "try again"):
                self._processes.remove(pid, epoch)
                self.consider(pid, epoch)

    def _refuse_for_now(self, pid: int, epoch: int, reason: GosondeError) -> None:
        self._refuse(pid, epoch, reason)
        self._put_off.add(pid, epoch)

    def _refuse(self, pid: int, epoch: int, reason: GosondeError) -> None:
        try:
            start, program = procfs.start_of(pid), procfs.program(pid)
        except GosondeError:
            return
        if self._processes.get(pid, epoch) is None:
            self._roster.register_refused(pid, epoch, start, program.path, reason)

    # --- one process -------------------------------------------------------------------------------------------------

    def watch(self, pid: int) -> None:
        """Probes the file of one process now.

        Raises:
            GosondeError: Why it cannot be watched.
        """
        epoch, program = self._source.epoch(pid), procfs.program(pid)
        found = self._files.find(golang.FileIdentity.from_status(program.status), pid, program.path)
        if found is None:
            load = self._files.load(pid, epoch, program)
            load.run()
            found = load.error
            with contextlib.suppress(NotGoError):
                self._files.take(load)
        if isinstance(found, NotGoError):
            found = self._watch_library(pid, epoch, program)
        if isinstance(found, GosondeError):
            raise found
        self.consider(pid, epoch)

    def _waits_for_events(self, image: Image) -> bool:
        """Whether the kernel's reports of a process that began and ended since the last `poll` come with the next."""
        key = image.tgid, image.epoch
        is_whole = self._roster.exec_seen_at(*key) is not None and self._roster.exit_seen_at(*key) is not None
        if is_whole or image in self._late or len(self._late) >= MAX_UNKNOWN:
            self._late.discard(image)
            return False
        self._late.add(image)
        return True

    def _watch_library(self, pid: int, epoch: int, program: procfs.Program) -> Attachment | GosondeError | None:
        look = self._files.look(pid, epoch, program)
        look.run()
        if look.error is not None:
            return look.error
        self._others.found((pid, epoch), look.identity)
        found = self._files.attachments.find(look.identity, pid)
        if found is None:
            load = self._files.load_library(pid, epoch, look.identity)
            load.run()
            self._files.take(load)
        return found

    def learn(self, image: Image) -> bool:
        """Registers a process that was counted before it was considered; one that has ended by what its probes know.

        Returns:
            False when it has ended and nobody will ever know what it was.
        """
        if not self._roster.has_gone(image.tgid, image.epoch):
            self.consider(image.tgid, image.epoch)
            return True
        if self._waits_for_events(image):
            return True
        exec_at = self._roster.exec_seen_at(image.tgid, image.epoch)
        if exec_at is None or not self._files.selects_all(image.binary):
            self._roster.losses["processes_unseen"] += 1
            return False
        attachment = self._files.attachments[image.binary]
        start = procfs.ProcessStart(0, exec_at + monotonic_to_unix_nano())
        self._roster.register(image.tgid, image.epoch, start, attachment, attachment.binary.path)
        return True


def _as_of_its_user(program: procfs.Program) -> procfs.Program:
    """Probes in a library are for one process, and count for its user."""
    return replace(program, status=replace(program.status, owner=program.user))
