"""Root's commands keep things where only root can write, others where they keep theirs."""

from pathlib import Path

import pytest
from gosonde_agent.host.cache_folder import cache_folder


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)


@pytest.mark.parametrize(("user", "folder"), [(0, "/var/cache/gosonde"), (1000, "/home/somebody/.cache/gosonde")])
def test_it_is_the_users_own(monkeypatch: pytest.MonkeyPatch, user: int, folder: str) -> None:
    monkeypatch.setattr("os.geteuid", lambda: user)
    assert cache_folder() == Path(folder)


def test_the_environment_chooses_that_of_a_user_by_a_whole_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_CACHE_HOME", "/srv/cache")
    assert cache_folder() == Path("/srv/cache/gosonde")
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    assert cache_folder() == Path("/home/somebody/.cache/gosonde")


def test_the_environment_does_not_choose_that_of_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setenv("XDG_CACHE_HOME", "/home/somebody/.cache")
    assert cache_folder() == Path("/var/cache/gosonde")
