"""`gosonde doctor --pprof`: who reaches the pprof handlers of a real Go program, what they show, and at what rates."""

import json
import re
import socket
import subprocess
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests import go_programs
from tests.collector_process import GOSONDE
from tests.go_programs import GoProgram

Start = Callable[..., GoProgram]
#: Bytes, ticks and fraction as Go has them unless a program changes them.
DEFAULTS = ("524288", "0", "0")


def doctor(target: object) -> tuple[int, Mapping[str, Any]]:
    """The exit code, and the checks by name."""
    command = (str(GOSONDE), "doctor", "--json", "--pprof", str(target))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    return done.returncode, {check["name"]: check for check in json.loads(done.stdout)["checks"]}


@pytest.mark.parametrize("by_pid", [True, False])
def test_on_loopback_handlers_are_listed_and_nothing_is_wrong(go_program: Start, by_pid: bool) -> None:
    program = go_program("served", "127.0.0.1:0", "-", *DEFAULTS)
    port = program.ready["port"]
    code, checks = doctor(program.pid if by_pid else f"127.0.0.1:{port}")
    assert code == 0
    assert checks["listens"]["found"] == f"at 127.0.0.1:{port} by process {program.pid}: this host alone reaches it"
    assert {"goroutine", "heap", "mutex"} <= set(re.findall(r"\w+", checks["handlers"]["found"]))
    assert "command line" in checks["handlers"]["found"]
    assert "any user of this host without a credential" in checks["credential"]["found"]
    assert checks["rates"]["found"] == "memory: one sample in 524288 bytes, block: off, mutex: off"


def test_on_every_address_without_a_credential_it_says_what_to_do(go_program: Start) -> None:
    program = go_program("served", "0.0.0.0:0", "-", *DEFAULTS)
    code, checks = doctor(program.pid)
    assert code == 1
    assert f"at [::]:{program.ready['port']} by process {program.pid}: other hosts" in checks["listens"]["found"]
    assert (checks["listens"]["status"], checks["credential"]["status"]) == ("missing", "missing")
    assert "127.0.0.1" in checks["listens"]["remedy"]
    assert "credential" in checks["credential"]["remedy"]


def test_handlers_behind_a_token_are_sound_on_every_address(go_program: Start) -> None:
    program = go_program("served", "0.0.0.0:0", "secret", *DEFAULTS)
    code, checks = doctor(program.pid)
    assert code == 0
    assert checks["credential"]["found"] == "without a credential it answers 401"
    assert "handlers" not in checks


def test_rates_that_slow_the_program_down_are_told(go_program: Start) -> None:
    program = go_program("served", "127.0.0.1:0", "-", "1", "1", "1")
    code, checks = doctor(program.pid)
    assert code == 1
    assert checks["rates"]["found"] == (
        "memory: one sample in 1 bytes, block: one sample in 1 ticks of the CPU, mutex: one sample in 1 contended locks"
    )
    assert "SetBlockProfileRate" in checks["rates"]["remedy"]


def test_rates_of_a_stripped_program_are_not_known() -> None:
    executable = go_programs.build("served", ldflags=("-s", "-w"))
    with GoProgram(executable, "127.0.0.1:0", "-", *DEFAULTS) as program:
        code, checks = doctor(program.pid)
    assert code == 0
    assert "stripped" in checks["rates"]["found"]


def test_a_program_that_does_not_listen_is_an_error(go_program: Start) -> None:
    program = go_program("parked", "1")
    command = (str(GOSONDE), "doctor", "--pprof", str(program.pid))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert f"process {program.pid} does not listen at any TCP port" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_no_place_is_wrong_usage() -> None:
    done = subprocess.run((str(GOSONDE), "doctor", "--pprof", "what"), capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "neither HOST:PORT nor a process id" in done.stderr


def test_a_server_that_never_answers_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        code, checks = doctor(f"127.0.0.1:{silent.getsockname()[1]}")
    assert code == 1
    assert "does not answer as HTTP" in checks["handlers"]["found"]


def test_of_a_port_where_nobody_listens_the_systems_words_are_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    code, checks = doctor(f"127.0.0.1:{port}")
    assert code == 1
    assert checks["handlers"]["found"].endswith("takes no connection: Connection refused")


def test_a_process_of_another_network_namespace_is_refused_with_what_to_do(go_program: Start) -> None:
    program = go_program("served", "127.0.0.1:0", "-", *DEFAULTS)
    command = ("unshare", "--net", str(GOSONDE), "doctor", "--pprof", str(program.pid))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert f"nsenter --net -t {program.pid}" in done.stderr
