"""The agent's side of its helper: an Access that asks, and what attaches probes."""

import os
import socket
from collections.abc import Sequence
from queue import Empty, LifoQueue

from gosonde_common.errors import UnavailableError

from gosonde_agent.host.helper_messages import ALL, MOST_BYTES, Kind, Request, received, text_of
from gosonde_agent.model.errors import UnreadableFileError

#: An answer that takes longer is not waited for any more: a dead file system holds up who opens a file of it.
ANSWER_SECONDS = 20.0


class HelperClient:
    """Asks the helper, one request at a time on each of `channels`; may be used from any thread.

    Every method raises UnavailableError when the helper has ended, or does not answer in ANSWER_SECONDS. What it still
    hangs on then costs one channel; when the last is gone, `main` is closed, and the helper ends.
    """

    def __init__(self, main: socket.socket, channels: Sequence[socket.socket]) -> None:
        self._main = main
        self._left = len(channels)
        self._free: LifoQueue[socket.socket] = LifoQueue()
        for channel in channels:
            channel.settimeout(ANSWER_SECONDS)
            self._free.put(channel)

    def executable(self, pid: int) -> tuple[int, str]:
        """See Access."""
        text, fd = self._opened(Request(Kind.EXECUTABLE, pid))
        return fd, os.fsdecode(text)

    def program(self, pid: int) -> tuple[int, str]:
        """See Access."""
        text, fd = self._opened(Request(Kind.PROGRAM, pid))
        return fd, os.fsdecode(text)

    def memory(self, pid: int) -> int:
        """See Access."""
        return self._opened(Request(Kind.MEMORY, pid))[1]

    def mappings(self, pid: int) -> int:
        """See Access."""
        return self._opened(Request(Kind.MAPPINGS, pid))[1]

    def library(self, pid: int) -> tuple[int, str]:
        """See Access."""
        text, fd = self._opened(Request(Kind.LIBRARY, pid))
        return fd, os.fsdecode(text)

    def labels(self, pid: int) -> bytes:
        """See Access."""
        return self._ask(Request(Kind.LABELS, pid))[0]

    def has_socket(self, pid: int, inode: int) -> bool:
        """See Access."""
        return self._ask(Request(Kind.HAS_SOCKET, pid, inode))[0] == b"\1"

    def thread_event(self, pid: int, thread: int, *, at_switches: bool) -> int:
        """See Access."""
        return self._opened(Request(Kind.THREAD_EVENT, pid, thread, program=int(at_switches)))[1]

    def hold(self, pid: int, fd: int) -> None:
        """Has a process stand while its registers come over the socket `fd`: see sources.ptrace.held.

        Raises:
            GosondeError: Why it did not stand, or not for long enough.
        """
        self._ask(Request(Kind.HOLD, pid), fd)

    def leased(self, fd: int) -> int:
        """See Access."""
        return self._opened(Request(Kind.LEASED), fd)[1]

    def open_uprobe(self, fd: int, file_offset: int, pid: int | None) -> int:
        """See attaching.open_uprobe; the file must be one that the helper has opened as an executable.

        Raises:
            RefusedError: The helper does not allow it.
            GosondeError: As attaching.open_uprobe.
        """
        return self._opened(Request(Kind.UPROBE, pid or ALL, file_offset), fd)[1]

    def link(self, program: int, event_fd: int, cookie: int) -> int:
        """See attaching.link; `program` is the place of one in the list that the helper has."""
        return self._opened(Request(Kind.LINK, cookie=cookie, program=program), event_fd)[1]

    def link_uprobe(self, program: int, fd: int, file_offset: int, pid: int | None, cookie: int) -> int:
        """See attaching.link_uprobe; `program` as for `link`, the file and what is raised as for `open_uprobe`."""
        return self._opened(Request(Kind.LINK_UPROBE, pid or ALL, file_offset, cookie, program), fd)[1]

    def raw_tracepoint(self, program: int) -> int:
        """See attaching.raw_tracepoint; `program` as for `link`."""
        return self._opened(Request(Kind.RAW_TRACEPOINT, program=program))[1]

    def close(self) -> None:
        """Lets the helper end."""
        self._main.close()
        while not self._free.empty():
            self._free.get_nowait().close()

    def _opened(self, request: Request, *descriptors: int) -> tuple[bytes, int]:
        text, fds = self._ask(request, *descriptors)
        if len(fds) != 1:
            raise UnreadableFileError(
                "the helper's answer came without a descriptor: the agent may have too many open files"
            )
        return text, fds[0]

    def _ask(self, request: Request, *descriptors: int) -> tuple[bytes, list[int]]:
        try:
            channel = self._free.get(timeout=ANSWER_SECONDS)
        except Empty:
            raise UnavailableError("the agent's helper is held up by other requests") from None
        try:
            socket.send_fds(channel, [request.encoded()], descriptors)
            answer, fds = received(channel, MOST_BYTES)
        except OSError as error:
            self._lose(channel)
            raise UnavailableError(f"the agent's helper does not answer: {error}") from error
        if not answer:
            self._lose(channel)
            raise UnavailableError("the agent's helper has ended")
        self._free.put(channel)
        return text_of(answer, fds), fds

    def _lose(self, channel: socket.socket) -> None:
        """An answer that came later would be taken for that of the next request."""
        channel.close()
        self._left -= 1
        if not self._left:
            self._main.shutdown(socket.SHUT_RDWR)
