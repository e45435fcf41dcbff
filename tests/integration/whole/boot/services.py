"""What tests ask and do in a booted system: its services, its journal, and Go programs in it."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests import go_programs, toolchains
from tests.booted_system import BootedSystem

AGENT, COLLECTOR, SOCKET = "gosonde-agent.service", "gosonde-collector.service", "gosonde-helper.socket"
SERVICES = (AGENT, COLLECTOR)
HELPERS = "gosonde-helper@*.service"


def helpers(system: BootedSystem) -> list[str]:
    """The units of the helpers that run."""
    said = system.run("systemctl", "list-units", "--state=active", "--plain", "--no-legend", HELPERS)
    return [line.split()[0] for line in said.splitlines()]


def helper(system: BootedSystem) -> str:
    (unit,) = helpers(system)
    return unit


def entries(system: BootedSystem, unit: str) -> list[dict[str, str]]:
    """What the journal has of the unit's present process."""
    pid = system.property(unit, "MainPID")
    said = system.run("journalctl", f"_SYSTEMD_UNIT={unit}", f"_PID={pid}", "--output=json", "--no-pager")
    return [json.loads(line) for line in said.splitlines()]


def events(system: BootedSystem) -> set[tuple[str, str]]:
    """Event and priority of each line of the agent's present process."""
    return {(json.loads(line["MESSAGE"])["event"], line["PRIORITY"]) for line in entries(system, AGENT)}


def ask(system: BootedSystem, *command: str | Path) -> Any:
    asked = system.command("gosonde", *command, "--json")
    return json.loads(subprocess.run(asked, check=True, text=True, stdout=subprocess.PIPE).stdout)


def exited(system: BootedSystem, pid: int) -> list[int]:
    rows = ask(system, "sites", "--function", "main.spawn")
    return [row["exited"] for row in rows if row["process"]["pid"] == pid]


def program() -> Path:
    """Where a Go program is in a booted system."""
    return Path("/cache") / go_programs.build("churn").relative_to(toolchains.cache_dir())


@contextmanager
def running(system: BootedSystem, path: Path) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    """A Go program in the booted system, and its number there."""
    with subprocess.Popen(system.command(path), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process, int(json.loads(answer(process))["pid"])
        finally:
            process.kill()


def answer(process: "subprocess.Popen[str]", command: str = "") -> str:
    """What the program says, to a command or unasked."""
    assert process.stdin
    assert process.stdout
    if command:
        process.stdin.write(f"{command}\n")
        process.stdin.flush()
    return process.stdout.readline()
