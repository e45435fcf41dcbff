"""The installed units under a real systemd: their users, capabilities, watchdog, restarts, and what a stop leaves."""

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from gosonde_agent.host.privileges import KEPT

from tests import booted_system, go_programs
from tests.booted_system import BootedSystem, child_of, eventually
from tests.paths import ROOT

AGENT, COLLECTOR = "gosonde-agent.service", "gosonde-collector.service"
HELPERS = "gosonde-helper@*.service"
pytestmark = [
    pytest.mark.usefixtures("ebpf"),
    pytest.mark.skipif(bool(booted_system.missing()), reason=booted_system.missing()),
    pytest.mark.timeout(300),
]


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BootedSystem]:
    folder = tmp_path_factory.mktemp("boot")
    stage, work = folder / "stage", folder / "work"
    work.mkdir()
    subprocess.run(["make", "-s", "-C", ROOT, "install", f"DESTDIR={stage}"], check=True)
    # Folders of pytest are closed to others; this one is the root of the booted system.
    stage.chmod(0o755)
    watchdog = stage / "etc/systemd/system" / f"{AGENT}.d" / "watchdog.conf"
    watchdog.parent.mkdir(parents=True)
    watchdog.write_text("[Service]\nWatchdogSec=4\n")
    with BootedSystem(stage, work) as booted:
        booted.run("systemctl", "start", COLLECTOR, AGENT)
        yield booted


@contextmanager
def running_program(system: BootedSystem) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    """A Go program in the booted system, and its number there."""
    command = system.command(go_programs.build("churn"))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process, int(json.loads(answer(process))["pid"])
        finally:
            process.kill()


def answer(process: "subprocess.Popen[str]", command: str = "") -> str:
    assert process.stdin
    assert process.stdout
    if command:
        process.stdin.write(f"{command}\n")
        process.stdin.flush()
    return process.stdout.readline()


def ask(system: BootedSystem, *command: str) -> Any:
    asked = system.command("gosonde", *command, "--json")
    return json.loads(subprocess.run(asked, check=True, text=True, stdout=subprocess.PIPE).stdout)


def exited(system: BootedSystem, pid: int) -> list[int]:
    rows = ask(system, "sites", "--function", "main.spawn")
    return [row["exited"] for row in rows if row["process"]["pid"] == pid]


def helpers(system: BootedSystem) -> list[str]:
    """The units of the helpers that run."""
    lines = system.run("systemctl", "list-units", "--state=active", "--plain", "--no-legend", HELPERS).splitlines()
    return [line.split()[0] for line in lines]


def status_of(system: BootedSystem, unit: str) -> str:
    pid = system.property(unit, "MainPID")
    return system.run("sh", "-c", f"cat /proc/{pid}/task/*/status", check=False)  # a thread may end meanwhile


def test_both_services_are_active_and_the_system_has_no_failed_unit(system: BootedSystem) -> None:
    for unit in (AGENT, COLLECTOR):
        assert system.property(unit, "ActiveState") == "active"
    assert system.property(AGENT, "StatusText") == "watching"
    assert system.run("systemctl", "list-units", "--failed", "--no-legend") == ""


def test_each_runs_as_its_own_user_with_the_documented_capabilities_and_no_more(system: BootedSystem) -> None:
    allowed = sum(1 << number for number, _ in KEPT.values())
    (helper,) = helpers(system)
    for unit, mask in ((AGENT, 0), (helper, allowed), (COLLECTOR, 0)):
        status = status_of(system, unit)
        user = system.run("id", "-u", unit.split("@")[0].removesuffix(".service")).strip()
        assert set(re.findall(r"^Uid:\t(\d+)\t(\d+)\t(\d+)\t(\d+)$", status, re.MULTILINE)) == {(user,) * 4}
        assert user != "0"
        for line in ("CapEff", "CapPrm", "CapInh", "CapAmb", "CapBnd"):
            masks = {int(found, 16) for found in re.findall(rf"^{line}:\t(\w+)$", status, re.MULTILINE)}
            assert all(found & ~mask == 0 for found in masks), (unit, line, masks)
        assert "NoNewPrivs:\t0" not in status


def test_a_go_program_is_seen_and_counted_exactly(system: BootedSystem) -> None:
    with running_program(system) as (program, pid):
        eventually(lambda: any(row["pid"] == pid for row in ask(system, "processes")), "the program is known")
        answer(program, "run 1000")
        eventually(lambda: exited(system, pid) == [1000], "all goroutines are counted")


def test_the_watchdog_is_answered_and_an_agent_that_hangs_is_replaced(system: BootedSystem) -> None:
    first = system.property(AGENT, "WatchdogTimestampMonotonic")
    eventually(lambda: system.property(AGENT, "WatchdogTimestampMonotonic") != first, "the watchdog is answered")
    before = system.property(AGENT, "NRestarts"), system.property(AGENT, "MainPID")
    system.run("kill", f"-{signal.SIGSTOP.value}", before[1])
    replaced(system, *before)
    assert "Watchdog timeout" in system.run("journalctl", "--unit", AGENT, "--output", "cat")


def test_an_agent_that_is_killed_comes_back_and_knows_it(system: BootedSystem) -> None:
    before = system.property(AGENT, "NRestarts"), system.property(AGENT, "MainPID")
    system.run("kill", f"-{signal.SIGKILL.value}", before[1])
    replaced(system, *before)
    assert '"previous_end": "killed"' in system.run("journalctl", "--unit", AGENT, "--output", "cat")


def replaced(system: BootedSystem, restarts: str, pid: str) -> None:
    eventually(lambda: int(system.property(AGENT, "NRestarts")) > int(restarts), "systemd starts it again")
    eventually(lambda: system.property(AGENT, "ActiveState") == "active", "it is ready")
    assert system.property(AGENT, "MainPID") != pid


def test_a_stop_takes_the_probes_out_and_leaves_nothing(system: BootedSystem) -> None:
    """A uprobe is a breakpoint in the program's memory, or a jump: it differs from the file as long as it is there."""
    executable = go_programs.build("churn")
    points = ask(system, "inspect", str(executable))["probes"]
    with running_program(system) as (program, pid):
        clean = code_in(executable, points)
        eventually(lambda: exited(system, pid) != [] or answer(program, "run 1") == "", "the program is counted")
        assert code_at(points, child_of(program)) != clean, "the probes are there"
        system.run("systemctl", "stop", AGENT, COLLECTOR)
        assert code_at(points, child_of(program)) == clean
        assert json.loads(answer(program, "run 5"))["exited"] == 5
    for unit in (AGENT, COLLECTOR):
        assert (system.property(unit, "ActiveState"), system.property(unit, "Result")) == ("inactive", "success")
    assert not system.run("find", "/run/gosonde", "-type", "s", check=False).startswith("/run")
    eventually(lambda: not helpers(system), "the helper has ended with its agent")


def code_in(executable: Path, points: list[dict[str, Any]]) -> list[bytes]:
    code = executable.read_bytes()
    return [code[point["file_offset"] :][:1] for point in points]


def code_at(points: list[dict[str, Any]], pid: int) -> list[bytes]:
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        found = []
        for point in points:
            memory.seek(int(point["address"]))
            found.append(memory.read(1))
        return found
