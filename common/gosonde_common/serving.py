"""What every gosonde server has in common: health, reflection, and errors that become gRPC statuses."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any, Final, Protocol

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from gosonde_common.connections import Connections
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
from gosonde_common.receiving import QUESTION, Receiver, Terms

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


ARITIES: Final = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")
Context = grpc.aio.ServicerContext[Any, Any]


class Gate(Protocol):
    """Decides about every call before it begins, and hears how it was refused."""

    def admit(self, method: str, context: Context) -> None:
        """Returns when the call may go on; raises the GosondeError that ends it."""

    def terms(self, method: str) -> Terms:
        """What the method may be sent."""

    def refused(self, method: str, status: grpc.StatusCode) -> None:
        """The call ended with this status on purpose."""


class OpenGate:
    """Lets everyone in."""

    def admit(self, method: str, context: Context) -> None:
        """See Gate."""

    def terms(self, method: str) -> Terms:  # noqa: ARG002
        """See Gate."""
        return QUESTION

    def refused(self, method: str, status: grpc.StatusCode) -> None:
        """See Gate."""


class Interceptor(grpc.aio.ServerInterceptor):
    """Asks the gate before anything of a call is read; ends it with the status and message of a GosondeError.

    Every method is served as a stream of bytes, which is the same on the wire: gRPC would read and decode the request
    of any other before it says who asks.
    """

    def __init__(self, gate: Gate, receiver: Receiver) -> None:
        self._gate = gate
        self._receiver = receiver

    async def intercept_service(self, continuation: Callable[..., Awaitable[Any]], details: Any) -> Any:  # noqa: ANN401
        """Wraps the handler that `continuation` finds, whatever its arity."""
        handler = await continuation(details)
        if handler is None:
            return None

        async def call(raw: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
            refusal = None
            try:
                with self._receiver.connections.call(context.peer()):
                    self._gate.admit(details.method, context)
                    terms = self._gate.terms(details.method)
                    requests = self._receiver.requests(raw, context.peer(), terms, handler.request_deserializer)
                    async with aclosing(requests), aclosing(_responses(handler, requests, context)) as responses:
                        async for response in responses:
                            yield handler.response_serializer(response)
            except GosondeError as error:
                refusal = status_of(error), str(error)
            if refusal:  # The error is gone by now, and with it what its frames held.
                self._gate.refused(details.method, refusal[0])
                await context.abort(*refusal)

        return grpc.stream_stream_rpc_method_handler(call)


async def _responses(handler: Any, requests: AsyncGenerator[Any, None], context: Context) -> AsyncGenerator[Any, None]:  # noqa: ANN401
    """What a handler of any arity answers."""
    behaviour = next(filter(None, (getattr(handler, name) for name in ARITIES)))
    request = requests if handler.request_streaming else await anext(requests, None)
    if request is None:
        raise InvalidInputError("the call ended before its request")
    if not handler.response_streaming:
        yield await behaviour(request, context)
        return
    if not handler.request_streaming:
        await requests.aclose()  # an answer that goes on and on holds no room for requests
    async with aclosing(behaviour(request, context)) as responses:
        async for response in responses:
            yield response


#: What every server bears of one connection: pings as agents send them, a bounded number of calls, no slow handshakes.
SERVER_OPTIONS: Sequence[tuple[str, Any]] = (
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.max_concurrent_streams", 128),
    ("grpc.max_connection_idle_ms", 300_000),
    # Whoever sends without being read gets no further than this, in each call.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", 64 << 10),
    # Compressed requests come as they are: gRPC would inflate them whole, whatever they hold.
    ("grpc.per_message_decompression", 0),
    ("grpc.max_metadata_size", 16_384),
    ("grpc.server_handshake_timeout_ms", 10_000),
)


def new_server(
    register: Callable[[grpc.aio.Server], None],
    service_names: Sequence[str],
    options: Sequence[tuple[str, Any]] = (),
    gate: Gate | None = None,
    connections: Connections | None = None,
) -> tuple[grpc.aio.Server, health.aio.HealthServicer]:
    """A server with the given services, health checking and reflection; it has no address and is not started.

    `register` adds the servicers; `service_names` are full names such as `gosonde.v1.CollectorService`. Every service,
    and the server as a whole (the empty name), starts as NOT_SERVING: see `set_serving`.
    """
    interceptor = Interceptor(gate or OpenGate(), Receiver(connections))
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
