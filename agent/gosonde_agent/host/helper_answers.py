"""The helper's side: answers requests, one after the other on each channel, and refuses what is not in the fixed set.

Nothing here takes apart what other programs have written. Of an executable it is asked whether Go's mark is in it,
by a search for these bytes; of an environment one variable is cut out.
"""

import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import Protocol

from gosonde_common.errors import GosondeError

from gosonde_agent.host import files
from gosonde_agent.host.access import Access
from gosonde_agent.host.go_files import NOT_GO, GoFiles
from gosonde_agent.host.helper_log import Refusals
from gosonde_agent.host.helper_messages import (
    ALL,
    MAX_PID,
    REQUEST,
    Kind,
    Request,
    failure,
    received,
    success,
)
from gosonde_agent.model.errors import NotGoError, RefusedError, UnreadableFileError

#: Requests a second in the long run, and at once; more wait.
MOST_A_SECOND, MOST_AT_ONCE = 2_000, 4_000

#: (text, descriptors): the helper closes the latter when they are sent.
Answer = tuple[bytes, list[int]]


class Programs(Protocol):
    """The loaded programs: see Probes."""

    def open_uprobe(self, fd: int, file_offset: int, pid: int | None) -> int:
        """See attaching.open_uprobe."""
        ...

    def link(self, program: str, event_fd: int, cookie: int) -> int:
        """See attaching.link."""
        ...

    def link_uprobe(self, program: str, fd: int, file_offset: int, pid: int | None, cookie: int) -> int:
        """See attaching.link_uprobe."""
        ...

    def raw_tracepoint(self, program: str) -> int:
        """See attaching.raw_tracepoint."""
        ...


class Answers:
    """Does what a request asks, or raises a GosondeError.

    Args:
        access: Opens files.
        programs: Attaches; `at_uprobes` and `at_tracepoints` name them, in the order of their numbers.
        asker: The process that asks. It may have probes in itself, in whatever file.
        hold: Has a process stand, rarely, while its registers go over a socket.
    """

    def __init__(
        self,
        access: Access,
        programs: Programs,
        at_uprobes: Sequence[str],
        at_tracepoints: Sequence[str],
        asker: int,
        *,
        hold: Callable[[int, int], None],
    ) -> None:
        self._hold_for = hold
        self._access = access
        self._programs = programs
        self._at_uprobes = at_uprobes
        self._at_tracepoints = at_tracepoints
        self._asker = asker
        self._files = GoFiles()
        self._table: Mapping[Kind, Callable[[Request, list[int]], Answer]] = {
            Kind.EXECUTABLE: self._executable,
            Kind.PROGRAM: self._program,
            Kind.LIBRARY: self._library,
            Kind.MEMORY: lambda request, _: (b"", [self._of_go(self._access.memory, request.pid)]),
            Kind.MAPPINGS: lambda request, _: (b"", [self._of_go(self._access.mappings, request.pid)]),
            Kind.LABELS: lambda request, _: (self._access.labels(request.pid), []),
            Kind.HAS_SOCKET: lambda request, _: (bytes([self._access.has_socket(request.pid, request.number)]), []),
            Kind.THREAD_EVENT: self._thread_event,
            Kind.HOLD: self._hold,
            Kind.LEASED: self._leased,
            Kind.UPROBE: self._uprobe,
            Kind.LINK: self._link,
            Kind.LINK_UPROBE: self._link_uprobe,
            Kind.RAW_TRACEPOINT: self._raw_tracepoint,
        }

    def answer(self, request: Request, descriptors: list[int]) -> Answer:
        """Does it.

        Raises:
            RefusedError: It is not among what the helper does.
            GosondeError: The kernel refuses.
        """
        return self._table[request.kind](request, descriptors)

    def _executable(self, request: Request, _descriptors: list[int]) -> Answer:
        fd, path = self._access.executable(request.pid)
        self._files.note(fd)
        return os.fsencode(path), [fd]

    def _program(self, request: Request, _descriptors: list[int]) -> Answer:
        fd, path = self._access.program(request.pid)
        return os.fsencode(path), [fd]

    def _library(self, request: Request, _descriptors: list[int]) -> Answer:
        fd, path = self._access.library(request.pid)
        self._files.note(fd)
        return os.fsencode(path), [fd]

    def _of_go(self, open_file: Callable[[int], int], pid: int) -> int:
        """Opens a file of a process, and then looks whether it is a Go program's: an exec between leaves it empty."""
        opened = open_file(pid)
        try:
            self._check_is_go(pid)
        except BaseException:
            os.close(opened)
            raise
        return opened

    def _check_is_go(self, pid: int) -> None:
        """Raises RefusedError unless what a process runs is Go's, or a library that it has mapped."""
        fd, _ = self._access.executable(pid)
        try:
            if self._files.is_go(fd):
                return
        finally:
            os.close(fd)
        try:
            fd, _ = self._access.library(pid)
        except NotGoError as error:
            raise RefusedError(NOT_GO) from error
        os.close(fd)

    def _thread_event(self, request: Request, _descriptors: list[int]) -> Answer:
        self._check_is_go(request.pid)
        if not 0 < request.number <= MAX_PID:
            raise RefusedError(f"there is no thread {request.number}")
        event = self._access.thread_event(request.pid, request.number, at_switches=request.program == 1)
        return b"", [event]

    def _hold(self, request: Request, descriptors: list[int]) -> Answer:
        self._check_is_go(request.pid)
        self._hold_for(request.pid, descriptors[0])
        return b"", []

    def _leased(self, _request: Request, descriptors: list[int]) -> Answer:
        self._files.check(descriptors[0])
        return b"", [self._access.leased(descriptors[0])]

    def _uprobe(self, request: Request, descriptors: list[int]) -> Answer:
        pid = self._checked_place(request, descriptors[0])
        return b"", [self._programs.open_uprobe(descriptors[0], request.number, pid)]

    def _link_uprobe(self, request: Request, descriptors: list[int]) -> Answer:
        program, pid = _at(self._at_uprobes, request.program), self._checked_place(request, descriptors[0])
        return b"", [self._programs.link_uprobe(program, descriptors[0], request.number, pid, request.cookie)]

    def _checked_place(self, request: Request, fd: int) -> int | None:
        """The process, or None, for a probe that may be placed in a file."""
        if request.pid != self._asker:
            self._files.check(fd)
        if request.number >= files.status(fd).size:
            raise RefusedError(f"offset {request.number:#x} lies outside of the file")
        return None if request.pid == ALL else request.pid

    def _link(self, request: Request, descriptors: list[int]) -> Answer:
        program = _at(self._at_uprobes, request.program)
        return b"", [self._programs.link(program, descriptors[0], request.cookie)]

    def _raw_tracepoint(self, request: Request, _descriptors: list[int]) -> Answer:
        return b"", [self._programs.raw_tracepoint(_at(self._at_tracepoints, request.program))]


def _at(names: Sequence[str], number: int) -> str:
    if number >= len(names):
        raise RefusedError(f"there is no program {number}")
    return names[number]


def serve(channel: socket.socket, answers: Answers, pace: "Pace", refusals: Refusals) -> None:
    """Answers requests until the other end is closed; each channel in a thread of its own."""
    while True:
        message, descriptors = received(channel, REQUEST.size)
        if not message:
            return
        pace.wait()
        reply, opened = _answered(answers, message, descriptors, refusals)
        try:
            socket.send_fds(channel, [reply], opened)
        except OSError:  # the agent has ended
            return
        finally:
            for descriptor in (*descriptors, *opened):
                os.close(descriptor)


def _answered(answers: Answers, message: bytes, descriptors: list[int], refusals: Refusals) -> tuple[bytes, list[int]]:
    try:
        request = Request.decoded(message, len(descriptors))
        text, opened = answers.answer(request, descriptors)
    except RefusedError as error:
        if str(error) != NOT_GO:  # of each program that starts the agent asks whether it is Go's
            refusals.note(str(error))
        return failure(error), []
    except GosondeError as error:
        return failure(error), []
    except (OSError, OverflowError, ValueError) as error:
        refusals.note(str(error))
        return failure(UnreadableFileError(f"the helper failed: {error}")), []
    return success(text), opened


class Pace:
    """Has whoever asks too often wait: MOST_AT_ONCE at once, MOST_A_SECOND in the long run."""

    def __init__(self, now: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep) -> None:
        self._now = now
        self._sleep = sleep
        self._free_at = 0.0
        self._turn = Lock()

    def wait(self) -> None:
        """Returns when the next request may be answered."""
        with self._turn:
            now = self._now()
            self._free_at = max(self._free_at, now - MOST_AT_ONCE / MOST_A_SECOND) + 1 / MOST_A_SECOND
            seconds = self._free_at - now
        if seconds > 0:
            self._sleep(seconds)
