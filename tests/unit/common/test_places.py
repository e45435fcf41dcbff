"""Services that were typed by hand keep their files where their user may write, and commands find them there."""

import os
from pathlib import Path

import pytest
from gosonde_agent import config as agent
from gosonde_collector import config as collector
from gosonde_common import addresses, places
from gosonde_common.addresses import AGENT_ADDRESS, COLLECTOR_ADDRESS


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An ordinary user with folders of his own, on a host whose folders belong to others."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(addresses, "AGENT_ADDRESS", f"unix:{tmp_path}/host/agent.sock")
    monkeypatch.setenv("XDG_RUNTIME_DIR", f"{tmp_path}/run")
    monkeypatch.setenv("XDG_STATE_HOME", f"{tmp_path}/state")
    return tmp_path


def test_an_ordinary_users_agent_and_collector_keep_to_his_own_folders(own: Path) -> None:
    typed = agent.by_hand()
    assert (typed.listen, typed.state) == (f"unix:{own}/run/gosonde/agent.sock", own / "state/gosonde/agent")
    assert collector.by_hand().data == own / "state/gosonde/collector"


def test_roots_agent_and_collector_use_the_hosts_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert (agent.by_hand().listen, agent.by_hand().state) == (AGENT_ADDRESS, agent.AgentConfig().state)
    assert collector.by_hand().data == collector.CollectorConfig().data


def test_an_agent_typed_by_hand_sends_to_where_a_collector_typed_by_hand_listens() -> None:
    assert agent.by_hand().collector == (collector.by_hand().listen,) == (COLLECTOR_ADDRESS,)


def test_without_a_login_the_socket_lies_in_the_users_state_and_never_where_all_may_write(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert places.agent_address() == f"unix:{own}/state/gosonde/agent.sock"


def test_a_relative_folder_in_the_environment_is_ignored(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "state")
    monkeypatch.setenv("HOME", str(own))
    assert places.state(Path("/proc/gosonde-agent")) == own / ".local/state/gosonde/agent"


def test_commands_ask_the_hosts_agent_where_they_may_and_else_the_users_own(own: Path) -> None:
    hosts = addresses.AGENT_ADDRESS
    assert places.reachable_agent_address() == hosts
    for name in ("run/gosonde", "host"):
        (own / name).mkdir(parents=True)
    (own / "run/gosonde/agent.sock").touch()
    assert places.reachable_agent_address() == f"unix:{own}/run/gosonde/agent.sock"
    (own / "host/agent.sock").touch()
    assert places.reachable_agent_address() == hosts
