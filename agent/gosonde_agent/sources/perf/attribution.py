"""Of which `go` statement each exit is: by the creation of the same g before it.

A sample of a creation has the g and its statement, that of an exit the g alone. What the g's memory says later may be
of the next goroutine, for the runtime uses it again at once. Samples of several CPUs may come late, so an exit whose
creation is not known yet waits a while for it.
"""

from bisect import insort
from collections import defaultdict
from collections.abc import Iterable, Mapping
from operator import itemgetter

#: Goroutines that live and were created while it was counted; of more it is not kept by whom.
MAX_KNOWN = 500_000
#: Lives of one g that are kept, the newest: only where an exit was lost is there more than one for long.
MOST_LIVES = 4
#: For so long (ns) after an exit was taken its creation may come to light.
LATE_NS = 500_000_000
#: Exits that wait.
MAX_WAITING = 100_000

_time = itemgetter(0)


class Attribution:
    """Sums creations and exits by statement; times are CLOCK_MONOTONIC nanoseconds, addresses the process's.

    Attributes:
        created, exited: By the address behind the `go` statement.
        unplaced: Exits of no known statement.
    """

    def __init__(self) -> None:
        self.created: defaultdict[int, int] = defaultdict(int)
        self.exited: defaultdict[int, int] = defaultdict(int)
        self.unplaced = 0
        self._lives: dict[int, list[tuple[int, int]]] = {}
        #: By (time, g) of an exit: until when it waits.
        self._waiting: dict[tuple[int, int], int] = {}
        self._before: dict[int, int] = {}
        self._before_known_at = 0

    @property
    def waiting(self) -> int:
        """How many exits wait for their creation."""
        return len(self._waiting)

    def begin(self, statements: Mapping[int, int], known_at: int) -> None:
        """Takes by whom each g was created last, as it was read until a moment, before the first samples are added."""
        self._before, self._before_known_at = dict(statements), known_at

    def add(self, creations: Iterable[tuple[int, int, int]], exits: Iterable[tuple[int, int]], now: int) -> None:
        """Takes samples: (time, g, statement) of creations and (time, g) of exits, each in any order."""
        waiting, self._waiting = self._waiting, {}
        creations = list(creations)
        for time, g, _ in creations:
            if time < self._before_known_at:  # what was read may be of this goroutine, and not of the one before
                self._before.pop(g, None)
        for each in sorted([*creations, *waiting, *exits], key=_time):
            if len(each) == 2:
                self._exit(each, waiting.get(each, now + LATE_NS), now)
            else:
                self._create(*each)

    def _create(self, time: int, g: int, statement: int) -> None:
        self.created[statement] += 1
        lives = self._lives.get(g)
        if lives is not None:
            insort(lives, (time, statement))
            del lives[:-MOST_LIVES]
        elif len(self._lives) < MAX_KNOWN:
            self._lives[g] = [(time, statement)]

    def _exit(self, each: tuple[int, int], until: int, now: int) -> None:
        statement = self._statement_of(*each)
        if statement is not None:
            self.exited[statement] += 1
        elif until > now and len(self._waiting) < MAX_WAITING:
            self._waiting[each] = until
        else:
            self.unplaced += 1

    def _statement_of(self, time: int, g: int) -> int | None:
        """That of the last creation of the g before its exit. Older ones stay: their exits may come late."""
        lives = self._lives.get(g, [])
        for place in range(len(lives) - 1, -1, -1):
            if lives[place][0] <= time:
                _, statement = lives.pop(place)
                if not lives:
                    del self._lives[g]
                return statement
        return self._before.pop(g, 0) or None
