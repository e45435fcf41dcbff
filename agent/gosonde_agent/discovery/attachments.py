"""Which files have probes: each Go binary is read and probed once, whatever the number of its processes."""

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gosonde_common.errors import GosondeError
from gosonde_common.values.levels import PROBES, Level, Step

from gosonde_agent.discovery import lease
from gosonde_agent.discovery.limits import Limits
from gosonde_agent.golang.binary import FileIdentity, GoBinary
from gosonde_agent.host import files, procfs
from gosonde_agent.host.threads import within
from gosonde_agent.model.errors import RefusedError, TooManyFilesError
from gosonde_agent.sources.protocol import Source

MAX_REFUSALS = 4_096
#: File systems that stay mounted as long as the host runs: files there keep their probes while no process runs them.
HOST_FOLDERS = ("/", "/usr", "/usr/local", "/opt", "/home", "/root", "/srv", "/var")
IDLE_SECONDS = 10.0
#: How long a file system of the host may take to say who it is.
ANSWER_SECONDS = 2.0
#: Between two looks whether probes are detached.
CLOSING_SECONDS = 0.01
#: Whether every process of a file with this path is selected.
IsSelected = Callable[[str], bool]
#: The step to the level that the probes of a binary begin with; None for level full.
FirstStep = Callable[[GoBinary], Step | None]


@dataclass(frozen=True, slots=True)
class Attachment:
    """Probes in one file.

    Attributes:
        number: What Image.binary is for hits of these probes.
        pid: The only process that they are for; None for every process of the file.
        attached_ns: CLOCK_MONOTONIC when the last of them was in place.
        fd: Keeps the file's inode from being reused while the probes are there; holds a lease if `leased`.
        owner: The user whom it is counted for: the file's, or where `pid` is given the process's.
        first_step: To the level that they began with; None for level full.
    """

    number: int
    binary: GoBinary
    pid: int | None
    attached_ns: int
    fd: int
    owner: int
    leased: bool
    first_step: Step | None = None


def _to_full(_binary: GoBinary) -> None:
    """All probes."""


class Attachments:
    """The probes of all files, and why other files have none."""

    def __init__(self, source: Source, limits: Limits) -> None:
        self._source = source
        self._limits = limits
        self._by_number: dict[int, Attachment] = {}
        self._by_file: dict[tuple[FileIdentity, int | None], Attachment] = {}
        self._leaving: list[Attachment] = []
        self._refusals: OrderedDict[FileIdentity, GosondeError] = OrderedDict()
        self._last_number = 0
        self._used_at: dict[int, float] = {}
        found = (within(ANSWER_SECONDS, partial(_device, folder)) for folder in HOST_FOLDERS)
        self.host_devices = {device for device in found if device is not None}

    def find(self, identity: FileIdentity, pid: int | None) -> Attachment | GosondeError | None:
        """The probes in a file, why it has none, or None when it was not tried yet."""
        return self._by_file.get((identity, pid)) or self._refusals.get(identity)

    def counts(self, identity: FileIdentity) -> bool:
        """Whether every process of a file is counted, selected or not."""
        leaving = any(a.pid is None and a.binary.identity == identity for a in self._leaving)
        return leaving or (identity, None) in self._by_file

    def __getitem__(self, number: int) -> Attachment:
        return self._by_number[number]

    def __len__(self) -> int:
        return len(self._by_number)

    def __contains__(self, number: int) -> bool:
        return number in self._by_number

    def numbers(self) -> set[int]:
        """Of all files that have probes."""
        return {*self._by_number, *(attachment.number for attachment in self._leaving)}

    @property
    def is_closing(self) -> bool:
        """Whether probes that were detached can still be hit."""
        return any(self._source.is_closing(number) for number in self.numbers())

    def refuse(self, identity: FileIdentity, error: GosondeError) -> None:
        """Remembers why a file has no probes; the oldest refusal goes when there are too many."""
        self._refusals[identity] = error
        if len(self._refusals) > MAX_REFUSALS:
            self._refusals.popitem(last=False)

    def is_of_host(self, identity: FileIdentity) -> bool:
        """Whether a file lies on a file system without which the host does not run."""
        return identity.device in self.host_devices

    def attach(self, fd: int, load: Callable[[], GoBinary], pid: int | None) -> Attachment:
        """Reads an open file with `load` and puts probes into it.

        Raises:
            GosondeError: As `place`.
        """
        attachment = self.place(self.new_number(), fd, load, pid)
        self.add(attachment)
        return attachment

    def new_number(self) -> int:
        """One that no file has had."""
        self._last_number += 1
        return self._last_number

    def place(
        self,
        number: int,
        fd: int,
        load: Callable[[], GoBinary],
        pid: int | None,
        *,
        first_step: FirstStep = _to_full,
        is_library: bool = False,
    ) -> Attachment:
        """Reads an open file with `load` and puts probes into it; in any thread, and then it must be given to `add`.

        Raises:
            UnguardedFileError: It may change while no process runs it: only a process of it can be watched. A library
                may change also while it is mapped.
            GosondeError: Whatever `load` and the source raise.
        """
        leased = self._source.kind.level is not Level.MEMORY and (pid is None or is_library)
        try:
            own = lease.take(fd) if leased else os.dup(fd)
        except RefusedError:
            load()  # a file that is not Go's is told as that
            raise
        try:
            owner = files.status(own).owner if pid is None else procfs.program(pid).user
            binary = load()
            step = first_step(binary)
            self._source.attach(number, binary, own, pid, PROBES[step.level if step else Level.FULL])
        except BaseException:
            os.close(own)
            raise
        return Attachment(number, binary, pid, time.monotonic_ns(), own, owner, leased, step)

    def add(self, attachment: Attachment) -> None:
        """Keeps a file that has got its probes, unless it has others already."""
        self._by_number[attachment.number] = attachment
        if (attachment.binary.identity, attachment.pid) in self._by_file:
            self._leave(attachment)
        else:
            self._by_file[attachment.binary.identity, attachment.pid] = attachment
            self._used_at[attachment.number] = time.monotonic()

    def surplus(self, owner: int, live: Collection[int]) -> list[Attachment]:
        """Which files are to give up their probes for one more of a user; `live` are the numbers that are run.

        Raises:
            TooManyFilesError: None can.
        """
        probed = list(self._by_number.values())
        if len(self._leaving) >= self._limits.files:
            raise TooManyFilesError(f"{len(self._leaving)} executables wait for the kernel to detach their probes")
        idle = sorted((a for a in probed if a.number not in live), key=lambda a: self._used_at[a.number])
        return self._limits.surplus(owner, probed, idle)

    def release_requested(self) -> None:
        """Detaches the probes from every file that somebody waits to write to, and lets go of those that have none.

        Returns before they are detached (see `is_closing`), because the kernel is slow with each; what is held of
        the files is released by a later call.
        """
        for attachment in [a for a in self._by_number.values() if a.leased and lease.is_break_requested(a.fd)]:
            self.leave(attachment)
        leaving, self._leaving = self._leaving, []
        for attachment in leaving:
            if self._source.is_closing(attachment.number):
                self._leaving.append(attachment)
            else:
                self._release(attachment)

    def detach_deselected(self, live: Collection[int], is_selected: IsSelected) -> None:
        """Detaches the probes from files that are not selected, unless they are `live`: see `keep_used`.

        Returns before they are detached, as `release_requested` does.
        """
        for attachment in [a for a in self._by_number.values() if a.number not in live]:
            if attachment.pid is not None or not is_selected(attachment.binary.path):
                self.leave(attachment)

    def keep_used(self, live: Collection[int], is_selected: IsSelected) -> None:
        """Keeps the probes of files that a process runs (`live` has their numbers) or that may be started again soon.

        Probes hold a file's mount, so on a file system that may be unmounted (not one of HOST_FOLDERS) they are
        detached IDLE_SECONDS after the file's last process was seen. Those of a file that is not selected go at once.
        Returns before they are detached, as `release_requested` does.
        """
        now = time.monotonic()
        for number in live:
            self._used_at[number] = now
        # A file whose mode changes or that is linked looks new, and then has probes twice: the newer ones stay.
        newest = {_inode(a): a.number for a in self._by_number.values() if a.pid is None}  # in order of their numbers
        for attachment in [a for a in self._by_number.values() if a.number not in live]:
            is_newest = newest.get(_inode(attachment)) == attachment.number
            if not (is_newest and is_selected(attachment.binary.path) and self._may_start_again(attachment, now)):
                self.leave(attachment)

    def _may_start_again(self, attachment: Attachment, now: float) -> bool:
        if attachment.pid is not None or procfs.links(attachment.fd) == 0:
            return False
        idle = now - self._used_at.setdefault(attachment.number, now)
        return idle < IDLE_SECONDS or self.is_of_host(attachment.binary.identity)

    @property
    def leaving(self) -> int:
        """How many files are still held whose probes were detached: see `release_requested`."""
        return len(self._leaving)

    def leave_all(self) -> None:
        """Detaches all probes; returns before they are detached, as `release_requested` does."""
        for attachment in list(self._by_number.values()):
            self.leave(attachment)

    def close(self) -> None:
        """Detaches all probes, and returns when they are."""
        self.leave_all()
        while self._leaving:
            self.release_requested()
            time.sleep(CLOSING_SECONDS)

    def leave(self, attachment: Attachment) -> None:
        """Detaches the probes from a file; returns before they are detached, as `release_requested` does."""
        del self._by_file[attachment.binary.identity, attachment.pid]
        self._leave(attachment)

    def _leave(self, attachment: Attachment) -> None:
        self._source.end_parks(attachment.number)
        self._source.set_probes(attachment.number, ())
        self._used_at.pop(attachment.number, None)
        del self._by_number[attachment.number]
        self._leaving.append(attachment)

    def _release(self, attachment: Attachment) -> None:
        """No process can hit the probes any more: nothing of the file is held from now on."""
        self._source.detach(attachment.number)
        if attachment.leased:
            lease.release(attachment.fd)
        if self.is_of_host(attachment.binary.identity):
            os.close(attachment.fd)
        else:  # some file systems hear of it, and one that does not answer holds up who closes
            threading.Thread(target=os.close, args=(attachment.fd,), daemon=True).start()


def _device(folder: str) -> int | None:
    return Path(folder).stat().st_dev if Path(folder).is_dir() else None


def _inode(attachment: Attachment) -> tuple[int, int]:
    return attachment.binary.identity.device, attachment.binary.identity.inode
