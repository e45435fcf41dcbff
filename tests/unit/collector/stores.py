"""Stores for tests: each kind that the collector has passes the same tests.

`GOSONDE_STORE=clickhouse` has them run on a ClickHouse server, which each process of tests starts for itself;
`GOSONDE_STORE=chdb` on today's ClickHouse as a library.
"""

import atexit
import functools
import os
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

from gosonde_collector.store.clickhouse.address import Address
from gosonde_collector.store.clickhouse.server import Server
from gosonde_collector.store.clickhouse.store import open_clickhouse
from gosonde_collector.store.duckdb import open_store
from gosonde_collector.store.protocol import Store
from gosonde_common.clock import steady_unix_nano

from tests.chdb_server import ChdbServer, session
from tests.clickhouse_server import PASSWORD, USER, ClickHouseServer


class OpenStore(Protocol):
    """Opens the store of a name, again or for the first time; `now` is the clock of what is stored."""

    def __call__(self, name: str = "data", now: Callable[[], int] = steady_unix_nano) -> Store: ...


@functools.cache
def running_server() -> ClickHouseServer:
    """One that ends with this process."""
    stack = ExitStack()
    atexit.register(stack.close)
    folder = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
    return stack.enter_context(ClickHouseServer(Path(folder)))


@functools.cache
def running_library() -> Any:
    """A session that ends with this process."""
    return session(Path(tempfile.mkdtemp()))


def server_of(database: str) -> Server:
    """A database of the running server."""
    if os.environ.get("GOSONDE_STORE") == "chdb":
        return ChdbServer(running_library(), database)
    return Server(Address("127.0.0.1", running_server().native, database), {"user": USER, "password": PASSWORD})


@contextmanager
def opening(folder: Path) -> Iterator[OpenStore]:
    """How stores of one test are opened; what it leaves open is closed at the end."""
    opened: list[Store] = []
    in_clickhouse = "GOSONDE_STORE" in os.environ
    test = uuid.uuid4().hex

    def open_one(name: str = "data", now: Callable[[], int] = steady_unix_nano) -> Store:
        database = f"test_{test}_{name}"
        opened.append(open_clickhouse(server_of(database), now) if in_clickhouse else open_store(folder / name, now))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()
    if in_clickhouse:
        server = server_of("default")
        for (database,) in server.rows(
            "SELECT name FROM system.databases WHERE name LIKE %(like)s", like=f"test_{test}%"
        ):
            server.run(f"DROP DATABASE {database}")
        server.close()
