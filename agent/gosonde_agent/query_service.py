"""What the agent answers on its own host, over a unix socket."""

import asyncio
import errno
import os
import socket
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import grpc.aio
from gosonde.errors import UnavailableError, UnsupportedError, UsageError
from gosonde.serving import new_server, set_serving
from gosonde_pb.v1 import agent_pb2_grpc
from grpc_health.v1 import health

from gosonde_agent import wire, wire_goroutines
from gosonde_agent.model import Observation
from gosonde_agent.sources.memory.target import opened
from gosonde_agent.status import AgentStatus

SERVICE_NAMES = ("gosonde.v1.AgentService",)

#: The socket's owner and group may connect.
UMASK = 0o117


class Reader(Protocol):
    """Knows what the agent knows now."""

    def current(self, pid: int | None) -> Observation:
        """Everything of one process, or of all for None.

        Raises:
            NotFoundError: No such process is watched.
        """
        ...


class AgentService(agent_pb2_grpc.AgentServiceServicer):
    """The gRPC face of a Reader and of the agent's status."""

    def __init__(self, reader: Reader, status: Callable[[], AgentStatus]) -> None:
        self._reader = reader
        self._status = status

    async def GetObservation(self, request: Any, context: Any) -> Any:  # noqa: ANN401, ARG002, N802
        """The current observation, with the names of all its sites."""
        return wire.answer(self._reader.current(request.pid or None))

    async def GetStatus(self, request: Any, context: Any) -> Any:  # noqa: ANN401, ARG002, N802
        """The agent's identity and how its uplink goes."""
        return wire.encode_status(self._status())

    async def ReadGoroutines(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: ANN401, ARG002, N802
        """Every goroutine of one process that is watched, in messages of bounded size, read as they are sent."""
        self._reader.current(request.pid)
        with ExitStack() as stack:
            target = await asyncio.to_thread(stack.enter_context, opened(request.pid))
            messages = wire_goroutines.chunks(target.goroutines())
            while (message := await asyncio.to_thread(next, messages, None)) is not None:
                yield message


@dataclass(frozen=True, slots=True)
class QueryServer:
    """A query service that serves; see `start_query_service`."""

    server: grpc.aio.Server
    health: health.aio.HealthServicer

    async def stop(self, grace: float) -> None:
        """Says NOT_SERVING, gives running calls `grace` seconds, and removes the socket."""
        await set_serving(self.health, SERVICE_NAMES, serving=False)
        await self.server.stop(grace)


async def start_query_service(listen: str, reader: Reader, status: Callable[[], AgentStatus]) -> QueryServer:
    """Serves on `listen` ("unix:PATH", mode 0660), with health checking and reflection.

    Raises:
        UnavailableError: Another agent listens there.
        UsageError: The path is taken by something else, or its folder is missing.
        UnsupportedError: This user may not make the socket.
    """
    path = Path(listen.removeprefix("unix:"))
    _clear(path)
    service = AgentService(reader, status)
    server, servicer = new_server(
        lambda server: agent_pb2_grpc.add_AgentServiceServicer_to_server(service, server), SERVICE_NAMES
    )
    _bind(server, path)
    await server.start()
    await set_serving(servicer, SERVICE_NAMES, serving=True)
    return QueryServer(server, servicer)


def _clear(path: Path) -> None:
    """Makes sure that a socket can be made at `path`; removes one that nobody listens on any more."""
    if not path.parent.is_dir():
        raise UsageError(f"listen: the folder {path.parent} does not exist; make it or give another path with --listen")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise UnsupportedError(f"listen: may not write to {path.parent}; run as root or give --listen unix:PATH")
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise UsageError(f"listen: {path} exists and is no socket; remove it or give another path with --listen")
    if _answers(path):
        raise UnavailableError(f"listen: another agent runs and listens on {path}; stop it or give another --listen")
    path.unlink(missing_ok=True)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        # A listener whose queue is full answers EAGAIN: it is there.
        return probe.connect_ex(str(path)) not in (errno.ECONNREFUSED, errno.ENOENT)


def _bind(server: grpc.aio.Server, path: Path) -> None:
    # The mode must be right from the first moment, and gRPC makes the socket here, before it returns.
    previous = os.umask(UMASK)
    try:
        server.add_insecure_port(f"unix:{path}")
    except RuntimeError as error:
        raise UsageError(f"listen: cannot make the socket {path}: {error}") from error
    finally:
        os.umask(previous)
