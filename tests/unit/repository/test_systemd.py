"""What systemd itself says of the units, users and folders, and what the services say of the example configurations."""

import configparser
import os
import re
import subprocess
from pathlib import Path

import pytest
from gosonde_agent.config import AgentConfig
from gosonde_agent.config import load as load_agent
from gosonde_agent.host import checks
from gosonde_collector.config import CollectorConfig
from gosonde_collector.config import load as load_collector

from tests.paths import ROOT

SYSTEMD = ROOT / "systemd"
UNITS = ("gosonde-agent.service", "gosonde-collector.service")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A file system with the units, the users, the folders and a command where the units look for it."""
    for source, target in (
        ("sysusers.conf", "usr/lib/sysusers.d/gosonde.conf"),
        ("tmpfiles.conf", "usr/lib/tmpfiles.d/gosonde.conf"),
        *((unit, f"usr/local/lib/systemd/system/{unit}") for unit in UNITS),
    ):
        (tmp_path / target).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / target).write_text((SYSTEMD / source).read_text())
    for command in ("usr/local/bin/gosonde", "bin/kill"):
        (tmp_path / command).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / command).touch(mode=0o755)
    (tmp_path / "etc").mkdir()
    # Units that every system has and that ours name.
    for target in ("sysinit", "basic", "shutdown", "network-online", "multi-user"):
        (tmp_path / f"usr/local/lib/systemd/system/{target}.target").write_text("[Unit]\nDescription=x\n")
    return tmp_path


def verify(root: Path, unit: str) -> str:
    """Everything that systemd finds wrong with a unit; its exit code says nothing of unknown keys."""
    command = ("systemd-analyze", f"--root={root}", "--man=no", "verify", unit)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr + ("" if done.returncode == 0 else f"exit code {done.returncode}")


@pytest.mark.parametrize("unit", UNITS)
def test_systemd_finds_nothing_wrong_with_a_unit(root: Path, unit: str) -> None:
    assert verify(root, unit) == ""


@pytest.mark.parametrize("line", ["Hardning=yes", "SystemCallFilter=@no-such-group", "ExecStartPost=/no/such/command"])
def test_a_unit_with_a_mistake_is_seen(root: Path, line: str) -> None:
    unit = root / "usr/local/lib/systemd/system" / UNITS[0]
    unit.write_text(unit.read_text().replace("Type=notify\n", f"Type=notify\n{line}\n"))
    assert verify(root, UNITS[0]) != ""


def settings(unit: str) -> configparser.SectionProxy:
    parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters="=")
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(SYSTEMD / unit)
    return parser["Service"]


@pytest.mark.parametrize("unit", UNITS)
def test_a_service_is_watched_and_restarted_but_not_for_what_no_restart_repairs(unit: str) -> None:
    service = settings(unit)
    assert service["Type"] == "notify"
    assert int(service["WatchdogSec"]) > 0
    assert service["Restart"] == "on-failure"
    assert set(service["RestartPreventExitStatus"].split()) == {"2", "3"}


def test_the_agents_unit_has_what_doctor_asks_for_and_no_more() -> None:
    service = settings("gosonde-agent.service")
    # Without CAP_LEASE the agent works too, though it watches other users' processes one by one.
    wanted = set(checks.CAPABILITIES) | {"CAP_SYS_ADMIN", "CAP_LEASE"}
    assert set(service["AmbientCapabilities"].split()) == wanted
    assert set(service["CapabilityBoundingSet"].split()) == wanted
    assert all(name in checks.HOW_TO_GET_CAPABILITIES for name in wanted)


def test_the_collectors_unit_has_no_capability() -> None:
    assert settings("gosonde-collector.service")["CapabilityBoundingSet"] == ""


def users(root: Path) -> dict[str, list[str]]:
    """What systemd-sysusers makes, by user."""
    subprocess.run(("systemd-sysusers", f"--root={root}", "gosonde.conf"), check=True, capture_output=True)
    return {line.split(":")[0]: line.split(":") for line in (root / "etc/passwd").read_text().splitlines()}


def test_the_users_and_the_group_of_the_units_are_made(root: Path) -> None:
    made = users(root)
    groups = {line.split(":")[0]: line.split(":") for line in (root / "etc/group").read_text().splitlines()}
    for unit in UNITS:
        service = settings(unit)
        assert made[service["User"]][6].endswith("nologin")
        assert service["Group"] in groups
    assert "gosonde-agent" in groups["gosonde"][3].split(",")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders to other users")
def test_the_folders_of_the_units_are_made_for_their_users(root: Path) -> None:
    made = users(root)
    (root / "run").mkdir(exist_ok=True)
    command = ("systemd-tmpfiles", f"--root={root}", "--create", "gosonde.conf")
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    for folder, user, mode in (
        ("run/gosonde", "gosonde-agent", 0o750),
        ("var/lib/gosonde-agent", "gosonde-agent", 0o700),
        ("var/lib/gosonde-collector", "gosonde-collector", 0o700),
    ):
        status = (root / folder).stat()
        assert status.st_uid == int(made[user][2])
        assert status.st_mode & 0o777 == mode


def test_the_example_configurations_mean_the_defaults_and_a_local_collector() -> None:
    assert load_agent(SYSTEMD / "agent.toml") == AgentConfig(collector=(CollectorConfig().listen,))
    assert load_collector(SYSTEMD / "collector.toml", {}) == CollectorConfig()


@pytest.mark.parametrize(("file", "config"), [("agent.toml", AgentConfig), ("collector.toml", CollectorConfig)])
def test_an_example_configuration_shows_every_key(file: str, config: type[AgentConfig] | type[CollectorConfig]) -> None:
    keys = re.findall(r"^(\w+) = ", (SYSTEMD / file).read_text(), re.MULTILINE)
    assert set(keys) == set(config.__dataclass_fields__)


def test_the_folders_of_the_units_are_those_of_the_configurations() -> None:
    agent, collector = settings(UNITS[0]), settings(UNITS[1])
    assert AgentConfig().listen == f"unix:/run/{agent['RuntimeDirectory']}/agent.sock"
    assert AgentConfig().state == Path("/var/lib", agent["StateDirectory"])
    assert CollectorConfig().data == Path("/var/lib", collector["StateDirectory"])
