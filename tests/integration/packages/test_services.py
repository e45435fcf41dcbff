"""The packages' services in a booted Debian 12: their order, privileges, log, reload, restarts and stop.

tests/integration/whole/test_boot.py has counts and probes. `make test-packages` runs this.
"""

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from gosonde_agent.host.privileges import KEPT
from gosonde_common import journal

from tests import built_packages, debian_root, go_programs, seccomp_filters, toolchains
from tests.built_packages import NAMES
from tests.debian_root import DebianRoot, eventually

AGENT, COLLECTOR, SOCKET = "gosonde-agent.service", "gosonde-collector.service", "gosonde-helper.socket"
HELPERS = "gosonde-helper@*.service"
PROGRAMS = 50
pytestmark = [
    pytest.mark.usefixtures("ebpf"),
    pytest.mark.skipif(bool(debian_root.missing()), reason=debian_root.missing()),
    pytest.mark.minutes,
    pytest.mark.timeout(900),
]


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DebianRoot]:
    """Booted a second time after the packages were installed: nobody started the services by hand."""
    packages, work = tmp_path_factory.mktemp("packages"), tmp_path_factory.mktemp("debian")
    built_packages.build(packages, "deb12")
    with DebianRoot("deb12", work, {"/packages": packages, "/cache": toolchains.cache_dir()}) as booted:
        files = (f"/packages/{built_packages.find(packages, name).name}" for name in NAMES)
        booted.run("apt-get", "install", "-qq", "--yes", *files)
        for unit in (AGENT, COLLECTOR):
            folder = booted.root / f"etc/systemd/system/{unit}.d"
            folder.mkdir()
            (folder / "watchdog.conf").write_text("[Service]\nWatchdogSec=8\n")
        booted.halt()
        booted.boot()
        eventually(lambda: booted.property(AGENT, "ActiveState") == "active", "the agent has started")
        yield booted


def helper(system: DebianRoot) -> str:
    said = system.run("systemctl", "list-units", "--state=active", "--plain", "--no-legend", HELPERS)
    (line,) = said.splitlines()
    return line.split()[0]


def since_boot(system: DebianRoot, unit: str, moment: str) -> int:
    return int(system.property(unit, f"{moment}TimestampMonotonic"))


def test_a_boot_starts_the_socket_before_the_agent_and_both_services_report_ready(system: DebianRoot) -> None:
    assert since_boot(system, SOCKET, "ActiveEnter") <= since_boot(system, AGENT, "ExecMainStart")
    for unit in (AGENT, COLLECTOR):
        assert since_boot(system, "network-online.target", "ActiveEnter") <= since_boot(system, unit, "ExecMainStart")
        assert system.property(unit, "Type") == "notify"
        # Ready is what the service said, a while after it was started.
        assert since_boot(system, unit, "ActiveEnter") > since_boot(system, unit, "ExecMainStart")
    assert system.property(AGENT, "StatusText") == "watching"


def test_every_thread_has_the_capabilities_of_its_unit_alone(system: DebianRoot) -> None:
    most = sum(1 << number for number, _ in KEPT.values())
    for unit, stated in ((AGENT, 0), (COLLECTOR, 0), (helper(system), most)):
        pid = system.property(unit, "MainPID")
        status = system.run("sh", "-c", f"cat /proc/{pid}/task/*/status", check=False)  # a thread may end meanwhile
        for line in ("CapEff", "CapPrm", "CapInh", "CapAmb", "CapBnd"):
            masks = [int(found, 16) for found in re.findall(rf"^{line}:\t(\w+)$", status, re.MULTILINE)]
            assert masks
            assert all(mask & ~stated == 0 for mask in masks), (unit, line)
        assert set(re.findall(r"^NoNewPrivs:\t(\d)$", status, re.MULTILINE)) == {"1"}


def test_every_thread_may_make_the_system_calls_of_its_unit_alone(system: DebianRoot) -> None:
    for unit in (AGENT, COLLECTOR, helper(system)):
        stated = {seccomp_filters.number_of(name) for name in system.property(unit, "SystemCallFilter").split()}
        main = system.host_pid(system.property(unit, "MainPID"))
        for tid in Path(f"/proc/{main}/task").iterdir():
            filters = seccomp_filters.filters_of(int(tid.name))
            allowed = seccomp_filters.allowed(filters)
            assert seccomp_filters.number_of("read") in allowed
            assert seccomp_filters.number_of("mount") not in allowed
            assert allowed <= stated, (unit, allowed - stated)
            assert seccomp_filters.allowed(filters, seccomp_filters.I386) == set(), unit


def test_the_journal_knows_the_unit_and_the_level_of_each_line(system: DebianRoot) -> None:
    for unit in (AGENT, COLLECTOR, helper(system)):
        lines = entries(system, unit)
        assert lines
        assert {line["SYSLOG_IDENTIFIER"] for line in lines} == {"gosonde"}
        for line in lines:
            said = json.loads(line["MESSAGE"])
            assert {"event", "timestamp"} <= said.keys()
            assert int(line["PRIORITY"]) == journal.PRIORITIES[said["level"]]


def test_a_reload_takes_a_changed_key_and_refuses_a_mistake_with_a_warning(system: DebianRoot) -> None:
    pid = system.property(AGENT, "MainPID")
    configuration = system.root / "etc/gosonde/agent.toml"
    former = configuration.read_text()
    for line, event, priority in (
        ("deny = 1", "configuration not reloaded", "4"),
        ('deny = ["exe:/nowhere/*"]', "configuration reloaded", "6"),
    ):
        configuration.write_text(former.replace("deny = []", line))
        system.run("systemctl", "reload", AGENT)
        eventually(lambda: (event, priority) in events(system), f"the journal has: {event}")  # noqa: B023
    assert system.property(AGENT, "MainPID") == pid


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGSTOP])
@pytest.mark.parametrize("unit", [AGENT, COLLECTOR])
def test_a_service_that_is_killed_or_hangs_is_started_again(
    system: DebianRoot, unit: str, sent: signal.Signals
) -> None:
    restarts, pid = int(system.property(unit, "NRestarts")), system.property(unit, "MainPID")
    os.kill(system.host_pid(pid), sent)
    eventually(lambda: int(system.property(unit, "NRestarts")) > restarts, "systemd starts it again")
    eventually(lambda: system.property(unit, "ActiveState") == "active", "it is ready")
    assert system.property(unit, "MainPID") != pid


def entries(system: DebianRoot, unit: str) -> list[dict[str, str]]:
    """What the journal has of the unit's present process."""
    pid = system.property(unit, "MainPID")
    said = system.run("journalctl", f"_SYSTEMD_UNIT={unit}", f"_PID={pid}", "--output=json", "--no-pager")
    return [json.loads(line) for line in said.splitlines()]


def events(system: DebianRoot) -> set[tuple[str, str]]:
    return {(json.loads(line["MESSAGE"])["event"], line["PRIORITY"]) for line in entries(system, AGENT)}


def test_a_stop_with_50_programs_watched_ends_within_the_units_time(system: DebianRoot) -> None:
    program = Path("/cache") / go_programs.build("churn").relative_to(toolchains.cache_dir())
    copies = [f"/root/program-{number}" for number in range(PROGRAMS)]
    system.run("sh", "-c", f"for copy in {' '.join(copies)}; do cp {program} $copy; done")
    with ExitStack() as stack:
        for copy in copies:
            started = subprocess.Popen(system.command(copy), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            stack.enter_context(started)
            stack.callback(started.kill)
        eventually(lambda: watched(system) >= set(copies), "all programs are watched")
        system.run("systemctl", "stop", AGENT)
    assert (system.property(AGENT, "ActiveState"), system.property(AGENT, "Result")) == ("inactive", "success")


def watched(system: DebianRoot) -> set[str]:
    said = system.run("gosonde", "processes", "--json", check=False)
    rows = json.loads(said) if said.startswith("[") else []
    return {row["exe"] for row in rows if row["level"] == "full"}
