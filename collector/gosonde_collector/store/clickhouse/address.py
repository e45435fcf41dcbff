"""Where a store in ClickHouse is."""

import re
from dataclasses import dataclass
from typing import Final

from gosonde_common.errors import UsageError

SCHEME: Final = "clickhouse://"
#: A name of a database that needs no quotes.
DATABASE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
#: HOST:PORT, or [ADDRESS]:PORT of IPv6.
SERVER: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?):([0-9]{1,5})")
FORM: Final = f"{SCHEME}HOST:PORT/DATABASE"


@dataclass(frozen=True, slots=True)
class Address:
    """A database of a server."""

    host: str
    port: int
    database: str


def parse(text: str) -> Address:
    """Reads an address.

    Raises:
        UsageError: It is none, has a user or a password in it, or names several servers.
    """
    server, slash, database = text.removeprefix(SCHEME).partition("/")
    if "@" in text:
        raise UsageError("the address names a user, and others can read it; give store_user and store_password_file")
    if not text.startswith(SCHEME) or not slash:
        raise UsageError(f"{text!r} is not of the form {FORM}")
    if "," in server:
        raise UsageError(
            f"{server!r} is more than one server: each would have a part of the data, for tables are not replicated"
        )
    found = SERVER.fullmatch(server)
    if not found or not 0 < int(found[3]) < 1 << 16:
        raise UsageError(f"{server!r} is not HOST:PORT")
    if not DATABASE.fullmatch(database):
        raise UsageError(f"{database!r} is no name of a database: it has at most 64 letters, digits and _")
    return Address(found[1].strip("[]"), int(found[3]), database)
