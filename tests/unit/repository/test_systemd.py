"""What is written in the units, and what the services say of the example configurations."""

import configparser
import re
from pathlib import Path

import pytest
from gosonde_agent.config import AgentConfig
from gosonde_agent.config import load as load_agent
from gosonde_agent.host import checks
from gosonde_agent.sources.ebpf.compiler_process import COMPILING_SECONDS
from gosonde_collector.config import CollectorConfig
from gosonde_collector.config import load as load_collector

from tests.paths import ROOT

SYSTEMD = ROOT / "systemd"
UNITS = ("gosonde-agent.service", "gosonde-collector.service")
HELPER, HELPER_SOCKET = "gosonde-helper@.service", "gosonde-helper.socket"


def settings(unit: str, section: str = "Service") -> configparser.SectionProxy:
    parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters="=")
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(SYSTEMD / unit)
    return parser[section]


@pytest.mark.parametrize("unit", UNITS)
def test_a_service_is_watched_and_restarted_but_not_for_what_no_restart_repairs(unit: str) -> None:
    service = settings(unit)
    assert service["Type"] == "notify"
    assert int(service["WatchdogSec"]) > 0
    assert service["Restart"] == "on-failure"
    assert set(service["RestartPreventExitStatus"].split()) == {"2", "3"}


def test_the_helpers_unit_has_what_doctor_asks_for_and_no_more() -> None:
    service = settings(HELPER)
    # Without CAP_LEASE the agent works too, though it watches other users' processes one by one.
    wanted = set(checks.CAPABILITIES) | {"CAP_SYS_ADMIN", "CAP_LEASE"}
    assert set(service["AmbientCapabilities"].split()) == wanted
    assert set(service["CapabilityBoundingSet"].split()) == wanted
    assert all(name in checks.HOW_TO_GET_CAPABILITIES for name in wanted)


@pytest.mark.parametrize("unit", UNITS)
def test_neither_the_agents_unit_nor_the_collectors_has_a_capability(unit: str) -> None:
    assert settings(unit)["CapabilityBoundingSet"] == settings(unit)["AmbientCapabilities"] == ""


def test_the_helper_has_no_network_and_only_the_agent_may_connect_to_it() -> None:
    service, socket = settings(HELPER), settings(HELPER_SOCKET, "Socket")
    assert (service["PrivateNetwork"], service["RestrictAddressFamilies"]) == ("yes", "AF_UNIX")
    assert (socket["SocketUser"], socket["SocketMode"]) == (settings(UNITS[0])["User"], "0600")
    assert f"--helper unix:{socket['ListenSequentialPacket']}" in settings(UNITS[0])["ExecStart"]


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


def test_the_agents_unit_waits_longer_than_the_agent_waits_for_the_compiler() -> None:
    assert int(settings("gosonde-agent.service")["TimeoutStartSec"]) >= COMPILING_SECONDS + 60
