"""What a client shows to a collector: over which connection, and who asks."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from gosonde_common.addresses import ClientTls, is_local
from gosonde_common.errors import UsageError

Metadata = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach a collector. `Access()` is plain text without a token, which is enough on one machine.

    Attributes:
        tls: The files of the connection; None for plain text.
        token: What the collector's key `tokens` asks for; empty for none. It is never sent to another machine in plain
            text.
    """

    tls: ClientTls | None = None
    token: str = field(default="", repr=False)

    @classmethod
    def from_environment(cls) -> Self:
        """What GOSONDE_CA, GOSONDE_CERT, GOSONDE_KEY and GOSONDE_TOKEN say, as for every command."""
        ca, cert, key = (os.environ.get(name) for name in ("GOSONDE_CA", "GOSONDE_CERT", "GOSONDE_KEY"))
        tls = ClientTls(Path(ca), Path(cert) if cert else None, Path(key) if key else None) if ca else None
        return cls(tls, os.environ.get("GOSONDE_TOKEN", "").strip())

    def metadata(self, address: str) -> Metadata:
        """What goes with each call.

        Raises:
            UsageError: The address is none, the token would go to another machine in plain text, or it is no token.
        """
        local = is_local(address)
        if not self.token:
            return ()
        if not (local or self.tls):
            raise UsageError(
                f"the token is not sent to {address} in plain text; set GOSONDE_CA to the collector's CA certificate"
            )
        if not (self.token.isascii() and self.token.isprintable()):
            raise UsageError("the token has characters that no token has")
        return (("authorization", f"Bearer {self.token}"),)
