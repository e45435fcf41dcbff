"""A typed client of the agent on this host."""

from typing import Final

from gosonde_common.addresses import AGENT_ADDRESS
from gosonde_common.values.gc import GcFigures
from gosonde_common.values.goroutines import Goroutine
from gosonde_common.values.observation import Observation, Process
from gosonde_common.values.reachability import SearchOutcome
from gosonde_common.values.status import AgentStatus
from gosonde_common.wire import outcomes
from gosonde_common.wire.gc import decode as decode_gc
from gosonde_common.wire.goroutines import decode as decode_goroutines
from gosonde_common.wire.observations import decode, decode_status, decode_switched
from gosonde_pb.v1 import agent_pb2
from gosonde_pb.v1.agent_pb2_grpc import AgentServiceStub

from gosonde.transport import failures
from gosonde.transport.access import Access
from gosonde.transport.aio import AsyncConnection, AsyncStream

#: Taking out a probe takes the kernel 100 ms.
SWITCH_SECONDS: Final = 120.0
#: A search takes five seconds at least, and waits for others.
SEARCH_SECONDS: Final = 120.0

#: An observation of a busy host can be larger than gRPC's 4 MiB.
MAX_ANSWER_BYTES: Final = 64 << 20
OPTIONS: Final = (("grpc.max_receive_message_length", MAX_ANSWER_BYTES), ("grpc.use_local_subchannel_pool", 1))


class AsyncAgentClient(AsyncConnection):
    """Asks the agent that listens on `address`; use it as an asynchronous context manager.

    Every method raises UnavailableError when no agent answers within `timeout_seconds`, and UnsupportedError when this
    user may not ask it.
    """

    def __init__(self, address: str = AGENT_ADDRESS, timeout_seconds: float = 10.0) -> None:
        super().__init__(address, timeout_seconds, Access(), failures.of_agent, OPTIONS)
        self._stub = AgentServiceStub(self._channel)

    async def observation(self, pid: int | None = None) -> Observation:
        """Everything that the agent knows now, of one process or of all.

        Raises:
            NotFoundError: The agent watches no process with that pid.
            InvalidInputError: The answer is malformed.
        """
        request = agent_pb2.GetObservationRequest(pid=pid or 0)
        answer = await self._call(self._stub.GetObservation, request)
        return decode(answer.observation)

    def goroutines(self, pid: int) -> AsyncStream[Goroutine]:
        """Every goroutine of a process, read from its memory as they come. Iterating it raises:

        Raises:
            NotFoundError: The agent watches no process with that pid.
            UnsupportedError: Its memory cannot be read.
        """
        return self._stream(self._stub.ReadGoroutines, agent_pb2.ReadGoroutinesRequest(pid=pid), decode_goroutines)

    async def switch_probes(self, pid: int | None, *, on: bool) -> tuple[Process, ...]:
        """Detaches all probes from what a process runs, or (None) from everything, or attaches them again.

        Returns:
            Every process that this was done to: probes belong to a file.

        Raises:
            NotFoundError: The agent watches no process with that pid.
        """
        request = agent_pb2.SwitchProbesRequest(pid=pid or 0, on=on)
        return decode_switched(await self._call(self._stub.SwitchProbes, request, SWITCH_SECONDS))

    async def gc(self, pid: int) -> GcFigures:
        """The runtime's own account of a process's garbage collections, read from its memory.

        Raises:
            NotFoundError: The agent watches no process with that pid.
            UnsupportedError: Its memory cannot be read.
        """
        return decode_gc(await self._call(self._stub.ReadGc, agent_pb2.ReadGcRequest(pid=pid)))

    async def search(self, pid: int) -> SearchOutcome:
        """What a search of a process's memory finds; `observation` has what was found of each `go` statement.

        Raises:
            NotFoundError: The agent counts no process with that pid.
            OverloadedError: Searches have taken what they may, or this one does not end in time.
        """
        answer = await self._call(self._stub.SearchMemory, agent_pb2.SearchMemoryRequest(pid=pid), SEARCH_SECONDS)
        return outcomes.decode(answer.outcome)

    async def status(self) -> AgentStatus:
        """Who the agent is, and how its uplink goes."""
        return decode_status(await self._call(self._stub.GetStatus, agent_pb2.GetStatusRequest()))
