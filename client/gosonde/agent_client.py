"""A typed client of the agent on this host."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import grpc
from gosonde_common.addresses import AGENT_ADDRESS
from gosonde_common.errors import (
    GosondeError,
    InvalidInputError,
    NotFoundError,
    OverloadedError,
    UnavailableError,
    UnsupportedError,
)
from gosonde_common.values.gc import GcFigures
from gosonde_common.values.goroutines import Goroutine
from gosonde_common.values.observation import Observation, Process
from gosonde_common.values.reachability import SearchOutcome
from gosonde_common.values.status import AgentStatus
from gosonde_common.wire import outcomes
from gosonde_common.wire.gc import decode as decode_gc
from gosonde_common.wire.goroutines import decode as decode_goroutines
from gosonde_common.wire.observations import decode, decode_status, decode_switched
from gosonde_pb.v1.agent_pb2 import (
    GetObservationRequest,
    GetStatusRequest,
    ReadGcRequest,
    ReadGoroutinesRequest,
    SearchMemoryRequest,
    SwitchProbesRequest,
)
from gosonde_pb.v1.agent_pb2_grpc import AgentServiceStub

from gosonde.agent_access import why_unavailable

#: Taking out a probe takes the kernel 100 ms.
SWITCH_SECONDS = 120.0
#: A search takes five seconds at least, and waits for others.
SEARCH_SECONDS = 120.0

#: An observation of a busy host can be larger than gRPC's 4 MiB.
MAX_ANSWER_BYTES = 64 << 20

ERRORS: dict[grpc.StatusCode, type[GosondeError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidInputError,
    grpc.StatusCode.NOT_FOUND: NotFoundError,
    grpc.StatusCode.FAILED_PRECONDITION: UnsupportedError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: OverloadedError,
}


class AgentClient:
    """Asks the agent that listens on `address`; use it as a context manager.

    Every method raises UnavailableError when no agent answers within `timeout_seconds`, and UnsupportedError when this
    user may not ask it.
    """

    def __init__(self, address: str = AGENT_ADDRESS, timeout_seconds: float = 10.0) -> None:
        self._address = address
        self._timeout = timeout_seconds
        options = (("grpc.max_receive_message_length", MAX_ANSWER_BYTES), ("grpc.use_local_subchannel_pool", 1))
        self._channel = grpc.insecure_channel(address, options=options)
        self._stub = AgentServiceStub(self._channel)

    def __enter__(self) -> Self:
        """Returns the client itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the connection."""
        self._channel.close()

    def observation(self, pid: int | None = None) -> Observation:
        """Everything that the agent knows now, of one process or of all.

        Raises:
            NotFoundError: The agent watches no process with that pid.
            InvalidInputError: The answer is malformed.
        """
        with self._errors():
            answer = self._stub.GetObservation(GetObservationRequest(pid=pid or 0), timeout=self._timeout)
        return decode(answer.observation)

    def goroutines(self, pid: int) -> Iterator[Goroutine]:
        """Every goroutine of a process, read from its memory as they come.

        Raises:
            NotFoundError: The agent watches no process with that pid.
            UnsupportedError: Its memory cannot be read.
        """
        with self._errors():
            for response in self._stub.ReadGoroutines(ReadGoroutinesRequest(pid=pid)):
                yield from decode_goroutines(response)

    def switch_probes(self, pid: int | None, *, on: bool) -> tuple[Process, ...]:
        """Detaches all probes from what a process runs, or (None) from everything, or attaches them again.

        Returns:
            Every process that this was done to: probes belong to a file.

        Raises:
            NotFoundError: The agent watches no process with that pid.
        """
        with self._errors():
            return decode_switched(
                self._stub.SwitchProbes(SwitchProbesRequest(pid=pid or 0, on=on), timeout=SWITCH_SECONDS)
            )

    def gc(self, pid: int) -> GcFigures:
        """The runtime's own account of a process's garbage collections, read from its memory.

        Raises:
            NotFoundError: The agent watches no process with that pid.
            UnsupportedError: Its memory cannot be read.
        """
        with self._errors():
            return decode_gc(self._stub.ReadGc(ReadGcRequest(pid=pid), timeout=self._timeout))

    def search(self, pid: int) -> SearchOutcome:
        """What a search of a process's memory finds; `observation` has what was found of each `go` statement.

        Raises:
            NotFoundError: The agent counts no process with that pid.
            OverloadedError: Searches have taken what they may, or this one does not end in time.
        """
        with self._errors():
            request = SearchMemoryRequest(pid=pid)
            return outcomes.decode(self._stub.SearchMemory(request, timeout=SEARCH_SECONDS).outcome)

    def status(self) -> AgentStatus:
        """Who the agent is, and how its uplink goes."""
        with self._errors():
            return decode_status(self._stub.GetStatus(GetStatusRequest(), timeout=self._timeout))

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except grpc.RpcError as error:
            raise self._translated(error) from error

    def _translated(self, error: grpc.RpcError) -> GosondeError:
        code, details = error.code(), error.details()
        if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
            return why_unavailable(self._address) or UnavailableError(
                f"no agent answers on {self._address} ({details}); is gosonde agent running?"
            )
        return ERRORS.get(code, GosondeError)(f"the agent on {self._address} answered {code.name}: {details}")
