"""Whether an address can be listened on. gRPC writes a line of its own about a failure, and gives no reason."""

import errno
import socket
from contextlib import ExitStack

from gosonde_common.addresses import HOST_PORT
from gosonde_common.errors import UnavailableError, UnsupportedError

REASONS = {
    errno.EADDRINUSE: "another program listens there; stop it (ss -ltnp names it) or choose another address",
    errno.EADDRNOTAVAIL: "this host has no such address; choose one that `ip address` shows",
}


def check_free(address: str, key: str) -> None:
    """Tries to listen on "HOST:PORT" for a moment; of "unix:PATH" nothing is tried.

    Args:
        key: Of the configuration that the address is the value of.

    Raises:
        UnavailableError: It cannot be listened on; the message says why.
        UnsupportedError: This user may not listen on such a port.
    """
    match = HOST_PORT.fullmatch(address)
    if address.startswith("unix:") or not match:
        return
    try:
        _listen(match["six"] or match["name"], int(match["port"]))
    except PermissionError as error:
        raise UnsupportedError(f"{key}: cannot listen on {address}: only root may use a port this low") from error
    except (OSError, OverflowError) as error:
        number = error.errno if isinstance(error, OSError) else 0
        raise UnavailableError(f"{key}: cannot listen on {address}: {REASONS.get(number or 0, str(error))}") from error


def _listen(host: str, port: int) -> None:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    with ExitStack() as stack:
        for family, kind, protocol, _, place in dict.fromkeys(found):
            one = stack.enter_context(socket.socket(family, kind, protocol))
            # As gRPC does: what a former run left in TIME_WAIT is no obstacle.
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            one.bind(place)
            one.listen()
