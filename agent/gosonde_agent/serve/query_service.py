"""What the agent answers on its own host, over a unix socket."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import grpc
import grpc.aio
from gosonde_common.errors import ForbiddenError, NotFoundError, OverloadedError, UnavailableError, UsageError
from gosonde_common.ratelimit import Rates
from gosonde_common.receiving import QUESTION, Terms
from gosonde_common.serving import new_server, set_serving
from gosonde_common.values.audit import Act, Actor
from gosonde_common.values.gc import GcFigures
from gosonde_common.values.observation import Observation, Process, ProcessKey
from gosonde_common.values.reachability import SearchOutcome
from gosonde_common.values.status import AgentStatus
from gosonde_common.wire import outcomes
from gosonde_pb.v1 import agent_pb2, agent_pb2_grpc
from grpc_health.v1 import health

from gosonde_agent.host.threads import in_thread
from gosonde_agent.model.trail import Trail
from gosonde_agent.serve.local_socket import (
    INNER_MODE,
    LocalSocket,
    Peer,
    clear,
    with_mode,
)
from gosonde_agent.snapshots.redaction import Redact, same
from gosonde_agent.sources.memory.target import opened
from gosonde_agent.wire import encoding, gc_messages, goroutine_messages
from gosonde_agent.wire.encodable import UNENCODABLE, encodable

SERVICE_NAMES = ("gosonde.v1.AgentService",)

#: Questions of all local peers together: each second, and at once after a rest.
CALLS_PER_SECOND = 50.0
CALLS_AT_ONCE = 200.0
#: Readings of goroutines that may go on at a time; each reads the memory of a process.
MAX_READINGS = 4
HEALTH = "/grpc.health.v1.Health/"


class LocalGate:
    """A `gosonde_common.serving.Gate`: who reaches the socket may ask, but not too often.

    Attributes:
        refused_total: Connections and calls that were refused, by reason or status.
    """

    def __init__(self) -> None:
        self.refused_total: Counter[str] = Counter()
        self._rates = Rates(CALLS_PER_SECOND, CALLS_AT_ONCE)
        self._readings = 0

    def admit(self, method: str, context: Any) -> None:  # noqa: ANN401, ARG002
        """See Gate. Raises OverloadedError."""
        if not method.startswith(HEALTH) and not self._rates.allows("all"):
            raise OverloadedError(f"more than {CALLS_PER_SECOND:g} calls a second; ask less often")

    def terms(self, method: str) -> Terms:  # noqa: ARG002
        """See Gate."""
        return QUESTION

    def refused(self, method: str, status: grpc.StatusCode) -> None:  # noqa: ARG002
        """See Gate."""
        self.refused_total[status.name] += 1

    def refuse_connection(self, reason: str) -> None:
        """Counts a connection that was not taken."""
        self.refused_total[reason] += 1

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Counts a reading of goroutines while it goes on. Raises OverloadedError when there are too many."""
        if self._readings >= MAX_READINGS:
            raise OverloadedError(f"{MAX_READINGS} readings of goroutines are in progress already; try again later")
        self._readings += 1
        try:
            yield
        finally:
            self._readings -= 1


#: (pid, or None for every process; on): the processes that this was done to. Raises NotFoundError.
Switch = Callable[[int | None, bool], Awaitable[Sequence[Process]]]


async def no_switch(_pid: int | None, _on: bool) -> Sequence[Process]:
    """For whoever has no probes.

    Raises:
        UnavailableError: Always.
    """
    raise UnavailableError("this agent has no probes to switch")


#: Has the memory of a process searched. Raises NotFoundError and OverloadedError.
Prove = Callable[[ProcessKey], Awaitable[SearchOutcome]]


async def no_search(_process: ProcessKey) -> SearchOutcome:
    """For whoever searches no memory.

    Raises:
        UnavailableError: Always.
    """
    raise UnavailableError("this agent does not search memory")


class Reader(Protocol):
    """Knows what the agent knows now."""

    def current(self, pid: int | None) -> Observation:
        """Everything of one process, or of all for None.

        Raises:
            NotFoundError: No such process is watched.
        """
        ...


#: Who is at the other end of a connection, by what gRPC calls it; None where nobody is known.
PeerOf = Callable[[str], Peer | None]


class AgentService(agent_pb2_grpc.AgentServiceServicer):
    """The gRPC face of a Reader and of the agent's status. What reads or changes something is noted before it is done.

    Each of those raises ForbiddenError where nobody is known who asks.
    """

    def __init__(
        self,
        reader: Reader,
        status: Callable[[], AgentStatus],
        gate: LocalGate,
        *,
        redact: Redact,
        switch: Switch,
        prove: Prove,
        trail: Trail,
        peer: PeerOf,
    ) -> None:
        self._trail = trail
        self._peer = peer
        self._reader = reader
        self._status = status
        self._redact = redact
        self._gate = gate
        self._switch = switch
        self._prove = prove

    async def GetObservation(self, request: Any, context: Any) -> Any:  # noqa: ANN401, ARG002, N802
        """The current observation, with the names of all its sites."""
        current = self._reader.current(request.pid or None)
        try:
            return encoding.answer(current)
        except UNENCODABLE:
            return encoding.answer(encodable(current)[0])

    async def GetStatus(self, request: Any, context: Any) -> Any:  # noqa: ANN401, ARG002, N802
        """The agent's identity and how its uplink goes."""
        return encoding.encode_status(self._status())

    async def SwitchProbes(self, request: Any, context: Any) -> Any:  # noqa: ANN401, N802
        """Detaches probes or attaches them again, of what one process runs or of everything."""
        act, who = Act.PROBES_ON if request.on else Act.PROBES_OFF, self._who(context)
        detail = "of all that runs its file" if request.pid else "of all processes"
        self._trail.note(act, Actor.LOCAL, who, pid=request.pid, detail=detail)
        return encoding.switched(await self._switch(request.pid or None, request.on))

    async def ReadGoroutines(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: ANN401, N802
        """Every goroutine of one process that is watched, in messages of bounded size, read as they are sent."""
        self._reader.current(request.pid)
        self._trail.note_reading(Act.GOROUTINES_READ, self._who(context), request.pid)
        with self._gate.reading(), ExitStack() as stack:
            target = await in_thread(lambda: stack.enter_context(opened(request.pid)))
            messages = goroutine_messages.chunks(map(self._redact, target.goroutines()))
            while (message := await in_thread(lambda: next(messages, None))) is not None:
                yield message

    async def ReadGc(self, request: Any, context: Any) -> Any:  # noqa: ANN401, N802
        """The GC figures of one process that is watched."""
        self._reader.current(request.pid)
        self._trail.note_reading(Act.GC_READ, self._who(context), request.pid)
        with self._gate.reading():
            return gc_messages.encode(await in_thread(lambda: _gc_of(request.pid)))

    async def SearchMemory(self, request: Any, context: Any) -> Any:  # noqa: ANN401, N802
        """What a search of the memory of one process that is counted finds."""
        known = self._reader.current(request.pid).processes
        running = [process.key for process in known if not process.ended_unix_nano]
        if not running:
            raise NotFoundError(f"process {request.pid} has ended")
        self._trail.note_reading(Act.MEMORY_SEARCHED, self._who(context), request.pid)
        with self._gate.reading():
            outcome = await self._prove(running[-1])
        return agent_pb2.SearchMemoryResponse(outcome=outcomes.encode(outcome))

    def _who(self, context: Any) -> str:  # noqa: ANN401
        peer = self._peer(context.peer())
        if peer is None:
            raise ForbiddenError("whoever asks is not known: ask at the agent's own socket, and wait for the answer")
        return f"uid {peer.uid} pid {peer.pid}"


def _gc_of(pid: int) -> GcFigures:
    with opened(pid) as target:
        return target.gc()


@dataclass(frozen=True, slots=True)
class QueryServer:
    """A query service that serves; see `start_query_service`."""

    server: grpc.aio.Server
    health: health.aio.HealthServicer
    socket: LocalSocket

    async def stop(self, grace: float) -> None:
        """Says NOT_SERVING, gives running calls `grace` seconds, and removes the socket."""
        await set_serving(self.health, SERVICE_NAMES, serving=False)
        await self.server.stop(grace)
        self.socket.close()


async def start_query_service(
    listen: str,
    reader: Reader,
    status: Callable[[], AgentStatus],
    redact: Redact = same,
    *,
    gate: LocalGate | None = None,
    switch: Switch = no_switch,
    prove: Prove = no_search,
    trail: Trail | None = None,
) -> QueryServer:
    """Serves on `listen` ("unix:PATH", mode 0660), with health checking and reflection.

    `redact` makes of a goroutine what may be reported of it; `trail` is where it is noted who had something done.

    Raises:
        UnavailableError: Another agent listens there.
        UsageError: The path is taken by something else, or its folder is missing.
        UnsupportedError: This user may not make the socket.
    """
    path = Path(listen.removeprefix("unix:"))
    gate = gate or LocalGate()
    local = LocalSocket(path, gate.refuse_connection)
    for place in (path, local.inner):
        clear(place)
    service = AgentService(
        *(reader, status, gate), redact=redact, switch=switch, prove=prove, trail=trail or Trail(), peer=local.peer
    )
    server, servicer = new_server(
        lambda server: agent_pb2_grpc.add_AgentServiceServicer_to_server(service, server),
        SERVICE_NAMES,
        (("grpc.max_receive_message_length", QUESTION.most_bytes),),
        gate,
    )
    with_mode(INNER_MODE, lambda: _bind(server, local.inner))
    await server.start()
    await local.start()
    await set_serving(servicer, SERVICE_NAMES, serving=True)
    return QueryServer(server, servicer, local)


def _bind(server: grpc.aio.Server, path: Path) -> None:
    try:
        server.add_insecure_port(f"unix:{path}")
    except RuntimeError as error:
        raise UsageError(f"listen: cannot make the socket {path}: {error}") from error
