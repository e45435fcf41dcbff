"""An agent's snapshot from memory says to which hosts a real client has connections, unless paths are redacted."""

import gzip
from collections.abc import Callable

from gosonde_agent.model.snapshots import SnapshotKind, SnapshotRequest
from gosonde_agent.snapshots.redaction import Redact, Redaction, same
from gosonde_agent.snapshots.taking import Snapshots
from gosonde_collector.evidence.model import MEMORY, GoroutineProfile
from gosonde_collector.evidence.parse import parse_profile
from gosonde_common.values.http import HostConnections
from gosonde_common.values.observation import ProcessKey

from tests.go_programs import GoProgram

Start = Callable[..., GoProgram]


async def snapshot(program: GoProgram, redact: Redact = same) -> GoroutineProfile:
    request = SnapshotRequest(1, ProcessKey("boot", program.pid, 1, 0), SnapshotKind.MEMORY)
    profile = parse_profile(gzip.decompress(await Snapshots(lambda _: True, redact).take(request)))
    assert isinstance(profile, GoroutineProfile)
    assert profile.format == MEMORY
    return profile


async def test_the_hosts_are_those_that_the_client_has_connections_to(go_program: Start) -> None:
    program = go_program("connected/bodies", "3", "4")
    profile = await snapshot(program)
    assert profile.hosts == (HostConnections(f"http://{program.ready['host']}", 7, 7, 0, 0, 4),)
    assert profile.hosts[0].said.startswith("7 of 7 connections to http://127.0.0.1:")


async def test_a_program_without_connections_has_no_hosts(go_program: Start) -> None:
    assert (await snapshot(go_program("timed/sleepers", "1"))).hosts == ()


async def test_hosts_do_not_leave_the_host_where_paths_may_not(go_program: Start) -> None:
    assert (await snapshot(go_program("connected/bodies", "1", "0"), Redaction().goroutine)).hosts == ()
