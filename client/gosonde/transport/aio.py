"""A connection for asyncio. `gosonde.transport.connection` is its like that blocks."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

import grpc
import grpc.aio
from gosonde_common import channels
from gosonde_common.errors import GosondeError, UnavailableError, UsageError

from gosonde.transport.access import Access
from gosonde.transport.failures import Failure

Response = TypeVar("Response")
Answer_co = TypeVar("Answer_co", covariant=True)
Value = TypeVar("Value")


class Answers(Protocol[Answer_co]):
    """A call of gRPC's that is answered again and again."""

    def __aiter__(self) -> AsyncIterator[Answer_co]: ...

    def cancel(self) -> object:
        """Ends it."""
        ...


def _is_being_cancelled() -> bool:
    """Whether somebody cancels this task: gRPC raises the same error when its own call was cancelled."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class AsyncStream(Generic[Value]):
    """Values as they come: an asynchronous iterator, to be used in an `async with` statement or up to its end.

    It begins with the call that returns it, and ends with the task that iterates it, or with `close`. Iterating raises
    GosondeError when the other side refuses, or goes.
    """

    def __init__(
        self,
        answers: Answers[Response],
        read: Callable[[Response], Iterable[Value]],
        failed: Callable[[grpc.RpcError], GosondeError],
    ) -> None:
        self._cancel, self._failed = answers.cancel, failed
        self._is_closed = False
        self._values = self._generated(answers, read)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Value:
        return await anext(self._values)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the call, also while another task waits for it. What has come already may still be given."""
        self._is_closed = True
        self._cancel()

    async def _generated(
        self, answers: Answers[Response], read: Callable[[Response], Iterable[Value]]
    ) -> AsyncIterator[Value]:
        try:
            async for answer in answers:
                for value in read(answer):
                    yield value
        except grpc.RpcError as error:
            if not self._is_closed:
                raise self._failed(error) from error
        except asyncio.CancelledError as error:
            if _is_being_cancelled():
                raise
            if not self._is_closed:
                raise UnavailableError("the connection was closed while a stream was read") from error
        finally:
            answers.cancel()


class AsyncConnection:
    """To one agent or collector, to be made in a running event loop and used in an `async with` statement there.

    Attributes:
        address: HOST:PORT or unix:PATH.
        timeout_seconds: How long a call may last, unless it says otherwise itself. Streams may last for ever.
    """

    def __init__(
        self, address: str, timeout_seconds: float, access: Access, failure: Failure, options: channels.Options
    ) -> None:
        self.address, self.timeout_seconds = address, timeout_seconds
        self._metadata, self._failure = access.metadata(address), failure
        self._is_closed = False
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            raise UsageError("no event loop runs here: make this client in a coroutine") from None
        self._channel = channels.aio_channel(address, access.tls, (*channels.KEEPALIVE, *options))

    async def __aenter__(self) -> Self:
        """The client itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends the connection; calls and streams that wait fail with UnavailableError."""
        self._is_closed = True
        await self._channel.close()

    async def _call(
        self, method: Callable[..., Awaitable[Response]], request: object, timeout_seconds: float | None = None
    ) -> Response:
        """One answer. Raises GosondeError when the other side refuses, or does not answer in time."""
        try:
            return await method(request, timeout=timeout_seconds or self.timeout_seconds, metadata=self._metadata)
        except grpc.RpcError as error:
            raise self._failed(error) from error
        except grpc.aio.UsageError as error:
            raise self._unusable(error) from error
        except asyncio.CancelledError as error:
            if _is_being_cancelled() or not self._is_closed:
                raise
            raise UnavailableError(f"the connection to {self.address} was closed during a call") from error

    async def _upload(
        self, method: Callable[..., Awaitable[Response]], pieces: Iterator[object], least_seconds: float
    ) -> Response:
        """One answer to many requests, which are made in a thread. Raises GosondeError as `_call`."""
        return await self._call(method, _from_a_thread(pieces), max(self.timeout_seconds, least_seconds))

    def _stream(
        self,
        method: Callable[..., Answers[Response]],
        request: object,
        read: Callable[[Response], Iterable[Value]],
    ) -> AsyncStream[Value]:
        """What `read` makes of each answer, as they come. Iterating raises GosondeError as `_call`."""
        try:
            return AsyncStream(method(request, metadata=self._metadata), read, self._failed)
        except grpc.aio.UsageError as error:
            raise self._unusable(error) from error

    def _failed(self, error: grpc.RpcError) -> GosondeError:
        return self._failure(self.address, error)

    def _unusable(self, error: Exception) -> Exception:
        return UsageError(f"this client of {self.address} is closed") if self._is_closed else error


async def _from_a_thread(pieces: Iterator[object]) -> AsyncIterator[object]:
    """The pieces of a file, whose reading may take its time."""
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        yield piece
