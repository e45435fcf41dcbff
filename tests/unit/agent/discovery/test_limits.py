"""How many files have probes at most, and which give theirs up."""

from dataclasses import dataclass

import pytest
from gosonde_agent.discovery.limits import Limits
from gosonde_agent.model.errors import TooManyFilesError

ROOT, USER, OTHER = 0, 1000, 1001


@dataclass(frozen=True)
class File:
    owner: int
    name: str = ""


def test_there_is_room_while_neither_the_host_nor_the_user_has_too_many() -> None:
    probed = [File(USER)] * 3 + [File(OTHER)] * 4
    assert Limits(32).surplus(USER, probed, probed) == []


def test_a_user_with_too_many_gives_up_the_least_used_of_its_own() -> None:
    own = [File(USER, name) for name in ("oldest", "newer")]
    probed = [File(USER)] * 2 + own
    assert Limits(32).surplus(USER, probed, [File(OTHER), *own]) == [own[0]]


def test_a_user_whose_files_are_all_run_gets_no_more() -> None:
    with pytest.raises(TooManyFilesError, match="4 executables of this user"):
        Limits(32).surplus(USER, [File(USER)] * 4, [File(OTHER)])


def test_root_may_fill_the_host_and_then_the_least_used_of_anybody_goes() -> None:
    idle = [File(USER, "oldest"), File(ROOT)]
    assert Limits(8).surplus(ROOT, [File(ROOT)] * 7, idle) == []
    assert Limits(8).surplus(ROOT, [File(ROOT)] * 8, idle) == [idle[0]]


def test_a_host_whose_files_are_all_run_gets_no_more() -> None:
    with pytest.raises(TooManyFilesError, match="8 executables that run"):
        Limits(8).surplus(ROOT, [File(ROOT)] * 8, [])
