"""Which files have probes: each Go binary is read and probed once, whatever the number of its processes."""

import os
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from gosonde_common.errors import GosondeError

from gosonde_agent.discovery import lease
from gosonde_agent.golang.binary import FileIdentity, GoBinary
from gosonde_agent.host import procfs
from gosonde_agent.sources.protocol import Source

MAX_REFUSALS = 4_096
#: File systems that stay mounted as long as the host runs: files there keep their probes while no process runs them.
HOST_FOLDERS = ("/", "/usr", "/usr/local", "/opt", "/home", "/root", "/srv", "/var")
IDLE_SECONDS = 10.0
#: Whether every process of a file with this path is selected.
IsSelected = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Attachment:
    """Probes in one file.

    Attributes:
        number: What Image.binary is for hits of these probes.
        pid: The only process that they are for; None for every process of the file.
        attached_ns: CLOCK_MONOTONIC when the last of them was in place.
        fd: Keeps the file's inode from being reused while the probes are there; holds a lease where `pid` is None.
    """

    number: int
    binary: GoBinary
    pid: int | None
    attached_ns: int
    fd: int


class Attachments:
    """The probes of all files, and why other files have none."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._by_number: dict[int, Attachment] = {}
        self._by_file: dict[tuple[FileIdentity, int | None], Attachment] = {}
        self._leaving: list[Attachment] = []
        self._refusals: OrderedDict[FileIdentity, GosondeError] = OrderedDict()
        self._last_number = 0
        self._used_at: dict[int, float] = {}
        self._host_devices = {Path(folder).stat().st_dev for folder in HOST_FOLDERS if Path(folder).is_dir()}

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

    @property
    def is_leaving(self) -> bool:
        """Whether a file is still held whose probes were detached: see `release_requested`."""
        return bool(self._leaving)

    def refuse(self, identity: FileIdentity, error: GosondeError) -> None:
        """Remembers why a file has no probes; the oldest refusal goes when there are too many."""
        self._refusals[identity] = error
        if len(self._refusals) > MAX_REFUSALS:
            self._refusals.popitem(last=False)

    def attach(self, fd: int, load: Callable[[], GoBinary], pid: int | None) -> Attachment:
        """Reads an open file with `load` and puts probes into it.

        Raises:
            UnguardedFileError: It may change while no process runs it: only a process of it can be watched.
            GosondeError: Whatever `load` and the source raise.
        """
        own = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            if pid is None:
                lease.take(own)
            binary = load()
            self._source.attach(self._last_number + 1, binary, own, pid)
        except BaseException:
            os.close(own)
            raise
        self._last_number += 1
        attachment = Attachment(self._last_number, binary, pid, time.monotonic_ns(), own)
        self._by_number[attachment.number] = attachment
        self._by_file[binary.identity, pid] = attachment
        return attachment

    def release_requested(self) -> None:
        """Detaches the probes from every file that somebody waits to write to."""
        self.keep(lambda attachment: not _is_break_requested(attachment))
        leaving, self._leaving = self._leaving, []
        for attachment in leaving:
            if self._source.is_closing(attachment.number) and not _is_break_requested(attachment):
                self._leaving.append(attachment)
            else:
                self._release(attachment)

    def detach_deselected(self, live: Collection[int], is_selected: IsSelected) -> None:
        """Detaches the probes from files that are not selected, unless they are `live`: see `keep_used`.

        Returns before they are detached (see `is_closing`), because the kernel is slow with each; what the files hold
        is released by a later call of `release_requested`.
        """
        for attachment in [a for a in self._by_number.values() if a.number not in live]:
            if attachment.pid is not None or not is_selected(attachment.binary.path):
                self._leave(attachment)

    def keep_used(self, live: Collection[int], is_selected: IsSelected) -> None:
        """Keeps the probes of files that a process runs (`live` has their numbers) or that may be started again soon.

        Probes hold a file's mount, so on a file system that may be unmounted (not one of HOST_FOLDERS) they are
        detached IDLE_SECONDS after the file's last process was seen. Those of a file that is not selected go at once.
        Returns before they are detached, as `detach_deselected` does.
        """
        now = time.monotonic()
        for number in live:
            self._used_at[number] = now
        # A file whose mode changes or that is linked looks new, and then has probes twice: the newer ones stay.
        newest = {_inode(a): a.number for a in self._by_number.values() if a.pid is None}  # in order of their numbers
        for attachment in [a for a in self._by_number.values() if a.number not in live]:
            is_newest = newest.get(_inode(attachment)) == attachment.number
            if not (is_newest and is_selected(attachment.binary.path) and self._may_start_again(attachment, now)):
                self._leave(attachment)

    def _may_start_again(self, attachment: Attachment, now: float) -> bool:
        if attachment.pid is not None or procfs.links(attachment.fd) == 0:
            return False
        idle = now - self._used_at.setdefault(attachment.number, now)
        return idle < IDLE_SECONDS or attachment.binary.identity.device in self._host_devices

    def keep(self, is_needed: Callable[[Attachment], bool]) -> None:
        """Detaches the probes from every file that is not needed."""
        for attachment in [a for a in self._by_number.values() if not is_needed(a)]:
            self._release(attachment)
            self._remove(attachment)

    def close(self) -> None:
        """Detaches all probes."""
        self.keep(lambda _attachment: False)
        while self._leaving:
            self._release(self._leaving.pop())

    def _leave(self, attachment: Attachment) -> None:
        self._source.set_probes(attachment.number, ())
        self._remove(attachment)
        self._leaving.append(attachment)

    def _remove(self, attachment: Attachment) -> None:
        self._used_at.pop(attachment.number, None)
        del self._by_number[attachment.number]
        del self._by_file[attachment.binary.identity, attachment.pid]

    def _release(self, attachment: Attachment) -> None:
        """Returns when no process can hit the probes, and nothing of the file is held any more."""
        self._source.detach(attachment.number)
        if attachment.pid is None:
            lease.release(attachment.fd)
        os.close(attachment.fd)


def _is_break_requested(attachment: Attachment) -> bool:
    return attachment.pid is None and lease.is_break_requested(attachment.fd)


def _inode(attachment: Attachment) -> tuple[int, int]:
    return attachment.binary.identity.device, attachment.binary.identity.inode
