"""Why no agent answers on a unix socket, as the kernel says it: gRPC has one "unavailable" for all of it."""

import errno
import grp
import socket
from pathlib import Path

from gosonde_common.errors import GosondeError, UnavailableError, UnsupportedError

SECONDS = 1.0


def why_unavailable(address: str) -> GosondeError | None:
    """What keeps this user from the agent on "unix:PATH"; None where a connection can be made, or it is no such place.

    Returns:
        An UnsupportedError where this user may not connect, an UnavailableError where nobody listens.
    """
    path = Path(address.removeprefix("unix:"))
    number = _connected(path) if address.startswith("unix:") else 0
    if number in (errno.EACCES, errno.EPERM):
        return UnsupportedError(f"this user may not connect to the agent on {address}: {_who_may(path)}")
    if number == errno.ENOENT:
        return UnavailableError(
            f"no agent listens on {address}: there is no such socket; start `gosonde agent`, or name its socket with "
            f"--agent unix:PATH"
        )
    if number == errno.ECONNREFUSED:
        return UnavailableError(f"the agent that listened on {address} has ended: start `gosonde agent` again")
    return None


def _connected(path: Path) -> int:
    """The number of the error, 0 for none."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(SECONDS)
        try:
            return probe.connect_ex(str(path))
        except OSError:  # a path that is too long for a socket
            return 0


def _who_may(path: Path) -> str:
    name = _group(path)
    if name in ("", "root"):
        return "run as root"
    return f"run as root, or as a member of the group {name} (usermod -aG {name} USER, and log in again)"


def _group(path: Path) -> str:
    """The group that may connect, by the socket or, where that cannot be seen, its folder; empty where neither can."""
    for place in (path, path.parent):
        try:
            number = place.stat().st_gid
        except OSError:
            continue
        try:
            return grp.getgrgid(number).gr_name
        except KeyError:
            return str(number)
    return ""
