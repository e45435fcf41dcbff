"""What was counted, in memory that two processes share: one counts, the other reads whenever it likes.

So nobody waits for the other, and what was counted is there also when the one who counts was killed.
"""

import mmap
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from gosonde_agent.sources.counters import UNATTRIBUTED, SiteTotal

#: Go statements that are told apart.
MAX_SITES = 16_384
#: Words before the rows; a row has three: pc, created, exited.
IS_COUNTED, ROWS, CREATED, EXITED, SITES_FULL, UNREADABLE, REPLACED, FIRST_ROW = 0, 1, 2, 3, 4, 5, 6, 8
ROW = 3
BYTES = 8 * (FIRST_ROW + ROW * (MAX_SITES + 1))


@dataclass(slots=True)
class Table:
    """The table in an open file, which a process makes and another opens; the first row is for UNATTRIBUTED.

    Attributes:
        words: All of it. The first says whether hits are counted; then how many rows there are, all hits, and losses.
    """

    fd: int
    words: memoryview = field(init=False)
    _rows: dict[int, int] = field(init=False, default_factory=lambda: {UNATTRIBUTED: FIRST_ROW})

    def __post_init__(self) -> None:
        self.words = memoryview(mmap.mmap(self.fd, BYTES)).cast("Q")
        self.words[ROWS] = max(self.words[ROWS], 1)

    @classmethod
    def new(cls) -> "Table":
        """An empty one."""
        fd = os.memfd_create("gosonde-breakpoints")
        os.ftruncate(fd, BYTES)
        return cls(fd)

    def add(self, pc: int, column: int) -> None:
        """Counts a creation (1) or an exit (2) at a site."""
        words = self.words
        words[CREATED + column - 1] += 1
        if words[IS_COUNTED]:
            words[(self._rows.get(pc) or self._row(pc)) + column] += 1

    def _row(self, pc: int) -> int:
        number = self.words[ROWS]
        if number > MAX_SITES:
            self.words[SITES_FULL] += 1
            return FIRST_ROW
        row = self._rows[pc] = FIRST_ROW + ROW * number
        self.words[row] = pc
        self.words[ROWS] = number + 1
        return row

    def count(self, *, on: bool) -> None:
        """Has hits counted from now on, or no longer."""
        self.words[IS_COUNTED] = on

    def sites(self) -> Iterator[SiteTotal]:
        """What was counted so far."""
        for number in range(self.words[ROWS]):
            row = FIRST_ROW + ROW * number
            pc, created, exited = self.words[row : row + ROW]
            if created or exited:
                yield SiteTotal(pc, created, exited)

    def hits(self) -> tuple[int, int]:
        """At creations and at exits, counted or not."""
        return self.words[CREATED], self.words[EXITED]

    def losses(self) -> Mapping[str, int]:
        """What was not counted as it should have been, by name."""
        words = self.words
        return {
            "sites_full": words[SITES_FULL],
            "gopc_unreadable": words[UNREADABLE],
            "breakpoints_replaced": words[REPLACED],
        }

    def close(self) -> None:
        """Closes the file; what is mapped goes with the table."""
        os.close(self.fd)
