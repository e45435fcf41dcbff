"""What every gosonde server has in common: health, reflection, errors that become gRPC statuses, systemd's word."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable

import grpc
import sdnotify
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
