"""The agent's query service says of goroutines what reading them directly shows."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from gosonde.agent_client import AgentClient
from gosonde_agent.serve.latest import Latest
from gosonde_agent.serve.query_service import start_query_service
from gosonde_agent.sources.memory.target import opened
from gosonde_common.errors import NotFoundError
from gosonde_common.values.observation import Observation, Process, ProcessKey
from gosonde_common.values.status import AgentStatus, UplinkStatus

from tests.go_programs import GoProgram

STATUS = AgentStatus("id", "0.1", "host", 5, UplinkStatus(""))


def watching(pid: int) -> Latest:
    """What an agent that watches one process answers from."""
    latest = Latest()
    process = Process(ProcessKey("boot", pid, 1, 0), "/srv/app", "go1.27", "build", 1, 1, counted_from_start=False)
    latest.update(Observation(taken_unix_nano=1, processes=(process,)))
    return latest


async def test_a_client_gets_every_goroutine(go_program: Callable[..., GoProgram], tmp_path: Path) -> None:
    program = go_program("parked", "1200")
    path = f"unix:{tmp_path / 'agent.sock'}"
    server = await start_query_service(path, watching(program.pid), lambda: STATUS)
    try:
        with AgentClient(path) as client:
            reported = await asyncio.to_thread(lambda: list(client.goroutines(program.pid)))
            with pytest.raises(NotFoundError):
                await asyncio.to_thread(lambda: list(client.goroutines(1)))
    finally:
        await server.stop(0)
    with opened(program.pid) as target:
        direct = list(target.goroutines())
    assert len(reported) > 1200
    assert [replace(g, wait_ns=None) for g in reported] == [replace(g, wait_ns=None) for g in direct]
