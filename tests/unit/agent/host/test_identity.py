import socket
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from gosonde_agent.host import identity
from gosonde_common.errors import InvalidInputError, UsageError


def test_the_agent_id_stays_and_the_epoch_does_not(tmp_path: Path) -> None:
    first, second = identity.load(tmp_path), identity.load(tmp_path)
    assert first.agent_id == second.agent_id
    assert first.agent_epoch != second.agent_epoch


def test_two_installations_have_different_ids(tmp_path: Path) -> None:
    assert identity.load(tmp_path / "a").agent_id != identity.load(tmp_path / "b").agent_id


def test_only_the_owner_may_read_the_id_and_no_draft_stays_behind(tmp_path: Path) -> None:
    identity.load(tmp_path / "deep" / "state")
    (file,) = (tmp_path / "deep" / "state").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_agents_that_start_at_once_agree_on_the_id(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = {entry.agent_id for entry in pool.map(identity.load, [tmp_path] * 32)}
    assert len(found) == 1


@pytest.mark.parametrize("content", [b"", b"not an id", b"\xff" * 32, b"A" * 32, b"a" * 33])
def test_a_damaged_id_is_refused_with_what_to_do(tmp_path: Path, content: bytes) -> None:
    (tmp_path / identity.AGENT_ID_FILE).write_bytes(content)
    with pytest.raises(InvalidInputError, match="delete it to get a new agent id"):
        identity.load(tmp_path)


def test_a_state_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="give another folder with --state"):
        identity.load(tmp_path / "file")


def test_the_host_has_its_own_name_unless_another_was_given(tmp_path: Path) -> None:
    assert identity.load(tmp_path).host == socket.gethostname()
    assert identity.load(tmp_path, "node-7.prod").host == "node-7.prod"


def test_the_boot_is_the_kernels(tmp_path: Path) -> None:
    assert identity.load(tmp_path).boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
