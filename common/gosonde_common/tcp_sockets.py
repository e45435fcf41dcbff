"""This process's TCP connections that gRPC has made: who is at the other end, and how much came from there."""

import ipaddress
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final
from urllib.parse import unquote

#: Where struct tcp_info has tcpi_bytes_received (since Linux 4.1).
BYTES_RECEIVED: Final = struct.Struct("128xQ")
#: An address and a port.
Peer = tuple[str, int]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def parse_peer(peer: str) -> Peer | None:
    """The peer that gRPC names as `ipv4:1.2.3.4:5` or `ipv6:%5B::1%5D:5`; None for a unix socket."""
    kind, _, place = unquote(peer).partition(":")
    address, _, port = place.rpartition(":")
    if not kind.startswith("ipv") or not port.isdigit():
        return None
    return _spelled(address.strip("[]")), int(port)


def sockets_of(ports: set[int]) -> Iterator[tuple[Peer, tuple[int, int]]]:
    """The connections to ports of this process: each peer with the descriptor and the bytes received."""
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - a path object each is not needed
        with suppress(OSError), _borrowed(int(name)) as connection:
            is_tcp = connection.type == socket.SOCK_STREAM and connection.family in (socket.AF_INET, socket.AF_INET6)
            if is_tcp and connection.getsockname()[1] in ports:
                yield _peer_of(connection), (int(name), _bytes_of(connection))


def received_over(fd: int, who: Peer) -> int:
    """Bytes that came in over a descriptor; 0 when it is not the peer's any more."""
    with suppress(OSError), _borrowed(fd) as connection:
        if _peer_of(connection) == who:
            return _bytes_of(connection)
    return 0


def shut_down(fd: int, who: Peer) -> None:
    """Ends a connection, if the descriptor is still the peer's: gRPC finds it closed by the other side."""
    with suppress(OSError), socket.socket(fileno=os.dup(fd)) as connection:
        if _peer_of(connection) == who:
            connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def _borrowed(fd: int) -> Iterator[socket.socket]:
    """A descriptor that is gRPC's, to be looked at. Raises OSError when it is no socket."""
    connection = socket.socket(fileno=fd)
    try:
        yield connection
    finally:
        connection.detach()


def _peer_of(connection: socket.socket) -> Peer:
    address, port = connection.getpeername()[:2]
    return _spelled(address), port


def _bytes_of(connection: socket.socket) -> int:
    (received,) = BYTES_RECEIVED.unpack(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, BYTES_RECEIVED.size))
    return int(received)


def _spelled(address: str) -> str:
    """One spelling for each address."""
    return str(plain(ipaddress.ip_address(address.partition("%")[0])))


def plain(address: Address) -> Address:
    """IPv4 addresses that are written as IPv6 as what they are."""
    return getattr(address, "ipv4_mapped", None) or address
