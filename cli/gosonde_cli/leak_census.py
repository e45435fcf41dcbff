"""Which goroutines a process has at one moment: as much of each as shows growth and age, so that a million fit."""

import time
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from gosonde_common.values.goroutines import MAIN_GOROUTINE, Location

if TYPE_CHECKING:
    from gosonde_common.values.goroutines import Goroutine


class Census:
    """Taken while goroutines pass through `counted`.

    Attributes:
        at_ns: When it began, time.monotonic_ns.
        waits: (goid, how long it has waited in ns) of every goroutine of which the runtime has noted it.
    """

    def __init__(self) -> None:
        self.at_ns = time.monotonic_ns()
        self.waits: list[tuple[int, int]] = []
        self._goids: dict[Location, array[int]] = {}

    def counted(self, goroutines: "Iterable[Goroutine]") -> "Iterator[Goroutine]":
        """The same goroutines, each of them counted."""
        for one in goroutines:
            if not one.system and one.created_by != MAIN_GOROUTINE:
                self._goids.setdefault(one.created_by, array("Q")).append(one.goid)
            if one.wait_ns is not None:
                self.waits.append((one.goid, one.wait_ns))
            yield one

    def goids(self, statement: Location) -> Sequence[int]:
        """The goroutines of a `go` statement."""
        return self._goids.get(statement, array("Q"))
