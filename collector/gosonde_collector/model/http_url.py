"""Addresses of servers that the collector sends to, as the administrator's configuration has them."""

import re
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from gosonde_common import addresses
from gosonde_common.errors import UsageError

#: Characters that a URL may have; anything else could end a line of a request.
PLAIN: Final = re.compile(r"[!-~]{1,2048}")
PORTS: Final = {"http": 80, "https": 443}


class HttpUrl(NamedTuple):
    """Where a request goes.

    Attributes:
        is_encrypted: Whether it is https.
        host: A name or an address, that of IPv6 without brackets.
        target: Path and query.
    """

    is_encrypted: bool
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """As the header Host has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def place(self) -> str:
        """Scheme, host and port: what may be shown, as a path may be a secret."""
        return f"{'https' if self.is_encrypted else 'http'}://{self.authority}"

    @property
    def is_local(self) -> bool:
        """Whether what is sent there stays on this machine."""
        return addresses.is_local(self.authority)

    def below(self, path: str) -> "HttpUrl":
        """The address of a path below this one."""
        return self._replace(target=self.target.rstrip("/") + path)


def parsed(text: str, key: str) -> HttpUrl:
    """The URL that a key of the configuration gives.

    Raises:
        UsageError: It is none, or has what has no meaning here. The message starts with the key, and shows nothing
            behind the host.
    """
    if not PLAIN.fullmatch(text):
        raise UsageError(f"{key}: is no URL: it is empty, too long, or has a space or a character beyond ASCII")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise UsageError(f"{key}: is no URL: {error}") from error
    if parts.scheme not in PORTS or not parts.hostname:
        raise UsageError(f'{key}: is no URL of a web server: it begins with neither "http://HOST" nor "https://HOST"')
    if parts.username is not None or parts.password is not None:
        raise UsageError(f"{key}: has a name or a password before {parts.hostname}, which would not be used")
    if parts.fragment:
        raise UsageError(f"{key}: has a part behind #, which is never sent")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return HttpUrl(parts.scheme == "https", parts.hostname, port or PORTS[parts.scheme], target)
