"""What systemd does to the services of a booted system while they run: reload them, and start them again."""

import os
import signal

import pytest

from tests import debian_root
from tests.booted_system import BootedSystem, eventually
from tests.integration.whole.boot.services import AGENT, SERVICES, events

pytestmark = [
    pytest.mark.usefixtures("ebpf"),
    pytest.mark.skipif(bool(debian_root.missing()), reason=debian_root.missing()),
    pytest.mark.timeout(900),
]


def test_a_reload_takes_a_changed_key_and_refuses_a_mistake_with_a_warning(system: BootedSystem) -> None:
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


@pytest.mark.parametrize("unit", SERVICES)
def test_the_watchdog_is_answered(system: BootedSystem, unit: str) -> None:
    first = system.property(unit, "WatchdogTimestampMonotonic")
    eventually(lambda: system.property(unit, "WatchdogTimestampMonotonic") != first, "the watchdog is answered")


@pytest.mark.parametrize(("sent", "result"), [(signal.SIGKILL, "signal"), (signal.SIGSTOP, "watchdog")])
def test_services_that_are_killed_or_hang_are_started_again(
    system: BootedSystem, sent: signal.Signals, result: str
) -> None:
    """Both at once: each waits for the same time."""
    before = {unit: (int(system.property(unit, "NRestarts")), system.property(unit, "MainPID")) for unit in SERVICES}
    for _, pid in before.values():
        os.kill(system.host_pid(pid), sent)
    for unit, (restarts, pid) in before.items():
        eventually(lambda: int(system.property(unit, "NRestarts")) > restarts, "systemd starts it again")  # noqa: B023
        eventually(lambda: system.property(unit, "ActiveState") == "active", "it is ready")  # noqa: B023
        assert system.property(unit, "MainPID") != pid
        assert f"Failed with result '{result}'" in system.run("journalctl", "--unit", unit, "--output", "cat")
    assert '"previous_end": "killed"' in system.run("journalctl", "--unit", AGENT, "--output", "cat")
