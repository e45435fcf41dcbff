"""Who cannot ask the agent hears why, and what to do: the group's name, not gRPC's text."""

import grp
import socket
from pathlib import Path

import pytest
from gosonde.agent_client import AgentClient
from gosonde.transport.agent_access import why_unavailable
from gosonde_common.errors import UnavailableError, UnsupportedError


def test_a_socket_that_is_not_there_is_said_not_to_be_there(tmp_path: Path) -> None:
    with (
        AgentClient(f"unix:{tmp_path}/none.sock", timeout_seconds=5) as client,
        pytest.raises(UnavailableError, match="there is no such socket; start `gosonde agent`"),
    ):
        client.status()


def test_a_socket_whose_agent_has_ended_is_told_from_one_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "agent.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        assert why_unavailable(f"unix:{path}") is None
    assert "has ended" in str(why_unavailable(f"unix:{path}"))


@pytest.mark.parametrize(
    ("group", "remedy"),
    [
        ("sonde", "run as root, or as a member of the group sonde (usermod -aG sonde USER, and log in again)"),
        ("root", "run as root"),
    ],
)
def test_a_user_who_may_not_ask_hears_the_groups_name_unless_it_is_roots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group: str, remedy: str
) -> None:
    # As the kernel does to a user without the right: it refuses nothing to root, as whom tests may run.
    monkeypatch.setattr(socket.socket, "connect_ex", lambda *_: 13)
    monkeypatch.setattr(grp, "getgrgid", lambda _: grp.struct_group((group, "x", 7, [])))
    error = why_unavailable(f"unix:{tmp_path}/agent.sock")
    assert isinstance(error, UnsupportedError)
    assert str(error).endswith(f"agent.sock: {remedy}")
