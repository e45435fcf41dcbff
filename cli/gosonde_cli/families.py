"""Goroutines with a label, the goroutines that they have created, theirs, and so on."""

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from gosonde_common.errors import UnsupportedError

if TYPE_CHECKING:
    from gosonde_common.values.goroutines import GoroutineColumns

    from gosonde_cli.label_view import Wanted


def family(found: "Collection[GoroutineColumns]", wanted: "Wanted") -> set[int]:
    """The goids of those with the labels, and of all that descend from them, as far as everyone between still lives.

    Raises:
        UnsupportedError: The program notes of no goroutine who created it: Go does since 1.21 (runtime.g.parentGoid).
    """
    created = _created(found)
    if not created and sum(len(columns.goids) for columns in found) > 1:
        raise UnsupportedError(
            "--follow-children needs a program that was built with Go 1.21 or newer: older ones do not note which "
            "goroutine created which"
        )
    members = set(_with(found, wanted))
    left = list(members)
    while left:
        more = [goid for goid in created.get(left.pop(), ()) if goid not in members]
        members.update(more)
        left += more
    return members


def _created(found: "Collection[GoroutineColumns]") -> dict[int, list[int]]:
    """The goids of those that each one has created."""
    created: dict[int, list[int]] = {}
    for columns in found:
        for goid, parent in zip(columns.goids, columns.parent_goids, strict=True):
            if parent:
                created.setdefault(parent, []).append(goid)
    return created


def _with(found: "Collection[GoroutineColumns]", wanted: "Wanted") -> Iterator[int]:
    for columns in found:
        for goid, labels in zip(columns.goids, columns.labels, strict=True):
            if wanted.fits(labels):
                yield goid
