"""What every gosonde server has in common: health, reflection, and errors that become gRPC statuses."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from gosonde.errors import (
    GosondeError,
    InvalidInputError,
    NotFoundError,
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
    (GosondeError, grpc.StatusCode.INTERNAL),
)


def status_of(error: GosondeError) -> grpc.StatusCode:
    """The gRPC status that stands for an error."""
    return next(status for kind, status in STATUS_OF if isinstance(error, kind))


class StatusInterceptor(grpc.aio.ServerInterceptor):
    """Ends a call with the status of the GosondeError that its handler raised, and the error's message."""

    async def intercept_service(self, continuation: Callable[..., Awaitable[Any]], details: Any) -> Any:  # noqa: ANN401
        """Wraps the handler that `continuation` finds, whatever its arity."""
        handler = await continuation(details)
        if handler is None:
            return None
        if handler.response_streaming:
            return _rewrapped(handler, _streaming(handler.unary_stream or handler.stream_stream))
        return _rewrapped(handler, _single(handler.unary_unary or handler.stream_unary))


def _rewrapped(handler: Any, behaviour: Any) -> Any:  # noqa: ANN401
    kind = f"{'stream' if handler.request_streaming else 'unary'}_{'stream' if handler.response_streaming else 'unary'}"
    make = getattr(grpc, f"{kind}_rpc_method_handler")
    return make(behaviour, handler.request_deserializer, handler.response_serializer)


def _single(behaviour: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def call(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:  # noqa: ANN401
        try:
            return await behaviour(request, context)
        except GosondeError as error:
            await context.abort(status_of(error), str(error))

    return call


def _streaming(behaviour: Callable[..., AsyncIterator[Any]]) -> Callable[..., AsyncIterator[Any]]:
    async def call(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[Any]:  # noqa: ANN401
        try:
            async for response in behaviour(request, context):
                yield response
        except GosondeError as error:
            await context.abort(status_of(error), str(error))

    return call


def new_server(
    register: Callable[[grpc.aio.Server], None], service_names: Sequence[str], options: Sequence[tuple[str, Any]] = ()
) -> tuple[grpc.aio.Server, health.aio.HealthServicer]:
    """A server with the given services, health checking and reflection; it has no address and is not started.

    `register` adds the servicers; `service_names` are full names such as `gosonde.v1.CollectorService`. Every service,
    and the server as a whole (the empty name), starts as NOT_SERVING: see `set_serving`.
    """
    server = grpc.aio.server(interceptors=(StatusInterceptor(),), options=tuple(options))
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
