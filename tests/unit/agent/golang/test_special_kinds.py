"""Specials are told apart by numbers that releases give anew: a wrong one loses finalizers or weak pointers."""

import pytest
from gosonde_agent.golang.buildinfo import GoVersion
from gosonde_agent.golang.layouts import layout_of
from gosonde_agent.golang.special_kinds import SpecialKinds, special_kinds
from gosonde_agent.model.errors import UnsupportedBinaryError


def kinds(finalizer: int, weak_handle: int, cleanup: int, *, count: int) -> SpecialKinds:
    return SpecialKinds(finalizer, weak_handle, cleanup, frozenset(range(1, count + 1)))


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        (GoVersion(17, 2), kinds(1, 0, 0, count=3)),
        (GoVersion(19, 8), kinds(1, 0, 0, count=3)),
        (GoVersion(20, 3), kinds(1, 0, 0, count=3)),
        (GoVersion(22, 10), kinds(1, 0, 0, count=4)),
        (GoVersion(23, 9), kinds(1, 2, 0, count=5)),
        (GoVersion(24, 11), kinds(1, 2, 6, count=6)),
        (GoVersion(25, 5), kinds(2, 3, 7, count=9)),
        (GoVersion(27, 3), kinds(2, 3, 7, count=10)),
    ],
)
def test_each_version_has_its_own_numbers(version: GoVersion, expected: SpecialKinds) -> None:
    assert special_kinds(layout_of(version)) == expected


def test_the_numbers_of_a_version_that_is_not_known_are_not_guessed() -> None:
    for minor in (18, 28):
        with pytest.raises(UnsupportedBinaryError, match="kinds of specials are not known"):
            special_kinds(layout_of(GoVersion(minor)))
