"""Fetches profiles from a process's own pprof handlers, and only those that the process itself has answered with."""

import contextlib
import http.client
import ipaddress
import socket
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Final

from gosonde_common.errors import OverloadedError, UnavailableError, UnsupportedError
from gosonde_common.tcp_sockets import plain

from gosonde_agent.host import access, procfs
from gosonde_agent.host.tcp_sockets import tcp_sockets
from gosonde_agent.snapshots.pprof_allowed import PprofPlace, place_of

#: The most bytes of a profile, as sent.
MAX_BYTES: Final = 32 << 20
READ_BYTES: Final = 64 << 10
#: Seconds that an answer may take in all, and until its next byte.
ANSWER_SECONDS: Final = 20.0
SILENCE_SECONDS: Final = 10.0
#: Seconds in which the process must take a connection, and how often that is checked.
ACCEPT_SECONDS, ACCEPT_ATTEMPTS = 2.0, 50
GZIP: Final = b"\x1f\x8b"

Address = tuple[str, int]


class PprofPuller:
    """Asks the processes that `places` allow; may be used from any thread."""

    def __init__(self, places: Sequence[PprofPlace]) -> None:
        self._places = places

    def take(self, pid: int, profile: str) -> bytes:
        """A gzipped profile.proto.

        Args:
            pid: Of the process.
            profile: The name of a profile of runtime/pprof.

        Raises:
            NoSuchProcessError: There is no such process.
            UnsupportedError: The process may not be asked, another one answers there, or it has no such profile.
            UnavailableError: It does not answer, or not in time.
            OverloadedError: The answer is too large.
        """
        with procfs.executable(pid) as (_, path):
            place = place_of(self._places, path)
        if place is None:
            raise UnsupportedError(f"the agent's configuration does not allow pprof of {path}: see its key pprof")
        try:
            return _fetched(place, pid, profile)
        except (OSError, http.client.HTTPException) as error:
            raise UnavailableError(f"{place} does not answer as HTTP: {type(error).__name__}: {error}") from error


def _fetched(place: PprofPlace, pid: int, profile: str) -> bytes:
    with _connected(place, pid) as connection:
        connection.request("GET", f"{place.path}/{profile}", headers={"User-Agent": "gosonde"})
        response = connection.getresponse()
        if response.status != http.client.OK:
            more = "; redirects are not followed" if 300 <= response.status < 400 else ""
            raise UnsupportedError(f"{place}/{profile} answers {response.status} {response.reason[:80]}{more}")
        data = b"".join(_pieces(response, place))
    if not data.startswith(GZIP):
        raise UnsupportedError(f"{place}/{profile} does not answer with a gzipped profile")
    return data


@contextlib.contextmanager
def _connected(place: PprofPlace, pid: int) -> Iterator[http.client.HTTPConnection]:
    """A connection that the process holds the other end of; it is cut off when ANSWER_SECONDS are over."""
    connection = http.client.HTTPConnection(place.host or "localhost", place.port or None, timeout=SILENCE_SECONDS)
    if place.socket:
        connection.sock = _unix(place, pid)
    elif not _listens(pid, place):
        raise UnsupportedError(f"process {pid} does not listen at {place}, as far as the agent can see")
    else:
        connection.connect()
    timer = threading.Timer(ANSWER_SECONDS, _cut, (connection.sock,))
    timer.start()
    try:
        if not place.socket:
            _await_accepted(pid, place, connection.sock.getsockname()[:2])
        yield connection
    finally:
        timer.cancel()
        connection.close()


def _await_accepted(pid: int, place: PprofPlace, own: Address) -> None:
    for _ in range(ACCEPT_ATTEMPTS):
        if _accepted(pid, place, own):
            return
        time.sleep(ACCEPT_SECONDS / ACCEPT_ATTEMPTS)
    raise UnsupportedError(f"process {pid} did not accept the agent's connection to {place} in {ACCEPT_SECONDS:g} s")


def _cut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def _unix(place: PprofPlace, pid: int) -> socket.socket:
    with contextlib.ExitStack() as stack:
        sock = stack.enter_context(socket.socket(socket.AF_UNIX))
        sock.settimeout(SILENCE_SECONDS)
        sock.connect(place.socket)
        listener, _, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        if listener != pid:
            raise UnsupportedError(f"process {listener} listens at {place}, not {pid}")
        stack.pop_all()
    return sock


def _pieces(response: http.client.HTTPResponse, place: PprofPlace) -> Iterator[bytes]:
    size = 0
    while piece := response.read(READ_BYTES):
        size += len(piece)
        if size > MAX_BYTES:
            raise OverloadedError(f"{place} answers with more than {MAX_BYTES} bytes")
        yield piece
    if response.length:
        raise UnavailableError(f"{place} did not complete its answer in {ANSWER_SECONDS:g} s, or broke it off")


def _listens(pid: int, place: PprofPlace) -> bool:
    """Whether the process has the listening socket of the address open (by inode, in this network namespace)."""
    wanted = ipaddress.ip_address(place.host)
    return any(
        end.is_listening
        and end.port == place.port
        and (end.address == wanted or end.address.is_unspecified)
        and access.current().has_socket(pid, end.inode)
        for end in tcp_sockets()
    )


def _accepted(pid: int, place: PprofPlace, own: Address) -> bool:
    """Whether the process has the other end of our connection open."""
    address = plain(ipaddress.ip_address(own[0]))
    return any(
        (end.port, end.peer, end.peer_port) == (place.port, address, own[1])
        and end.inode != 0
        and access.current().has_socket(pid, end.inode)
        for end in tcp_sockets()
    )
