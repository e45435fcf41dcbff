"""Looks at a process's memory while it is watched, and one more when that is over: stacks, ages, who can be woken."""

import time
from typing import TYPE_CHECKING, Final

from gosonde_common.errors import GosondeError
from gosonde_common.values.goroutines import Location

from gosonde_cli.leak_census import Census
from gosonde_cli.leak_report import LeakProcess, LeakReport, Watched, report
from gosonde_cli.suspects.creations import creations

if TYPE_CHECKING:
    from gosonde_agent.sources.memory.target import KnownBinaries
    from gosonde_collector.analysis.dumps import Creation

#: Between two looks there are so many seconds, and so many times what the last one took.
APART_SECONDS: Final = 0.5
SHARE: Final = 20


class Reading:
    """What memory has shown of one process so far.

    Attributes:
        creations: By `go` statement, as of the newest look.
        report: Of the look at the end; None where there was none.
        looks: How many there were.
        age_ns: How old the process was at the end; 0 where there was no look then.
        failed: Why the newest look did not succeed; empty when it did.
    """

    def __init__(self) -> None:
        self.creations: dict[Location, Creation] = {}
        self.report: LeakReport | None = None
        self.looks = 0
        self.age_ns = 0
        self.failed = ""
        self._first: Census | None = None
        self._last: Census | None = None
        self._known: KnownBinaries | None = None
        self._next = 0.0

    def look_if_due(self, pid: int) -> None:
        """Reads stacks, so that something is known of a process that ends by itself."""
        began = time.monotonic()
        if began < self._next:
            return
        self._look(pid, at_end=False)
        took = time.monotonic() - began
        self._next = time.monotonic() + max(APART_SECONDS, SHARE * took)

    def look_at_end(self, pid: int) -> None:
        """Reads stacks once more, and searches for goroutines that nothing can wake."""
        self._look(pid, at_end=True)

    def kept(self, statement: Location) -> tuple[int, int]:
        """(goroutines that the first look saw of a statement, how many of those the newest saw, too)."""
        if self._first is None or self._last is None or self._first is self._last:
            return 0, 0
        before = frozenset(self._first.goids(statement))
        return len(before), len(before.intersection(self._last.goids(statement)))

    def _look(self, pid: int, *, at_end: bool) -> None:
        try:
            self._read(pid, at_end=at_end)
            self.failed = ""
        except ImportError as error:
            self.failed = f"the Python module {error.name} is missing: pip install 'gosonde[agent,collector]'"
        except GosondeError as error:
            self.failed = str(error)

    def _read(self, pid: int, *, at_end: bool) -> None:
        from gosonde_agent.host import procfs  # noqa: PLC0415  # some hosts have no agent
        from gosonde_agent.sources.memory.reachability.examining import examined  # noqa: PLC0415
        from gosonde_agent.sources.memory.target import KnownBinaries, opened  # noqa: PLC0415

        self._known = self._known or KnownBinaries()
        with opened(pid, self._known) as target:
            census = Census()
            self.creations = creations(target, census)
            self.looks += 1
            self._first, self._last = self._first or census, census
            if at_end:
                proof = examined(target, hurried=True)
                self.age_ns = time.time_ns() - procfs.start_of(pid).unix_nano
                process = LeakProcess(pid, "", target.go_version, "")
                self.report = report(process, proof, Watched(self._first, census, self.age_ns), self.creations)
