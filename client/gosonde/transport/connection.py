"""A connection that blocks. `gosonde.transport.aio` is its like for asyncio."""

from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

import grpc
from gosonde_common import channels
from gosonde_common.errors import GosondeError, UsageError

from gosonde.transport.access import Access
from gosonde.transport.failures import Failure

Response = TypeVar("Response")
Answer_co = TypeVar("Answer_co", covariant=True)
Value = TypeVar("Value")


class Answers(Protocol[Answer_co]):
    """A call of gRPC's that is answered again and again."""

    def __iter__(self) -> Iterator[Answer_co]: ...

    def cancel(self) -> object:
        """Ends it, from any thread."""
        ...


class Stream(Generic[Value]):
    """Values as they come: an iterator, to be used in a `with` statement or up to its end.

    It begins with the call that returns it. It may be iterated by one thread, and closed by any. Iterating raises
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

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Value:
        return next(self._values)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Ends the call, also while another thread waits for it. What has come already may still be given."""
        self._is_closed = True
        self._cancel()

    def _generated(self, answers: Answers[Response], read: Callable[[Response], Iterable[Value]]) -> Iterator[Value]:
        try:
            for answer in answers:
                yield from read(answer)
        except grpc.RpcError as error:
            if not self._is_closed:
                raise self._failed(error) from error
        finally:
            answers.cancel()


class Connection:
    """To one agent or collector, to be used in a `with` statement, by any number of threads.

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
        self._channel = channels.channel(address, access.tls, (*channels.KEEPALIVE, *options))

    def __enter__(self) -> Self:
        """The client itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection; calls and streams that wait fail with UnavailableError."""
        self._is_closed = True
        self._channel.close()

    def _call(self, method: Callable[..., Response], request: object, timeout_seconds: float | None = None) -> Response:
        """One answer. Raises GosondeError when the other side refuses, or does not answer in time."""
        try:
            return method(request, timeout=timeout_seconds or self.timeout_seconds, metadata=self._metadata)
        except grpc.RpcError as error:
            raise self._failed(error) from error
        except ValueError as error:
            raise self._unusable(error) from error

    def _upload(self, method: Callable[..., Response], pieces: Iterator[object], least_seconds: float) -> Response:
        """One answer to many requests. Raises GosondeError as `_call`."""
        return self._call(method, pieces, max(self.timeout_seconds, least_seconds))

    def _stream(
        self, method: Callable[..., Answers[Response]], request: object, read: Callable[[Response], Iterable[Value]]
    ) -> Stream[Value]:
        """What `read` makes of each answer, as they come. Iterating raises GosondeError as `_call`."""
        try:
            return Stream(method(request, metadata=self._metadata), read, self._failed)
        except ValueError as error:
            raise self._unusable(error) from error

    def _failed(self, error: grpc.RpcError) -> GosondeError:
        return self._failure(self.address, error)

    def _unusable(self, error: Exception) -> Exception:
        return UsageError(f"this client of {self.address} is closed") if self._is_closed else error
