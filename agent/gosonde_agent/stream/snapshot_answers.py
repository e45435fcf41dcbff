"""Answers the requests for snapshots that come in one stream: files one after the other, and proofs beside them."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import structlog
from gosonde_common.errors import GosondeError, InvalidInputError
from gosonde_common.values.audit import Act

from gosonde_agent.model.snapshots import SnapshotKind, SnapshotRequest
from gosonde_agent.snapshots.taking import Snapshots
from gosonde_agent.wire import encoding, snapshot_messages

log = structlog.get_logger(__name__)

#: Requests that may wait, for files and for proofs; the collector sends no more than it may have answered at a time.
MAX_WAITING = 8
#: Proofs at a time: each mostly waits for the next scan of its process.
PROOFS_AT_ONCE = 4


#: Writes down what came of a request: the act, the process's pid, and more in words.
Note = Callable[[Act, int, str], None]


class SnapshotAnswers:
    """Takes what is asked for, has it noted, and sends it."""

    def __init__(
        self, snapshots: Snapshots, send: Callable[[encoding.Request], Coroutine[Any, Any, None]], note: Note
    ) -> None:
        self._snapshots = snapshots
        self._send = send
        self._note = note
        self._files: asyncio.Queue[SnapshotRequest] = asyncio.Queue(MAX_WAITING)
        self._proofs: asyncio.Queue[SnapshotRequest] = asyncio.Queue(MAX_WAITING)

    def ask(self, request: SnapshotRequest) -> None:
        """Notes a request.

        Raises:
            InvalidInputError: Too many wait.
        """
        try:
            (self._proofs if request.kind is SnapshotKind.PROOF else self._files).put_nowait(request)
        except asyncio.QueueFull:
            raise InvalidInputError(f"the collector asks for more than {MAX_WAITING} snapshots at a time") from None

    async def run(self) -> None:
        """Answers until it is cancelled. Raises what `send` raises, in a group."""
        async with asyncio.TaskGroup() as group:
            for requests in (self._files, *[self._proofs] * PROOFS_AT_ONCE):
                group.create_task(self._answer(requests))

    async def _answer(self, requests: asyncio.Queue[SnapshotRequest]) -> None:
        while True:
            for message in await self._messages(await requests.get()):
                # gRPC cancels the call when a write is cancelled.
                await asyncio.shield(self._send(message))

    async def _messages(self, request: SnapshotRequest) -> Iterable[encoding.Request]:
        pid, kind = request.process.pid, request.kind or "unknown kind"
        try:
            if request.kind is SnapshotKind.PROOF:
                outcome = await self._snapshots.prove(request.process)
                log.info("searched on request", pid=pid, proved=outcome.proved)
                self._note(Act.SNAPSHOT_TAKEN, pid, f"{kind}: {outcome.proved:,} goroutines proved")
                return (snapshot_messages.searched(request.id, outcome),)
            data = await self._snapshots.take(request)
        except GosondeError as error:
            log.info("no snapshot", pid=pid, kind=request.kind, reason=str(error))
            self._note(Act.SNAPSHOT_FAILED, pid, f"{kind}: {error}")
            return (snapshot_messages.failure(request.id, str(error)),)
        log.info("snapshot taken", pid=pid, kind=request.kind, size_bytes=len(data))
        self._note(Act.SNAPSHOT_TAKEN, pid, f"{kind}: {len(data):,} bytes")
        return snapshot_messages.pieces(request.id, data)
