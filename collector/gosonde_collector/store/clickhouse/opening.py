"""Opens the store that a configuration names."""

from pathlib import Path
from typing import Any, Final

from gosonde_common.errors import UsageError

from gosonde_collector.store.clickhouse.address import parse
from gosonde_collector.store.clickhouse.server import Server
from gosonde_collector.store.clickhouse.store import ClickHouseStore, open_clickhouse

#: Of a file with a password.
MOST_BYTES: Final = 4_096


def open_at(address: str, user: str, password_file: str, *, tls: bool, ca: str) -> ClickHouseStore:
    """Opens the store at an address, as `address.parse` takes it.

    Args:
        address: Its server and its database.
        user: "" for ClickHouse's own default.
        password_file: File whose first line is the password; "" for none.
        tls: Whether to speak TLS with the server, whose certificate must be right.
        ca: PEM file with the authorities of that certificate; "" for the system's.

    Raises:
        UsageError: The address is none, or a file cannot be read.
        StoreError: As open_clickhouse.
    """
    where = parse(address)
    options: dict[str, Any] = {"secure": tls}
    if user:
        options["user"] = user
    if password_file:
        options["password"] = _password(Path(password_file))
    if ca:
        if not Path(ca).is_file():
            raise UsageError(f"store_tls_ca: {ca} is no file")
        options["ca_certs"] = ca
    return open_clickhouse(Server(where, options))


def _password(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        text = content.decode()
    except OSError as error:
        raise UsageError(f"store_password_file: {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"store_password_file: {path} is no text") from error
    if len(content) > MOST_BYTES:
        raise UsageError(f"store_password_file: {path} has more than {MOST_BYTES} bytes")
    return text.partition("\n")[0].removesuffix("\r")
