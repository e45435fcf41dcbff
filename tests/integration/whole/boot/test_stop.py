"""A stop of the services with 50 programs watched: in time, and nothing of theirs is left in a program."""

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests import debian_root, go_programs
from tests.booted_system import BootedSystem, eventually
from tests.integration.whole.boot.services import SERVICES, answer, ask, exited, helpers, program, running

pytestmark = [
    pytest.mark.usefixtures("ebpf"),
    pytest.mark.skipif(bool(debian_root.missing()), reason=debian_root.missing()),
    pytest.mark.timeout(900),
]
PROGRAMS = 50


def test_a_stop_with_50_programs_watched_ends_in_time_and_leaves_nothing(system: BootedSystem) -> None:
    """A uprobe is a breakpoint in the program's memory, or a jump: it differs from the file as long as it is there."""
    points = ask(system, "inspect", program())["probes"]
    with ExitStack() as stack:
        for copy in copies(system):
            last, pid = stack.enter_context(running(system, copy))
        memory = Path(f"/proc/{system.host_pid(pid)}/mem")
        eventually(lambda: watched(system) >= PROGRAMS, "all programs are watched")
        answer(last, "run 1")
        eventually(lambda: exited(system, pid) == [1], "the program is counted")
        clean = code_in(go_programs.build("churn"), points)
        assert code_at(memory, points) != clean, "the probes are there"
        system.run("systemctl", "stop", *SERVICES)
        assert code_at(memory, points) == clean
        assert json.loads(answer(last, "run 5"))["exited"] == 5
    for unit in SERVICES:
        assert (system.property(unit, "ActiveState"), system.property(unit, "Result")) == ("inactive", "success")
    assert not system.run("find", "/run/gosonde", "-type", "s", check=False).startswith("/run")
    eventually(lambda: not helpers(system), "the helper has ended with its agent")


def copies(system: BootedSystem) -> list[Path]:
    """Programs with a file of their own each: probes go by files."""
    paths = [Path(f"/root/program-{number}") for number in range(PROGRAMS)]
    system.run("sh", "-c", f"for copy in {' '.join(map(str, paths))}; do cp {program()} $copy; done")
    return paths


def watched(system: BootedSystem) -> int:
    return sum(row["level"] == "full" for row in ask(system, "processes"))


def code_in(executable: Path, points: list[dict[str, Any]]) -> list[bytes]:
    code = executable.read_bytes()
    return [code[point["file_offset"] :][:1] for point in points]


def code_at(memory: Path, points: list[dict[str, Any]]) -> list[bytes]:
    with memory.open("rb", buffering=0) as file:
        found = []
        for point in points:
            file.seek(int(point["address"]))
            found.append(file.read(1))
        return found
