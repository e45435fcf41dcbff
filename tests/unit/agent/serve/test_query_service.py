import asyncio
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from gosonde.agent_client import AgentClient
from gosonde_agent.serve.query_service import (
    MAX_READINGS,
    LocalGate,
    QueryServer,
    start_query_service,
)
from gosonde_common.errors import (
    NotFoundError,
    OverloadedError,
    UnavailableError,
    UsageError,
)
from gosonde_common.receiving import MAX_ARRIVING, QUESTION_BYTES
from gosonde_common.values.observation import Observation, ProcessKey
from gosonde_common.values.reachability import SearchOutcome
from gosonde_common.values.status import AgentStatus, UplinkStatus
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from tests.unit.agent.observations import count, observed, pause, process

ONE, TWO = process(1), process(2)
STATUS = AgentStatus("id", "0.1", "host", 5, UplinkStatus("c:1", error="UNAVAILABLE: nobody there"))


class FixedReader:
    def current(self, pid: int | None) -> Observation:
        if pid not in (None, 1):
            raise NotFoundError(f"no process {pid} is watched")
        counts = (count(ONE, 1, 5, 2), count(TWO, 1, 7))
        if pid is None:
            return observed(ONE, TWO, site_counts=counts, pauses=(pause(TWO, 3),))
        return observed(ONE, site_counts=counts[:1])


@asynccontextmanager
async def service(path: Path) -> AsyncIterator[QueryServer]:
    server = await start_query_service(f"unix:{path}", FixedReader(), lambda: STATUS)
    try:
        yield server
    finally:
        await server.stop(0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "agent.sock"


async def test_a_client_reads_the_whole_observation_or_that_of_one_process(path: Path) -> None:
    async with service(path):
        with AgentClient(f"unix:{path}") as client:
            assert await asyncio.to_thread(client.observation) == FixedReader().current(None)
            assert await asyncio.to_thread(client.observation, 1) == FixedReader().current(1)


async def test_a_client_reads_the_status(path: Path) -> None:
    async with service(path):
        with AgentClient(f"unix:{path}") as client:
            assert await asyncio.to_thread(client.status) == STATUS


async def test_a_process_that_is_not_watched_is_not_found(path: Path) -> None:
    async with service(path):
        with AgentClient(f"unix:{path}") as client, pytest.raises(NotFoundError, match="no process 3 is watched"):
            await asyncio.to_thread(client.observation, 3)


def test_a_client_of_an_agent_that_is_not_there_says_what_to_do(path: Path) -> None:
    with AgentClient(f"unix:{path}") as client, pytest.raises(UnavailableError, match="start `gosonde agent`"):
        client.status()


async def test_an_answer_may_be_larger_than_grpcs_default(path: Path) -> None:
    processes = tuple(process(pid) for pid in range(1, 40_001))

    class LargeReader:
        def current(self, pid: int | None) -> Observation:
            assert pid is None
            return observed(*processes)

    server = await start_query_service(f"unix:{path}", LargeReader(), lambda: STATUS)
    with AgentClient(f"unix:{path}", timeout_seconds=60) as client:
        assert (await asyncio.to_thread(client.observation)).processes == processes
    await server.stop(0)


async def test_the_socket_is_open_to_owner_and_group_only_and_goes_with_the_server(path: Path) -> None:
    async with service(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert not path.exists()


async def test_it_answers_health_checks_and_reflection(path: Path) -> None:
    async with service(path):
        async with grpc.aio.insecure_channel(f"unix:{path}") as channel:
            request = health_pb2.HealthCheckRequest(service="gosonde.v1.AgentService")
            answer = await health_pb2_grpc.HealthStub(channel).Check(request)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        with grpc.insecure_channel(f"unix:{path}") as channel:
            names = await asyncio.to_thread(lambda: ProtoReflectionDescriptorDatabase(channel).get_services())
    assert {"gosonde.v1.AgentService", "grpc.health.v1.Health"} <= set(names)


async def test_a_socket_that_a_killed_agent_left_is_replaced(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    assert path.is_socket()
    async with service(path):
        with AgentClient(f"unix:{path}") as client:
            assert await asyncio.to_thread(client.status) == STATUS


async def test_a_second_agent_is_refused_and_the_first_goes_on(path: Path) -> None:
    async with service(path):
        with pytest.raises(UnavailableError, match="another agent runs"):
            await start_query_service(f"unix:{path}", FixedReader(), lambda: STATUS)
        with AgentClient(f"unix:{path}") as client:
            assert await asyncio.to_thread(client.status) == STATUS


async def test_a_busy_listener_counts_as_running(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as waiting:
        busy.bind(str(path))
        busy.listen(0)
        waiting.connect(str(path))
        with pytest.raises(UnavailableError, match="another agent runs"):
            await start_query_service(f"unix:{path}", FixedReader(), lambda: STATUS)
        assert path.exists()


async def test_a_file_that_is_no_socket_is_refused_and_kept(path: Path) -> None:
    path.write_text("precious")
    with pytest.raises(UsageError, match="exists and is not a socket"):
        await start_query_service(f"unix:{path}", FixedReader(), lambda: STATUS)
    assert path.read_text() == "precious"


async def test_a_missing_folder_is_made_for_its_owner_and_its_group(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "agent.sock"
    async with service(path):
        assert path.is_socket()
        assert path.parent.stat().st_mode & 0o027 == 0


async def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"cannot make .*file: .*; give another path with --listen"):
        await start_query_service(f"unix:{tmp_path}/file/agent.sock", FixedReader(), lambda: STATUS)


async def test_a_question_that_is_too_large_is_refused(path: Path) -> None:
    async with service(path), grpc.aio.insecure_channel(f"unix:{path}") as channel:
        call: Any = channel.unary_unary("/gosonde.v1.AgentService/GetObservation")
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await call(bytes(QUESTION_BYTES + 1))
        assert refusal.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_question_that_inflates_beyond_that_is_refused(path: Path) -> None:
    server = await start_query_service(f"unix:{path}", FixedReader(), lambda: STATUS)
    try:
        async with grpc.aio.insecure_channel(f"unix:{path}") as channel:
            call: Any = channel.unary_unary("/gosonde.v1.AgentService/GetObservation")
            with pytest.raises(grpc.aio.AioRpcError) as refusal:
                await call(bytes(32 << 20), compression=grpc.Compression.Gzip)
            assert refusal.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    finally:
        await server.stop(0)


async def test_questions_that_are_never_finished_keep_nobody_out(path: Path) -> None:
    server = await start_query_service(f"unix:{path}", FixedReader(), lambda: STATUS)
    never = asyncio.Event()

    async def nothing() -> AsyncIterator[bytes]:
        await never.wait()
        yield b""

    try:
        async with grpc.aio.insecure_channel(f"unix:{path}") as channel:
            begin: Any = channel.stream_unary("/gosonde.v1.AgentService/GetStatus")
            unfinished = [begin(nothing()) for _ in range(3 * MAX_ARRIVING)]
            async with grpc.aio.insecure_channel(f"unix:{path}", [("grpc.use_local_subchannel_pool", 1)]) as other:
                ask: Any = other.unary_unary("/gosonde.v1.AgentService/GetStatus")
                for _ in range(10):
                    assert await ask(b"")
            first = await asyncio.wait_for(unfinished[0].code(), 30)
            assert first is grpc.StatusCode.UNAVAILABLE
            for call in unfinished:
                call.cancel()
    finally:
        await server.stop(0)


async def test_who_asks_too_often_is_told_so_and_counted_and_health_still_answers(path: Path) -> None:
    gate = LocalGate()
    server = await start_query_service(f"unix:{path}", FixedReader(), lambda: STATUS, gate=gate)
    try:
        async with grpc.aio.insecure_channel(f"unix:{path}") as channel:
            ask: Any = channel.unary_unary("/gosonde.v1.AgentService/GetStatus")
            results = []
            for _ in range(20):
                results += await asyncio.gather(*(ask(b"") for _ in range(50)), return_exceptions=True)
            refused = [error for error in results if isinstance(error, grpc.aio.AioRpcError)]
            assert 0 < len(refused) < 1000
            assert {error.code() for error in refused} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
            assert gate.refused_total["RESOURCE_EXHAUSTED"] == len(refused)
            answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
    finally:
        await server.stop(0)


def test_only_so_many_readings_of_goroutines_go_on_at_a_time() -> None:
    gate = LocalGate()
    with ExitStack() as readings:
        for _ in range(MAX_READINGS):
            readings.enter_context(gate.reading())
        with pytest.raises(OverloadedError, match="try again later"), gate.reading():
            pass
    with gate.reading():
        pass


async def test_a_process_is_searched_for_who_asks_and_only_one_that_is_watched(path: Path) -> None:
    found, asked = SearchOutcome(5, 5, "", 30, 20, 1), []

    async def prove(key: ProcessKey) -> SearchOutcome:
        asked.append(key)
        if len(asked) > 1:
            raise OverloadedError("searches have taken what they may")
        return found

    server = await start_query_service(f"unix:{path}", FixedReader(), lambda: STATUS, prove=prove)
    try:
        with AgentClient(f"unix:{path}") as client:
            assert await asyncio.to_thread(client.search, 1) == found
            with pytest.raises(OverloadedError, match="what they may"):
                await asyncio.to_thread(client.search, 1)
            with pytest.raises(NotFoundError):
                await asyncio.to_thread(client.search, 4)
    finally:
        await server.stop(0)
    assert asked == [ONE.key] * 2
