"""Answers the requests for snapshots that come in one stream, one after the other."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import structlog
from gosonde_common.errors import GosondeError, InvalidInputError

from gosonde_agent.model.snapshots import SnapshotRequest
from gosonde_agent.snapshots.taking import Snapshots
from gosonde_agent.wire import encoding, snapshot_messages

log = structlog.get_logger(__name__)

#: Requests that may wait; the collector sends one at a time.
MAX_WAITING = 8


class SnapshotAnswers:
    """Takes what is asked for, and sends it."""

    def __init__(self, snapshots: Snapshots, send: Callable[[encoding.Request], Coroutine[Any, Any, None]]) -> None:
        self._snapshots = snapshots
        self._send = send
        self._waiting: asyncio.Queue[SnapshotRequest] = asyncio.Queue(MAX_WAITING)

    def ask(self, request: SnapshotRequest) -> None:
        """Notes a request.

        Raises:
            InvalidInputError: Too many wait.
        """
        try:
            self._waiting.put_nowait(request)
        except asyncio.QueueFull:
            raise InvalidInputError(f"the collector asks for more than {MAX_WAITING} snapshots at a time") from None

    async def run(self) -> None:
        """Answers until it is cancelled. Raises what `send` raises."""
        while True:
            request = await self._waiting.get()
            try:
                data = await self._snapshots.take(request)
            except GosondeError as error:
                log.info("no snapshot", pid=request.process.pid, kind=request.kind, reason=str(error))
                messages: Iterable[encoding.Request] = (snapshot_messages.failure(request.id, str(error)),)
            else:
                log.info("snapshot taken", pid=request.process.pid, kind=request.kind, size_bytes=len(data))
                messages = snapshot_messages.pieces(request.id, data)
            for message in messages:
                # gRPC cancels the call when a write is cancelled.
                await asyncio.shield(self._send(message))
