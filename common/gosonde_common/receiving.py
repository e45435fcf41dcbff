"""From the bytes of a call to its requests: admitted before they are read, bounded before they are decoded."""

import asyncio
import zlib
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.message import DecodeError

from gosonde_common.budget import Budget
from gosonde_common.connections import Connections
from gosonde_common.elements import check_elements
from gosonde_common.errors import InvalidInputError, OverloadedError, UnavailableError

#: Bytes of a request that only asks.
QUESTION_BYTES: Final = 64 << 10
#: Time in which a request must arrive, in seconds.
REQUEST_SECONDS: Final = 15.0
#: Requests that may be on their way for longer than the other, in seconds, at the same time, each of any size.
MAX_ARRIVING: Final = 32
GRACE_SECONDS: Final = 0.25
#: Bytes of all requests together that are decoded and worked on; what they hold in memory is a multiple.
MAX_HELD_BYTES: Final = 16 << 20
#: What is smaller is decoded at once: a thread would cost more.
SMALL_BYTES: Final = 4 << 10
#: How a gzip file begins. No message of ours does: it would be a field with a wire type that does not exist.
GZIP: Final = b"\x1f\x8b"
GZIP_WINDOW: Final = 31


@dataclass(frozen=True, slots=True)
class Terms:
    """What a method may be sent.

    Attributes:
        most_bytes: Of one request, before and after inflating.
        may_rest: Whether its later requests may come whenever they like.
        most_elements: Messages inside of one request.
    """

    most_bytes: int = QUESTION_BYTES
    may_rest: bool = False
    most_elements: int = 1_000


QUESTION: Final = Terms()


class Arriving:
    """Requests that are on their way. One that is slow makes room for others, so that nobody can keep them out."""

    def __init__(self, most: int = MAX_ARRIVING) -> None:
        self._most = most
        self._slow: OrderedDict[asyncio.Timeout, None] = OrderedDict()

    @asynccontextmanager
    async def one(self, seconds: float = REQUEST_SECONDS) -> AsyncIterator[None]:
        """Around the wait for a request. Raises UnavailableError when it takes too long, or is the slowest of many."""
        limit = asyncio.timeout(seconds)
        slow = asyncio.get_running_loop().call_later(GRACE_SECONDS, self._is_slow, limit)
        try:
            async with limit:
                yield
        except TimeoutError as error:
            raise UnavailableError(
                f"the request did not arrive in {seconds:g} s, or its place was needed for others; send it again"
            ) from error
        finally:
            slow.cancel()
            self._slow.pop(limit, None)

    def _is_slow(self, limit: asyncio.Timeout) -> None:
        self._slow[limit] = None
        if len(self._slow) > self._most:
            oldest, _ = self._slow.popitem(last=False)
            oldest.reschedule(0.0)


class Receiver:
    """Takes the requests of all calls of one server in."""

    def __init__(self, connections: Connections | None = None) -> None:
        self.connections = connections or Connections()
        self._arriving = Arriving()
        self._budget = Budget(MAX_HELD_BYTES)
        self._decoding = ThreadPoolExecutor(1, thread_name_prefix="decoding")

    async def requests(
        self, raw: AsyncIterator[bytes], peer: str, terms: Terms, decode: Callable[[bytes], Any]
    ) -> AsyncGenerator[Any, None]:
        """The requests; each holds its part of the budget until the next one is asked for.

        Raises:
            OverloadedError: One is too large, or has too many elements.
            InvalidInputError: One is no message of the method.
            UnavailableError: One did not arrive in time.
        """
        first = True
        while (data := await self._next(raw, waits=first or not terms.may_rest)) is not None:
            first = False
            if len(data) > terms.most_bytes:
                raise _too_large(terms)
            # What is compressed may become as large as is allowed.
            async with self._budget.spent(terms.most_bytes if data.startswith(GZIP) else len(data)):
                self.connections.delivered(peer, len(data))
                yield await self._decoded(data, terms, decode)

    async def _next(self, raw: AsyncIterator[bytes], *, waits: bool) -> bytes | None:
        if not waits:
            return await anext(raw, None)
        async with self._arriving.one():
            return await anext(raw, None)

    async def _decoded(self, data: bytes, terms: Terms, decode: Callable[[bytes], Any]) -> Any:  # noqa: ANN401
        if len(data) <= SMALL_BYTES and not data.startswith(GZIP):
            return checked(data, terms, decode)
        return await asyncio.get_running_loop().run_in_executor(self._decoding, checked, data, terms, decode)


def checked(data: bytes, terms: Terms, decode: Callable[[bytes], Any]) -> Any:  # noqa: ANN401 - any message
    """The message of some bytes, gzipped or not. `decode` is a message class's FromString. Raises as above."""
    if data.startswith(GZIP):
        data = inflated(data, terms)
    check_elements(data, decode.__self__.DESCRIPTOR, terms.most_elements)  # type: ignore[attr-defined]
    try:
        return decode(data)
    except DecodeError as error:
        raise InvalidInputError(str(error)) from error


def inflated(data: bytes, terms: Terms) -> bytes:
    """What a gzip file holds. Raises as `Receiver.requests`, before more than is allowed is in memory."""
    gunzip = zlib.decompressobj(GZIP_WINDOW)
    try:
        plain = gunzip.decompress(data, terms.most_bytes + 1)
    except zlib.error as error:
        raise InvalidInputError(f"a compressed request is damaged: {error}") from error
    if len(plain) > terms.most_bytes:
        raise _too_large(terms)
    if not gunzip.eof:
        raise InvalidInputError("a compressed request is cut off")
    return plain


def _too_large(terms: Terms) -> OverloadedError:
    return OverloadedError(f"a request is too large; it may have {terms.most_bytes} bytes")
