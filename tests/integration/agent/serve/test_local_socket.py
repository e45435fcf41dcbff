"""The agent's socket refuses other users, whatever the mode of its file says."""

import asyncio
import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from gosonde_agent.serve.query_service import LocalGate, start_query_service

from tests.unit.agent.serve.test_query_service import STATUS, FixedReader

NOBODY = 65_534
#: gRPC's server says its settings as soon as it has a connection.
ASK = """
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(20)
s.connect(sys.argv[1])
print(len(s.recv(9)))
"""
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")


@pytest.fixture
def path() -> Iterator[Path]:
    """In a folder that everyone may enter."""
    with tempfile.TemporaryDirectory(prefix="gosonde-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder) / "agent.sock"


async def bytes_for(path: Path, user: int, groups: Sequence[int] = ()) -> int:
    """How many bytes another user gets for a connection."""
    wanted = f"--groups={','.join(map(str, groups))}" if groups else "--clear-groups"
    command = ("setpriv", f"--reuid={user}", f"--regid={user}", wanted, "/usr/bin/python3", "-c", ASK, str(path))
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return int(out)


@as_root
async def test_who_is_neither_owner_nor_in_the_group_is_refused_whatever_the_mode_says(path: Path) -> None:
    gate = LocalGate()
    server = await start_query_service(f"unix:{path}", FixedReader(), lambda: STATUS, gate=gate)
    try:
        path.chmod(0o666)
        assert await bytes_for(path, NOBODY) == 0
        assert gate.refused_total == {"credentials": 1}
        assert await bytes_for(path, NOBODY, [os.getegid()]) == 9
        assert await bytes_for(path, os.geteuid()) == 9
        assert gate.refused_total == {"credentials": 1}
    finally:
        await server.stop(0)
