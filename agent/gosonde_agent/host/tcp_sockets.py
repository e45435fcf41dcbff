"""The TCP sockets of this network namespace, as the kernel lists them for everyone; whose they are, Access says."""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gosonde_common.tcp_sockets import Address, plain

#: The tables of IPv4 and of IPv6; a host may lack the latter.
TABLES = (Path("/proc/self/net/tcp"), Path("/proc/self/net/tcp6"))
LISTENING = "0A"
WORD_BYTES = 4


@dataclass(frozen=True, slots=True)
class TcpSocket:
    """One end of a connection, or a listening socket.

    Attributes:
        inode: 0 as long as no process has accepted the connection.
    """

    address: Address
    port: int
    peer: Address
    peer_port: int
    is_listening: bool
    inode: int


def tcp_sockets() -> Iterator[TcpSocket]:
    """Those that there are now."""
    for table in TABLES:
        try:
            with table.open() as lines:
                next(lines, None)
                for line in lines:
                    fields = line.split()
                    yield TcpSocket(*_place(fields[1]), *_place(fields[2]), fields[3] == LISTENING, int(fields[9]))
        except FileNotFoundError:
            continue


def _place(text: str) -> tuple[Address, int]:
    """What the kernel writes as 0100007F:1F90: an address in words of the host's byte order, and a port."""
    address, port = text.split(":")
    data = bytes.fromhex(address)
    words = (data[start : start + WORD_BYTES][::-1] for start in range(0, len(data), WORD_BYTES))
    return plain(ipaddress.ip_address(b"".join(words))), int(port, 16)
