"""Which kinds of special records a Go version hangs on heap objects (runtime/mheap.go: _KindSpecial...)."""

from dataclasses import dataclass

from gosonde_agent.golang.layouts import Layout
from gosonde_agent.model.errors import UnsupportedBinaryError


@dataclass(frozen=True, slots=True)
class SpecialKinds:
    """special.kind of those kinds that hold pointers to the heap; 0, which is no kind, where the version has none.

    Attributes:
        known: The numbers of all kinds.
    """

    finalizer: int
    weak_handle: int
    cleanup: int
    known: frozenset[int]


def special_kinds(layout: Layout) -> SpecialKinds:
    """The numbers of a version: releases renumber them.

    Raises:
        UnsupportedBinaryError: The version is not known.
    """
    kinds = layout.special_kinds
    if "Finalizer" not in kinds:
        raise UnsupportedBinaryError(f"the runtime's numbers of the kinds of specials are not known ({layout.source})")
    return SpecialKinds(
        kinds["Finalizer"], kinds.get("WeakHandle", 0), kinds.get("Cleanup", 0), frozenset(kinds.values())
    )
