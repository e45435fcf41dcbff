"""What was counted, in memory that two processes share: one counts, the other reads whenever it likes.

So nobody waits for the other, and what was counted is there also when the one who counts was killed.
"""

import ctypes
import mmap
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from gosonde_agent.sources.counters import UNATTRIBUTED, SiteTotal
from gosonde_agent.sources.ptrace.breakpoints.death import WORD, Death

#: Go statements that are distinguished.
MAX_SITES = 16_384
#: Words before the rows; a row has four: pc, created, exited, and where a goroutine of it begins.
IS_COUNTED, ROWS, CREATED, EXITED, SITES_FULL, UNREADABLE, REPLACED, IS_ARMED, DEATH, FIRST_ROW = *range(9), 16
ROW, START = 4, 3
BYTES = WORD * (FIRST_ROW + ROW * (MAX_SITES + 1))


@dataclass(slots=True)
class Table:
    """The table in an open file, which a process makes and another opens; the first row is for UNATTRIBUTED.

    Attributes:
        words: All of it. The first says whether hits are counted; then how many rows there are, all hits, losses,
            whether breakpoints may be there, and two words of `Death`.
    """

    fd: int
    words: memoryview = field(init=False)
    death: Death = field(init=False)
    _rows: dict[int, int] = field(init=False, default_factory=lambda: {UNATTRIBUTED: FIRST_ROW})

    def __post_init__(self) -> None:
        mapped = mmap.mmap(self.fd, BYTES)
        self.words = memoryview(mapped).cast("Q")
        self.death = Death(ctypes.addressof(ctypes.c_char.from_buffer(mapped)) + DEATH * WORD)
        self.words[ROWS] = max(self.words[ROWS], 1)

    @classmethod
    def new(cls) -> "Table":
        """An empty one."""
        fd = os.memfd_create("gosonde-breakpoints")
        os.ftruncate(fd, BYTES)
        return cls(fd)

    def add(self, pc: int, column: int) -> bool:
        """Counts a creation (1) or an exit (2) at a site; whether it is to be said where goroutines of it begin."""
        words = self.words
        words[CREATED + column - 1] += 1
        if not words[IS_COUNTED]:
            return False
        row = self._rows.get(pc)
        is_new = row is None
        if row is None:
            row = self._row(pc)
        words[row + column] += 1
        return is_new

    def starts_at(self, pc: int, start_pc: int) -> None:
        """Says where a goroutine of a site begins."""
        self.words[self._rows.get(pc, FIRST_ROW) + START] = start_pc

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
            pc, created, exited = self.words[row : row + START]
            if created or exited:
                yield SiteTotal(pc, created, exited)

    def start_of(self, pc: int) -> int | None:
        """Where a goroutine of a site begins; None where the site is not known."""
        for number in range(len(self._rows), self.words[ROWS]):
            row = FIRST_ROW + ROW * number
            self._rows[self.words[row]] = row
        return self.words[self._rows[pc] + START] if pc in self._rows else None

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
        """Closes the file; what was counted can still be read."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
