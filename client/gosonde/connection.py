"""A connection to a collector: who may ask, over what, and what its failures mean."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

import grpc
from gosonde_common import channels
from gosonde_common.addresses import COLLECTOR_ADDRESS, ClientTls, is_local
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
from gosonde_pb.v1 import collector_pb2_grpc

TIMEOUT_SECONDS: Final = 30.0

ERROR_OF: Final[dict[grpc.StatusCode, type[GosondeError]]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidInputError,
    grpc.StatusCode.NOT_FOUND: NotFoundError,
    grpc.StatusCode.FAILED_PRECONDITION: UnsupportedError,
    grpc.StatusCode.UNAUTHENTICATED: UnauthenticatedError,
    grpc.StatusCode.PERMISSION_DENIED: ForbiddenError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: OverloadedError,
}

Response = TypeVar("Response")


class Connection:
    """To one collector, to be used in a `with` statement. Every method raises GosondeError."""

    def __init__(self, address: str = COLLECTOR_ADDRESS, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._address = address
        self.timeout_seconds = timeout_seconds
        self._metadata = _metadata(address)
        # Lists of all sites of a fleet are long; they come from a collector that was chosen.
        options = (("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1))
        self._channel = channels.channel(address, tls_from_environment(), options)
        self.stub = collector_pb2_grpc.CollectorServiceStub(self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._channel.close()

    def call(self, method: Callable[..., Response], request: object, timeout: float | None = None) -> Response:
        """One answer.

        Raises:
            GosondeError: The collector refuses, or does not answer in time.
        """
        with self._errors():
            return method(request, timeout=timeout or self.timeout_seconds, metadata=self._metadata)

    def stream(self, method: Callable[..., Iterator[Response]], request: object) -> Iterator[Response]:
        """Answers as they come, for as long as they do.

        Raises:
            GosondeError: As `call`.
        """
        with self._errors():
            yield from method(request, metadata=self._metadata)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except grpc.RpcError as error:
            code, details = error.code(), error.details()
            if code in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}:
                raise UnavailableError(
                    f"the collector at {self._address} does not answer ({_reason(details)}); start it with "
                    f"`gosonde collector`, or name another with --collector HOST:PORT"
                ) from error
            raise ERROR_OF.get(code, GosondeError)(details or code.name) from error


def _reason(details: str | None) -> str:
    """What gRPC says, without its own words around what the system said."""
    text = details or "no reason is known"
    for start in ("Failed to connect to remote host: ", "address lookup failed for "):
        if (at := text.rfind(start)) >= 0:
            return text[at + len(start) :].rstrip("])")
    return text


def tls_from_environment() -> ClientTls | None:
    """The files that GOSONDE_CA, GOSONDE_CERT and GOSONDE_KEY name; None when there is no GOSONDE_CA."""
    ca, cert, key = (os.environ.get(name) for name in ("GOSONDE_CA", "GOSONDE_CERT", "GOSONDE_KEY"))
    return ClientTls(Path(ca), Path(cert) if cert else None, Path(key) if key else None) if ca else None


def _metadata(address: str) -> tuple[tuple[str, str], ...]:
    token = os.environ.get("GOSONDE_TOKEN", "").strip()
    if not token:
        return ()
    if not (is_local(address) or os.environ.get("GOSONDE_CA")):
        raise UsageError(
            f"the token is not sent to {address} in plain text; set GOSONDE_CA to the collector's CA certificate"
        )
    return (("authorization", f"Bearer {token}"),)
