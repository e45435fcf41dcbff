"""Which processes may be asked for their own profiles, and where: the configuration key `pprof`."""

import fnmatch
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from gosonde_common.errors import UsageError

DEFAULT_PATH = "/debug/pprof"


@dataclass(frozen=True, slots=True)
class PprofPlace:
    """Where the handlers of net/http/pprof answer.

    Attributes:
        glob: Of the executables that may be asked there.
        socket: Path of a unix socket; empty for TCP.
        host: A loopback address; empty for a unix socket.
        port: 0 for a unix socket.
        path: What stands before the name of a profile.
    """

    glob: str
    socket: str = ""
    host: str = ""
    port: int = 0
    path: str = DEFAULT_PATH

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"unix:{self.socket}" if self.socket else f"http://{host}:{self.port}{self.path}"


def place(text: str) -> PprofPlace:
    """From "GLOB=http://127.0.0.1:PORT/debug/pprof" or "GLOB=unix:PATH".

    Raises:
        UsageError: It is something else, or not on this host: nobody would know whose profile it is.
    """
    glob, _, url = text.partition("=")
    if not glob.startswith(("/", "*", "?", "[")) or not url:
        raise UsageError(f"pprof: {text!r} is not GLOB=URL, with a glob over absolute paths of executables")
    if url.startswith("unix:/"):
        return PprofPlace(glob, socket=url.removeprefix("unix:"))
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 0
    except ValueError as error:
        raise UsageError(f"pprof: {url!r} is not a URL: {error}") from error
    if parts.scheme != "http" or not port or parts.query or parts.fragment or parts.username is not None:
        raise UsageError(f"pprof: {url!r} is neither http://ADDRESS:PORT/PATH nor unix:PATH")
    host = "127.0.0.1" if host == "localhost" else host
    if not _is_loopback(host):
        raise UsageError(
            f"pprof: {url!r} is not on a loopback address: only there does the kernel show which process answers"
        )
    return PprofPlace(glob, host=host, port=port, path=parts.path.rstrip("/") or DEFAULT_PATH)


def place_of(places: Sequence[PprofPlace], path: str) -> PprofPlace | None:
    """Where a process of the executable may be asked: the first that matches."""
    return next((place for place in places if fnmatch.fnmatchcase(path, place.glob)), None)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
