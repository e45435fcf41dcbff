"""HTTP connections are those that a program's own hooks have counted, with every Go that is supported."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gosonde_agent.sources.memory.http.listing import read_http
from gosonde_agent.sources.memory.target import opened
from gosonde_common.values.http import HttpConnections, HttpGroup, Side, State

from tests import toolchains
from tests.agent_process import eventually
from tests.go_programs import GoProgram
from tests.versions import IS_MATRIX, VERSIONS

Start = Callable[..., GoProgram]
GOSONDE = str(Path(sys.executable).with_name("gosonde"))
STRIPPED: dict[str, Any] = {"buildmode": "pie", "ldflags": ("-s", "-w")}
SECOND_NS = 1_000_000_000
SYMBOLS: dict[str, Any] = {}
#: In CI the middle version has symbols, the oldest and the newest have none.
BUILDS = (SYMBOLS, STRIPPED) if IS_MATRIX else ()
KINDS = [(version, build) for version in VERSIONS for build in BUILDS] or [
    *zip(VERSIONS, (STRIPPED, SYMBOLS, STRIPPED), strict=True)
]
every_kind = pytest.mark.parametrize(
    ("version", "build"), KINDS, ids=[f"{version} {'stripped PIE' if build else 'symbols'}" for version, build in KINDS]
)


def read(program: GoProgram) -> HttpConnections:
    with opened(program.pid) as target:
        return read_http(target)


def one(found: HttpConnections) -> HttpGroup:
    (group,) = found.groups
    assert (found.changing, found.unread) == (0, 0)
    return group


def states(found: HttpConnections) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for group in found.groups:
        counts[group.state] += group.connections
    return dict(counts)


@every_kind
def test_connections_whose_bodies_were_left_open_are_as_many_as_the_client_did_not_put_back(
    go_program: Start, version: str, build: dict[str, Any]
) -> None:
    program = go_program("connected/bodies", "3", "4", version=version, **build)
    found = read(program)
    assert program.ready["open"] == 7
    assert states(found) == {State.BODY: 7}
    assert {(group.side, group.protocol, group.scheme, group.host) for group in found.groups} == {
        (Side.CLIENT, "HTTP/1.1", "http", program.ready["host"])
    }
    assert all(group.oldest_is_least and 0 < (group.oldest_ns or 0) < 600 * SECOND_NS for group in found.groups)
    held = {group.function: group.connections for group in found.groups if group.function}
    assert held == {"main.hold": 3}
    forgotten = sum(group.connections for group in found.groups if group.is_on_no_stack)
    # Older versions keep nothing that leads to the others: those are freed by now.
    assert forgotten == 4 if version == toolchains.DEFAULT else forgotten <= 4
    program.ask("close")
    eventually(lambda: states(read(program)) == {State.BODY: 4})


@every_kind
def test_connections_on_which_no_answer_has_come_wait_for_the_server(
    go_program: Start, version: str, build: dict[str, Any]
) -> None:
    program = go_program("connected/slow", "5", version=version, **build)
    group = one(read(program))
    assert (group.state, group.connections) == (State.WAITING, program.ready["waiting"])
    assert (group.connections, group.scheme, group.host) == (5, "http", program.ready["host"])


@every_kind
def test_connections_that_were_put_back_are_idle_since_then(
    go_program: Start, version: str, build: dict[str, Any]
) -> None:
    program = go_program("connected/idle", "6", version=version, **build)
    group = one(read(program))
    assert (group.state, group.connections) == (State.IDLE, program.ready["idle"])
    assert (group.connections, group.host) == (6, program.ready["host"])
    assert 0 < (group.oldest_ns or 0) < 600 * SECOND_NS
    assert not group.oldest_is_least
    later = one(read(program))
    assert (later.oldest_ns or 0) > (group.oldest_ns or 0)


@every_kind
def test_a_servers_connections_are_in_the_states_that_its_hook_was_told(
    go_program: Start, version: str, build: dict[str, Any]
) -> None:
    program = go_program("connected/served", "2", "3", "4", "0", version=version, **build)
    found = read(program)
    assert {name: program.ready[name] for name in ("new", "idle", "active")} == {"new": 2, "idle": 3, "active": 4}
    assert {(group.state, group.function): group.connections for group in found.groups} == {
        (State.NEW, ""): 2,
        (State.IDLE, ""): 3,
        (State.ACTIVE, "main.slow"): 4,
    }
    assert {group.side for group in found.groups} == {Side.SERVER}
    assert all(0 <= (group.oldest_ns or 0) < 600 * SECOND_NS for group in found.groups)


@every_kind
def test_connections_of_http2_have_the_requests_that_client_and_server_have_counted(
    go_program: Start, version: str, build: dict[str, Any]
) -> None:
    program = go_program("connected/http2", "3", "2", version=version, **build)
    ready = program.ready
    found = read(program)
    clients = {group.state: group.requests for group in found.groups if group.side is Side.CLIENT}
    servers = {(group.state, group.requests) for group in found.groups if group.side is Side.SERVER}
    assert clients == {State.BODY: ready["bodies"], State.WAITING: ready["waiting"], State.IDLE: 0}
    assert (ready["bodies"], ready["waiting"], ready["serving"]) == (2, 3, 5)
    hosts = {(group.scheme, group.host) for group in found.groups if group.side is Side.CLIENT}
    assert hosts == {("https", "example.com")}
    assert {(group.protocol, group.connections) for group in found.groups} <= {("HTTP/2", 1), ("HTTP/2", 2)}
    assert sum(group.connections for group in found.groups if group.side is Side.SERVER) == 3
    if version == toolchains.DEBIAN:  # a goroutine does not know yet who created it
        assert servers == {(State.ACTIVE, 5), (State.IDLE, 0)}
    else:
        handlers = {group.function: group.requests for group in found.groups if group.state is State.ACTIVE}
        assert handlers == {"main.slow": 3, "main.stream": 2}


def test_a_connection_whose_handler_runs_is_active(go_program: Start) -> None:
    program = go_program("connected/served", "0", "1", "0", "1")
    assert states(read(program)) == {State.IDLE: 1, State.ACTIVE: program.ready["active"]}


def test_a_program_without_connections_has_none(go_program: Start) -> None:
    assert read(go_program("timed/sleepers", "1")).groups == []


def test_connections_of_programs_with_c_are_read_as_well(go_program: Start) -> None:
    program = go_program("connected/slow", "2", build_env={"CGO_ENABLED": "1"})
    assert (one(read(program)).state, one(read(program)).connections) == (State.WAITING, 2)


def test_the_command_prints_groups_for_people_and_for_programs(go_program: Start) -> None:
    program = go_program("connected/served", "1", "0", "2", "0", version=toolchains.DEFAULT)
    command = [GOSONDE, "http", str(program.pid)]
    printed = subprocess.run([*command, "--json", "--state", "act"], capture_output=True, check=True).stdout
    (group,) = json.loads(printed)
    assert 0 <= group.pop("oldest_ns") < 600 * SECOND_NS
    assert group == {
        "side": "server",
        "protocol": "HTTP/1.1",
        "scheme": "",
        "host": "",
        "state": "active",
        "function": "main.slow",
        "connections": 2,
        "requests": 2,
        "is_on_no_stack": False,
        "oldest_is_least": False,
    }
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert [line.split()[0] for line in text.splitlines()[1:3]] == ["2", "1"]
    assert "3 connections in all" in text
