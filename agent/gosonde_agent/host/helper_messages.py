"""What goes between the agent and its helper: requests of one size, each with the descriptors that its kind has.

The socket is of the kind SOCK_SEQPACKET, so a message is whole or not there. A request that does not have the form is
refused before anything of it is looked at.
"""

import enum
import os
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from gosonde_common.errors import GosondeError

from gosonde_agent.model.errors import (
    NoSuchProcessError,
    NotGoError,
    NotPermittedError,
    ProbeError,
    RefusedError,
    UnguardedFileError,
    UnreadableFileError,
    UnsupportedBinaryError,
)

#: Kind, pid, and the numbers that some kinds have.
REQUEST = struct.Struct("<B3xiQQI4x")
#: Bytes of an answer's text, and of the whole message.
MOST_TEXT = 1 << 15
MOST_BYTES = MOST_TEXT + 1
#: No request and no answer has more.
MOST_DESCRIPTORS = 1
#: Of `Request.pid`: every process.
ALL = 0
MAX_PID = 1 << 22
#: Errors that go over the socket as what they are, by their number less 1.
ERRORS: tuple[type[GosondeError], ...] = (
    GosondeError,
    NoSuchProcessError,
    NotPermittedError,
    ProbeError,
    RefusedError,
    UnguardedFileError,
    UnreadableFileError,
    UnsupportedBinaryError,
    NotGoError,
)


class Kind(enum.IntEnum):
    """Everything that the helper does."""

    EXECUTABLE = 1
    MEMORY = 2
    MAPPINGS = 3
    LABELS = 4
    HAS_SOCKET = 5
    LEASED = 6
    UPROBE = 7
    LINK = 8
    RAW_TRACEPOINT = 9
    PROGRAM = 10
    LINK_UPROBE = 11
    LIBRARY = 12
    THREAD_EVENT = 13
    HOLD = 14


#: Kinds that come with a descriptor, and kinds that name one process; the two for uprobes may also mean ALL.
WITH_DESCRIPTOR = frozenset({Kind.LEASED, Kind.UPROBE, Kind.LINK, Kind.LINK_UPROBE, Kind.HOLD})
WITH_PID = frozenset(
    {
        Kind.EXECUTABLE,
        Kind.PROGRAM,
        Kind.LIBRARY,
        Kind.MEMORY,
        Kind.MAPPINGS,
        Kind.LABELS,
        Kind.HAS_SOCKET,
        Kind.THREAD_EVENT,
        Kind.HOLD,
    }
)


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of the helper.

    Attributes:
        number: HAS_SOCKET: the inode; THREAD_EVENT: the thread; UPROBE and LINK_UPROBE: the offset in the file.
        cookie: Of LINK and LINK_UPROBE.
        program: Of these and of RAW_TRACEPOINT: its place in the list that the helper has.
            Of THREAD_EVENT: 1 for one at switches.
    """

    kind: Kind
    pid: int = ALL
    number: int = 0
    cookie: int = 0
    program: int = 0

    def encoded(self) -> bytes:
        """The message."""
        return REQUEST.pack(self.kind, self.pid, self.number, self.cookie, self.program)

    @classmethod
    def decoded(cls, message: bytes, descriptors: int) -> "Request":
        """The request of a message that came with so many descriptors.

        Raises:
            RefusedError: It does not have the form.
        """
        if len(message) != REQUEST.size:
            raise RefusedError(f"a request of {len(message)} bytes, not of {REQUEST.size}")
        kind, pid, number, cookie, program = REQUEST.unpack(message)
        if kind not in Kind.__members__.values():
            raise RefusedError(f"a request of unknown kind {kind}")
        if descriptors != (kind in WITH_DESCRIPTOR):
            raise RefusedError(f"a request of kind {kind} with {descriptors} descriptors")
        if not ((kind not in WITH_PID and pid == ALL) or 0 < pid <= MAX_PID):
            raise RefusedError(f"a request of kind {kind} for process {pid}")
        return cls(Kind(kind), pid, number, cookie, program)


def received(channel: socket.socket, most_bytes: int) -> tuple[bytes, list[int]]:
    """(message, descriptors) of what comes next; an empty message at the end. Too long a message comes cut off.

    Descriptors beyond MOST_DESCRIPTORS are closed by the kernel.
    """
    message, descriptors, _, _ = socket.recv_fds(channel, most_bytes + 1, MOST_DESCRIPTORS)
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    return message, descriptors


def success(text: bytes = b"") -> bytes:
    """The answer to a request that was done."""
    return b"\0" + text[:MOST_TEXT]


def failure(error: GosondeError) -> bytes:
    """The answer to a request that was not done."""
    number = next((i for i, kind in enumerate(ERRORS) if type(error) is kind), 0)
    return bytes([number + 1]) + str(error).encode(errors="backslashreplace")[:MOST_TEXT]


def text_of(answer: bytes, descriptors: Sequence[int]) -> bytes:
    """What was answered to a request that was done; closes the descriptors of a failure.

    Raises:
        GosondeError: The error that the helper had.
    """
    if answer[0] == 0:
        return answer[1:]
    for descriptor in descriptors:
        os.close(descriptor)
    raise ERRORS[min(answer[0], len(ERRORS)) - 1](answer[1:].decode(errors="replace"))
