"""Stores for tests: each kind that the collector has passes the same tests."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from gosonde_collector.store.duckdb import open_store
from gosonde_collector.store.protocol import Store
from gosonde_common.clock import steady_unix_nano


class OpenStore(Protocol):
    """Opens the store of a name, again or for the first time; `now` is the clock of what is stored."""

    def __call__(self, name: str = "data", now: Callable[[], int] = steady_unix_nano) -> Store: ...


@contextmanager
def opening(folder: Path) -> Iterator[OpenStore]:
    """How stores of one test are opened; what it leaves open is closed at the end."""
    opened: list[Store] = []

    def open_one(name: str = "data", now: Callable[[], int] = steady_unix_nano) -> Store:
        opened.append(open_store(folder / name, now))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()
