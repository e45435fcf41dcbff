"""gRPC's failures as gosonde's errors."""

from collections.abc import Callable
from typing import Final

import grpc
from gosonde_common.errors import (
    ForbiddenError,
    GosondeError,
    InvalidInputError,
    NotFoundError,
    OverloadedError,
    UnauthenticatedError,
    UnavailableError,
    UnsupportedError,
)

from gosonde.transport.agent_access import why_unavailable

ERROR_OF: Final[dict[grpc.StatusCode, type[GosondeError]]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidInputError,
    grpc.StatusCode.NOT_FOUND: NotFoundError,
    grpc.StatusCode.FAILED_PRECONDITION: UnsupportedError,
    grpc.StatusCode.UNAUTHENTICATED: UnauthenticatedError,
    grpc.StatusCode.PERMISSION_DENIED: ForbiddenError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: OverloadedError,
    grpc.StatusCode.CANCELLED: UnavailableError,
}
#: Nobody answered, or not in time.
NO_ANSWER: Final = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


#: Makes an error of a call to an address that failed.
Failure = Callable[[str, grpc.RpcError], GosondeError]


def of_collector(address: str, error: grpc.RpcError) -> GosondeError:
    """What a collector's refusal or silence means."""
    code, details = error.code(), error.details()
    if code in NO_ANSWER:
        return UnavailableError(
            f"the collector at {address} does not answer ({_reason(details)}); start it with "
            f"`gosonde collector`, or name another with --collector HOST:PORT"
        )
    return ERROR_OF.get(code, GosondeError)(details or code.name)


def of_agent(address: str, error: grpc.RpcError) -> GosondeError:
    """What an agent's refusal or silence means."""
    code, details = error.code(), error.details()
    if code in NO_ANSWER:
        return why_unavailable(address) or UnavailableError(
            f"no agent answers on {address} ({details}); is gosonde agent running?"
        )
    return ERROR_OF.get(code, GosondeError)(f"the agent on {address} answered {code.name}: {details}")


def _reason(details: str | None) -> str:
    """What gRPC says, without its own words around what the system said."""
    text = details or "no reason is known"
    for start in ("Failed to connect to remote host: ", "address lookup failed for "):
        if (at := text.rfind(start)) >= 0:
            return text[at + len(start) :].rstrip("])")
    return text
