"""Looks at a process's memory while it is watched, and once more at the end: who is there, stacks, who can be woken."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from gosonde_common.errors import GosondeError
from gosonde_common.values.goroutines import Location

from gosonde_cli.suspects.creations import creations
from gosonde_cli.suspects.due import Due

if TYPE_CHECKING:
    from gosonde_agent.sources.memory.population import Fate, Population
    from gosonde_agent.sources.memory.target import KnownBinaries, Target
    from gosonde_collector.analysis.dumps import Creation
    from gosonde_common.values.reachability import Proof

#: Populations that are kept; when there are more, every second one goes.
KEPT: Final = 8


class Reading:
    """What memory has shown of one process so far.

    Attributes:
        creations: By `go` statement, as of the newest stacks.
        fates: What became of goroutines from about the middle of the time until the newest look, by `go` statement.
        fates_seconds: How long that is.
        proof: Of the look at the end; None where there was none.
        looks: How many there were, and how many of them had stacks.
        started_unix_nano: When the process began; 0 where it was never read.
        children: Processes that were seen to be its children.
        failed: Why the newest look did not succeed; empty when it did.
    """

    def __init__(self) -> None:
        self.creations: dict[Location, Creation] = {}
        self.fates: dict[Location, Fate] = {}
        self.fates_seconds = 0.0
        self.proof: Proof | None = None
        self.looks = 0
        self.stacks = 0
        self.started_unix_nano = 0
        self.children: frozenset[int] = frozenset()
        self.failed = ""
        self._past: list[Population] = []
        self._known: KnownBinaries | None = None
        self._look_due, self._stacks_due = Due(), Due()

    def look_if_due(self, pid: int) -> None:
        """Reads what is due, so that something is known of a process that ends by itself."""
        if self._look_due.is_now:
            with self._look_due.taking():
                self._try(pid, self._count)
        if self._stacks_due.is_now:
            with self._stacks_due.taking():
                self._try(pid, self._read_stacks)

    def look_at_end(self, pid: int, say: Callable[[str], None]) -> None:
        """Reads all once more, and searches for goroutines that nothing can wake; `say` gets what is done."""
        say("reading the stacks of all goroutines")
        for part in (self._count, self._read_stacks):
            self._try(pid, part)
        say("searching for who can wake them (Ctrl-C ends that)")
        self._try(pid, self._search)

    def _try(self, pid: int, part: "Callable[[int, Target], None]") -> None:
        try:
            self._read(pid, part)
            self.failed = ""
        except ImportError as error:
            self.failed = f"the Python module {error.name} is missing: pip install 'gosonde[agent,collector]'"
        except GosondeError as error:
            self.failed = str(error)

    def _read(self, pid: int, part: "Callable[[int, Target], None]") -> None:
        from gosonde_agent.sources.memory.target import KnownBinaries, opened  # noqa: PLC0415  # some hosts have none

        self._known = self._known or KnownBinaries()
        with opened(pid, self._known) as target:
            part(pid, target)

    def _count(self, pid: int, target: "Target") -> None:
        from gosonde_agent.host import procfs  # noqa: PLC0415
        from gosonde_agent.sources.memory.population import by_statement, read_population  # noqa: PLC0415

        now = read_population(target)
        self.started_unix_nano = procfs.start_of(pid).unix_nano
        self.children |= procfs.children(pid)
        self.looks += 1
        if self._past:
            middle = (self._past[0].at_s + now.at_s) / 2
            before = min(self._past, key=lambda one: abs(one.at_s - middle))
            self.fates, self.fates_seconds = by_statement(target, before.fates(now)), now.at_s - before.at_s
        self._past = [*(self._past[::2] if len(self._past) >= KEPT else self._past), now]

    def _read_stacks(self, _pid: int, target: "Target") -> None:
        self.creations = creations(target.goroutines())
        self.stacks += 1

    def _search(self, _pid: int, target: "Target") -> None:
        from gosonde_agent.sources.memory.reachability.examining import examined  # noqa: PLC0415

        self.proof = examined(target, hurried=True)
