"""Files that people push, which come in pieces."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final, TypeVar

from gosonde_common.errors import UnavailableError
from gosonde_pb.v1 import collector_pb2

from gosonde_collector.evidence.upload import Upload
from gosonde_collector.model.errors import ProfileError

#: Uploads that are received at the same time; each may hold 64 MiB.
MAX_UPLOADS: Final = 2
#: How long one upload may take, in seconds, so that a slow one cannot keep others out for ever.
UPLOAD_SECONDS: Final = 120

Parsed = TypeVar("Parsed")
Requests = AsyncIterator[collector_pb2.PushSnapshotRequest] | AsyncIterator[collector_pb2.PushEscapesRequest]


def check_header(host: str, pid: int) -> None:
    """Raises ProfileError when the first request does not say which process the file is about."""
    if not host or not pid:
        raise ProfileError("the first request is not a header that names a host and a pid: no host or no pid")


class Uploads:
    """Receives and reads a few at a time."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(MAX_UPLOADS)

    async def read(self, requests: Requests, upload: Upload, parse: Callable[[bytes], Parsed]) -> Parsed:
        """What `parse` makes of the file in all requests after the header.

        Raises:
            ProfileError: The file is not what it must be, or a request is no piece of it.
            UnavailableError: It takes too long to come.
        """
        async with self._places:
            return await asyncio.to_thread(parse, await _received(requests, upload))


async def _received(requests: Requests, upload: Upload) -> bytes:
    try:
        async with asyncio.timeout(UPLOAD_SECONDS):
            async for request in requests:
                if request.WhichOneof("message") != "chunk":
                    raise ProfileError("every request after the first must be a piece of the file")
                await asyncio.to_thread(upload.feed, request.chunk)
    except TimeoutError as error:
        raise UnavailableError(f"the upload took longer than {UPLOAD_SECONDS} s; try again") from error
    return upload.finish()
