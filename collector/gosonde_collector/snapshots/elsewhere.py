"""Snapshots for whoever runs in another event loop than that of `SnapshotRequests`."""

import asyncio
from typing import Protocol

from gosonde_collector.model.by import By
from gosonde_collector.model.values import ProcessKey, SnapshotKind
from gosonde_collector.snapshots.requests import Proved, SnapshotRequests, Taken


class Snapshots(Protocol):
    """What is there to ask. Both methods raise as those of SnapshotRequests do."""

    async def take_of(self, host: str, process: ProcessKey, kind: SnapshotKind, by: By) -> Taken:
        """A snapshot of one process image, stored."""

    async def prove(self, host: str, pid: int, by: By) -> Proved:
        """What a search of the memory of the process that has the pid now found, stored."""


class FromElsewhere:
    """Implements `Snapshots` in any event loop; `loop` is that of the requests. Who stops waiting ends the request."""

    def __init__(self, requests: SnapshotRequests, loop: asyncio.AbstractEventLoop) -> None:
        self._requests = requests
        self._loop = loop

    async def take_of(self, host: str, process: ProcessKey, kind: SnapshotKind, by: By) -> Taken:
        """See Snapshots."""
        taking = self._requests.take_of(host, process, kind, by)
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(taking, self._loop))

    async def prove(self, host: str, pid: int, by: By) -> Proved:
        """See Snapshots."""
        proving = self._requests.prove(host, pid, by)
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(proving, self._loop))
