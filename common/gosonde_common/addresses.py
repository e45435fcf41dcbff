"""Addresses of agents and collectors, and the files that a connection needs. Imports nothing large."""

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path

from gosonde_common.errors import UsageError

HOST_PORT = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<name>[^\s:/\[\]]+)):(?P<port>[0-9]{1,5})")

#: Where the agent answers unless its configuration says otherwise.
AGENT_ADDRESS = "unix:/run/gosonde/agent.sock"
#: Where commands look for the collector unless they are given another.
COLLECTOR_ADDRESS = "127.0.0.1:9317"


@dataclass(frozen=True, slots=True)
class ClientTls:
    """Files in PEM format.

    Attributes:
        ca: Certificates of the authorities that the server's certificate may come from.
        cert: This client's own certificate; None when the server asks for none.
        key: Its private key.
    """

    ca: Path
    cert: Path | None = None
    key: Path | None = None


def is_local(address: str) -> bool:
    """Whether only this machine reaches the address. Raises UsageError when it is no address."""
    if address.startswith("unix:"):
        return True
    match = HOST_PORT.fullmatch(address)
    if not match or int(match["port"]) > 65_535:
        raise UsageError(f"{address!r} is neither HOST:PORT nor unix:PATH")
    try:
        return ipaddress.ip_address(match["six"] or match["name"]).is_loopback
    except ValueError:
        return match["name"] == "localhost"
