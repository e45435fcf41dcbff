"""Which process of this network namespace listens where."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

from gosonde_common.errors import GosondeError, UnsupportedError

from gosonde_agent.host import access, procfs
from gosonde_agent.host.tcp_sockets import TcpSocket, tcp_sockets
from gosonde_agent.model.errors import NoSuchProcessError, NotPermittedError


def places_of(pid: int) -> Sequence[TcpSocket]:
    """The listening sockets that a process has open.

    Raises:
        NoSuchProcessError: It is not there.
        NotPermittedError: Privileges are missing.
        UnsupportedError: It is in another network namespace.
    """
    try:
        elsewhere = Path(f"/proc/{pid}/ns/net").readlink() != Path("/proc/self/ns/net").readlink()
    except FileNotFoundError:
        raise NoSuchProcessError(f"there is no process {pid}") from None
    except PermissionError:
        raise NotPermittedError(f"process {pid} is another user's: run this as root") from None
    if elsewhere:
        raise UnsupportedError(
            f"process {pid} is in another network namespace: run this there (nsenter --net -t {pid})"
        )
    return [end for end in tcp_sockets() if end.is_listening and access.current().has_socket(pid, end.inode)]


def listeners_at(port: int) -> Sequence[TcpSocket]:
    """The sockets that listen at a port."""
    return [end for end in tcp_sockets() if end.is_listening and end.port == port]


def owner_of(inode: int) -> int:
    """A process that has the socket open; 0 where none is found that may be looked at."""
    for pid in procfs.pids():
        with contextlib.suppress(GosondeError):
            if access.current().has_socket(pid, inode):
                return pid
    return 0
