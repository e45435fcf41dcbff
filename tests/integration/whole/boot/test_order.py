"""What a boot starts, in which order, and that the services say themselves when they are ready."""

import json

import pytest
from gosonde_common import journal

from tests import debian_root
from tests.booted_system import BootedSystem, eventually
from tests.integration.whole.boot.services import (
    AGENT,
    COLLECTOR,
    SERVICES,
    SOCKET,
    answer,
    ask,
    entries,
    exited,
    helper,
    program,
    running,
)

pytestmark = [
    pytest.mark.usefixtures("ebpf"),
    pytest.mark.skipif(bool(debian_root.missing()), reason=debian_root.missing()),
    pytest.mark.timeout(900),
]


def since_boot(system: BootedSystem, unit: str, moment: str) -> int:
    return int(system.property(unit, f"{moment}TimestampMonotonic"))


def test_a_boot_starts_the_socket_before_the_agent_and_both_services_report_ready(system: BootedSystem) -> None:
    assert since_boot(system, SOCKET, "ActiveEnter") <= since_boot(system, AGENT, "ExecMainStart")
    for unit in SERVICES:
        assert since_boot(system, "network-online.target", "ActiveEnter") <= since_boot(system, unit, "ExecMainStart")
        assert system.property(unit, "Type") == "notify"
        # Ready is what the service said, a while after it was started.
        assert since_boot(system, unit, "ActiveEnter") > since_boot(system, unit, "ExecMainStart")
    assert since_boot(system, helper(system), "ExecMainStart") >= since_boot(system, AGENT, "ExecMainStart")
    assert system.property(AGENT, "StatusText") == "watching"


def test_a_booted_system_has_no_failed_unit(system: BootedSystem) -> None:
    assert system.run("systemctl", "list-units", "--failed", "--no-legend") == ""


def test_the_journal_knows_the_unit_and_the_level_of_each_line(system: BootedSystem) -> None:
    for unit in (AGENT, COLLECTOR, helper(system)):
        lines = entries(system, unit)
        assert lines
        assert {line["SYSLOG_IDENTIFIER"] for line in lines} == {"gosonde"}
        for line in lines:
            said = json.loads(line["MESSAGE"])
            assert {"event", "timestamp"} <= said.keys()
            assert int(line["PRIORITY"]) == journal.PRIORITIES[said["level"]]


def test_a_go_program_is_seen_and_counted_exactly(system: BootedSystem) -> None:
    with running(system, program()) as (process, pid):
        eventually(lambda: any(row["pid"] == pid for row in ask(system, "processes")), "the program is known")
        answer(process, "run 1000")
        eventually(lambda: exited(system, pid) == [1000], "all goroutines are counted")
