"""What every gosonde server has in common: health, reflection, and errors that become gRPC statuses."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import grpc
import structlog
from google.protobuf.message import DecodeError
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from gosonde_common.errors import (
    ForbiddenError,
    GosondeError,
    InvalidInputError,
    NotFoundError,
    OverloadedError,
    UnauthenticatedError,
    UnavailableError,
    UnsupportedError,
    UsageError,
)

log = structlog.get_logger(__name__)

STATUS_OF: tuple[tuple[type[GosondeError], grpc.StatusCode], ...] = (
    (InvalidInputError, grpc.StatusCode.INVALID_ARGUMENT),
    (UsageError, grpc.StatusCode.INVALID_ARGUMENT),
    (NotFoundError, grpc.StatusCode.NOT_FOUND),
    (UnsupportedError, grpc.StatusCode.FAILED_PRECONDITION),
    (UnavailableError, grpc.StatusCode.UNAVAILABLE),
    (UnauthenticatedError, grpc.StatusCode.UNAUTHENTICATED),
    (ForbiddenError, grpc.StatusCode.PERMISSION_DENIED),
    (OverloadedError, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (GosondeError, grpc.StatusCode.INTERNAL),
)


def status_of(error: GosondeError) -> grpc.StatusCode:
    """The gRPC status that stands for an error."""
    return next(status for kind, status in STATUS_OF if isinstance(error, kind))


Context = grpc.aio.ServicerContext[Any, Any]


class Gate(Protocol):
    """Decides about every call before it begins, and hears how it was refused."""

    def admit(self, method: str, context: Context) -> None:
        """Returns when the call may go on; raises the GosondeError that ends it."""

    def refused(self, method: str, status: grpc.StatusCode) -> None:
        """The call ended with this status on purpose."""


class OpenGate:
    """Lets everyone in."""

    def admit(self, method: str, context: Context) -> None:
        """See Gate."""

    def refused(self, method: str, status: grpc.StatusCode) -> None:
        """See Gate."""


@dataclass(frozen=True, slots=True)
class _Garbled:
    """Stands for bytes that are no message of the method, until somebody can answer."""

    reason: str


def _checked(request: Any) -> Any:  # noqa: ANN401
    if isinstance(request, _Garbled):
        raise InvalidInputError(request.reason)
    return request


async def _all_checked(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for request in requests:
        yield _checked(request)


def _tolerant(deserialize: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """gRPC would end the call with UNKNOWN where this raises."""

    def read(data: bytes) -> Any:  # noqa: ANN401
        try:
            return deserialize(data)
        except DecodeError as error:
            return _Garbled(str(error))

    return read


class StatusInterceptor(grpc.aio.ServerInterceptor):
    """Asks the gate, and ends a call with the status and the message of the GosondeError that was raised."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def intercept_service(self, continuation: Callable[..., Awaitable[Any]], details: Any) -> Any:  # noqa: ANN401
        """Wraps the handler that `continuation` finds, whatever its arity."""
        handler = await continuation(details)
        if handler is None:
            return None
        wrap = self._streaming if handler.response_streaming else self._single
        check = _all_checked if handler.request_streaming else _checked
        behaviours = (handler.unary_unary, handler.unary_stream, handler.stream_unary, handler.stream_stream)
        return _rewrapped(handler, wrap(details.method, next(filter(None, behaviours)), check))

    def _single(
        self, method: str, behaviour: Callable[..., Awaitable[Any]], check: Callable[[Any], Any]
    ) -> Callable[..., Awaitable[Any]]:
        async def call(request: Any, context: Context) -> Any:  # noqa: ANN401
            try:
                self._gate.admit(method, context)
                return await behaviour(check(request), context)
            except GosondeError as error:
                await self._abort(method, context, error)

        return call

    def _streaming(
        self, method: str, behaviour: Callable[..., AsyncIterator[Any]], check: Callable[[Any], Any]
    ) -> Callable[..., AsyncIterator[Any]]:
        async def call(request: Any, context: Context) -> AsyncIterator[Any]:  # noqa: ANN401
            try:
                self._gate.admit(method, context)
                async for response in behaviour(check(request), context):
                    yield response
            except GosondeError as error:
                await self._abort(method, context, error)

        return call

    async def _abort(self, method: str, context: Context, error: GosondeError) -> None:
        status = status_of(error)
        self._gate.refused(method, status)
        await context.abort(status, str(error))


def _rewrapped(handler: Any, behaviour: Any) -> Any:  # noqa: ANN401
    kind = f"{'stream' if handler.request_streaming else 'unary'}_{'stream' if handler.response_streaming else 'unary'}"
    make = getattr(grpc, f"{kind}_rpc_method_handler")
    return make(behaviour, _tolerant(handler.request_deserializer), handler.response_serializer)


#: What every server bears of one connection: pings as agents send them, a bounded number of calls, no slow handshakes.
SERVER_OPTIONS: Sequence[tuple[str, Any]] = (
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.max_concurrent_streams", 128),
    ("grpc.max_metadata_size", 16_384),
    ("grpc.server_handshake_timeout_ms", 10_000),
)


def new_server(
    register: Callable[[grpc.aio.Server], None],
    service_names: Sequence[str],
    options: Sequence[tuple[str, Any]] = (),
    gate: Gate | None = None,
) -> tuple[grpc.aio.Server, health.aio.HealthServicer]:
    """A server with the given services, health checking and reflection; it has no address and is not started.

    `register` adds the servicers; `service_names` are full names such as `gosonde.v1.CollectorService`. Every service,
    and the server as a whole (the empty name), starts as NOT_SERVING: see `set_serving`.
    """
    interceptor = StatusInterceptor(gate or OpenGate())
    server = grpc.aio.server(interceptors=(interceptor,), options=(*SERVER_OPTIONS, *options))
    register(server)
    servicer = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    reflection.enable_server_reflection((*service_names, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
    return server, servicer


async def set_serving(servicer: health.aio.HealthServicer, service_names: Sequence[str], serving: bool) -> None:
    """Says through the health service whether the server and its services serve."""
    status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
    for name in ("", *service_names):
        await servicer.set(name, status)
