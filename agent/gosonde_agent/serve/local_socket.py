"""The agent's unix socket: the kernel says who connects, and only then do the bytes reach gRPC.

gRPC for Python shows a server nothing of a unix peer. So the agent accepts by itself and passes the bytes on to a
second socket, on which gRPC listens and to which only the agent's own user can connect. ADR 0054. Each connection
there has a name of its own, by which the service knows who asks: ADR 0165.
"""

import asyncio
import errno
import os
import secrets
import socket
import stat
import struct
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog
from gosonde_common.errors import UnavailableError, UnsupportedError, UsageError
from gosonde_common.ratelimit import MessageLimiter

log = structlog.get_logger(__name__)

#: The owner and the group of the socket may connect; to the inner one only the owner.
MODE, INNER_MODE = 0o660, 0o600
#: Open connections of one user, and of all together.
CONNECTIONS_PER_USER = 32
CONNECTIONS = 128
#: Bytes that are passed on at a time; a reader that is slow stops the writer.
PIECE = 1 << 16

#: Before the name of a connection that has one, where gRPC says who has connected.
ABSTRACT = "unix-abstract:"

#: struct ucred.
_CREDENTIALS = struct.Struct("iII")
SO_PEERGROUPS = 59
#: Most bytes that getsockopt gives: 256 groups.
_MOST_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Peer:
    """Who connected, as the kernel noted it at that moment."""

    pid: int
    uid: int
    groups: frozenset[int]

    @classmethod
    def of(cls, connection: socket.socket) -> "Peer":
        """Of a connected unix socket. Raises OSError for more than 256 groups."""
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        pid, uid, gid = _CREDENTIALS.unpack(credentials)
        others = connection.getsockopt(socket.SOL_SOCKET, SO_PEERGROUPS, _MOST_BYTES)
        return cls(pid, uid, frozenset((gid, *(number for (number,) in struct.iter_unpack("I", others)))))


class LocalSocket:
    """Listens on `path` and passes what is allowed on to `inner`. `refused` hears why a connection was not taken."""

    def __init__(self, path: Path, refused: Callable[[str], None]) -> None:
        self.inner = inner_path(path)
        self._path = path
        self._refused = refused
        self._open: Counter[int] = Counter()
        self._peers: dict[str, Peer] = {}
        self._message_limiter = MessageLimiter()
        self._group = os.getegid()

    async def start(self) -> None:
        """Takes connections from now on. Raises UsageError when the socket cannot be made."""
        listener = _listener(self._path)
        self._group = self._path.stat().st_gid
        self._server = await asyncio.start_unix_server(self._serve, sock=listener, limit=PIECE)

    def close(self) -> None:
        """Takes no more connections, and removes the socket."""
        self._server.close()
        self._path.unlink(missing_ok=True)

    def peer(self, name: str) -> Peer | None:
        """Who is at the other end of an open connection, by what gRPC calls it; None when there is no such."""
        return self._peers.get(name)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer: Peer | None = None
        try:
            peer = Peer.of(writer.get_extra_info("socket"))
            if reason := self._reason_against(peer):
                self._refuse(reason, peer)
                return
            self._open[peer.uid] += 1
            try:
                await self._pass_on(peer, reader, writer)
            finally:
                self._open[peer.uid] -= 1
        except OSError as error:
            log.debug("a local connection ended", peer=peer, reason=str(error))
        finally:
            writer.close()

    def _reason_against(self, peer: Peer) -> str:
        if not (peer.uid in (0, os.geteuid()) or self._group in peer.groups):
            return "credentials"
        if self._open[peer.uid] >= CONNECTIONS_PER_USER or self._open.total() >= CONNECTIONS:
            return "connections"
        return ""

    def _refuse(self, reason: str, peer: Peer) -> None:
        self._refused(reason)
        if self._message_limiter.allows(f"{reason} {peer.uid}"):
            log.warning("a local connection was refused", reason=reason, uid=peer.uid, pid=peer.pid)

    async def _pass_on(self, peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        name = f"gosonde-{secrets.token_hex(16)}"
        self._peers[f"{ABSTRACT}{name}"] = peer
        try:
            await self._copy_both(*await _connected(name, self.inner), reader, writer)
        finally:
            del self._peers[f"{ABSTRACT}{name}"]

    @staticmethod
    async def _copy_both(
        inner_reader: asyncio.StreamReader,
        inner_writer: asyncio.StreamWriter,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        ways = [asyncio.ensure_future(way) for way in (_copy(reader, inner_writer), _copy(inner_reader, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            inner_writer.close()
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)


async def _connected(name: str, path: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection whose own end has a name in the kernel, which gRPC says at the other."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        connection.bind(f"\0{name}")
        await asyncio.get_running_loop().sock_connect(connection, str(path))
        return await asyncio.open_unix_connection(sock=connection, limit=PIECE)
    except BaseException:
        connection.close()
        raise


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(PIECE):
            writer.write(data)
            await writer.drain()


def inner_path(path: Path) -> Path:
    """Where gRPC listens."""
    return path.with_name(f".{path.name}")


def clear(path: Path) -> None:
    """Makes sure that a socket can be made at `path`; removes one that nobody listens on any more.

    Raises:
        UnavailableError: Another agent listens there.
        UsageError: The path is taken by something else, or its folder cannot be made.
        UnsupportedError: This user may not make the socket.
    """
    _make(path.parent)
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise UnsupportedError(f"listen: may not write to {path.parent}; run as root or give --listen unix:PATH")
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise UsageError(f"listen: {path} exists and is not a socket; remove it or give another path with --listen")
    if _answers(path):
        raise UnavailableError(f"listen: another agent runs and listens on {path}; stop it or give another --listen")
    path.unlink(missing_ok=True)


def _make(folder: Path) -> None:
    """Makes the folder where it is missing: its owner and its group may look into it, as the socket's may connect."""
    try:
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    except PermissionError as error:
        raise UnsupportedError(f"listen: may not make {folder}; run as root or give --listen unix:PATH") from error
    except OSError as error:
        raise UsageError(f"listen: cannot make {folder}: {error.strerror}; give another path with --listen") from error


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        # A listener whose queue is full answers EAGAIN: it is there.
        return probe.connect_ex(str(path)) not in (errno.ECONNREFUSED, errno.ENOENT)


def _listener(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with_mode(MODE, lambda: listener.bind(str(path)))
        listener.listen(CONNECTIONS)
    except OSError as error:
        listener.close()
        raise UsageError(f"listen: cannot make the socket {path}: {error}") from error
    return listener


def with_mode(mode: int, make: Callable[[], object]) -> None:
    """Makes a socket whose mode is right from its first moment."""
    previous = os.umask(0o777 & ~mode)
    try:
        make()
    finally:
        os.umask(previous)
