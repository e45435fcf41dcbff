"""The agent's socket asks the kernel who connects, whatever the mode of its file says."""

import asyncio
import os
import shutil
import socket
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from gosonde.agent_client import AgentClient
from gosonde_agent.model.trail import Trail
from gosonde_agent.serve.local_socket import CONNECTIONS_PER_USER, Peer, inner_path
from gosonde_agent.serve.query_service import LocalGate, start_query_service
from gosonde_common.errors import UnavailableError
from gosonde_common.values.audit import Act, Actor
from gosonde_pb.v1 import agent_pb2, agent_pb2_grpc

from tests.unit.agent.serve.test_query_service import STATUS, FixedReader


@pytest.fixture
def path() -> Iterator[Path]:
    """In a folder that everyone may enter."""
    folder = Path(tempfile.mkdtemp(prefix="gosonde-"))
    folder.chmod(0o755)
    yield folder / "agent.sock"
    shutil.rmtree(folder)


async def test_nobody_but_the_owner_can_go_around_it(path: Path) -> None:
    server = await start_query_service(f"unix:{path}", FixedReader(), lambda: STATUS)
    modes = [stat.S_IMODE(place.stat().st_mode) for place in (path, inner_path(path))]
    await server.stop(0)
    assert modes == [0o660, 0o600]
    assert list(path.parent.iterdir()) == []


async def test_one_user_has_only_so_many_connections(path: Path) -> None:
    gate = LocalGate()
    server = await start_query_service(f"unix:{path}", FixedReader(), lambda: STATUS, gate=gate)
    loop = asyncio.get_running_loop()
    taken: list[socket.socket] = []

    async def connect() -> bytes:
        connection = socket.socket(socket.AF_UNIX)
        connection.setblocking(False)
        taken.append(connection)
        await loop.sock_connect(connection, str(path))
        return await loop.sock_recv(connection, 9)

    try:
        for _ in range(CONNECTIONS_PER_USER):
            assert len(await connect()) == 9
        assert await connect() == b""
        assert gate.refused_total == {"connections": 1}
        taken.pop(0).close()
        async with asyncio.timeout(20):
            while not await connect():
                await asyncio.sleep(0.02)
    finally:
        for connection in taken:
            connection.close()
        await server.stop(0)


def test_the_kernel_says_who_is_there() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        peer = Peer.of(ours)
    assert (peer.pid, peer.uid) == (os.getpid(), os.geteuid())
    assert peer.groups == {os.getegid(), *os.getgroups()}


async def test_who_has_probes_switched_is_noted_as_the_kernel_knows_him_before_it_is_done(path: Path) -> None:
    trail = Trail()
    server = await start_query_service(f"unix:{path}", FixedReader(), lambda: STATUS, trail=trail)
    try:
        with AgentClient(f"unix:{path}") as client, pytest.raises(UnavailableError, match="no probes to switch"):
            await asyncio.to_thread(client.switch_probes, 1, on=False)
    finally:
        await server.stop(0)
    (event,) = trail.take()
    assert (event.act, event.actor, event.pid) == (Act.PROBES_OFF, Actor.LOCAL, 1)
    assert event.who == f"uid {os.geteuid()} pid {os.getpid()}"


async def test_nothing_is_done_for_whoever_is_not_known(path: Path) -> None:
    trail = Trail()
    server = await start_query_service(f"unix:{path}", FixedReader(), lambda: STATUS, trail=trail)
    try:
        async with grpc.aio.insecure_channel(f"unix:{inner_path(path)}") as channel:
            stub = agent_pb2_grpc.AgentServiceStub(channel)
            await stub.GetStatus(agent_pb2.GetStatusRequest())
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await stub.SwitchProbes(agent_pb2.SwitchProbesRequest(on=False))
    finally:
        await server.stop(0)
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert trail.take() == ()
