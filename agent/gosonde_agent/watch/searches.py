"""Plans the searches of memory for goroutines that can never run again, within what the agent may take.

Several processes are searched in turn: one is scanned while the others wait for their next scan. The CPU time of scans
comes from an account that fills evenly: a leak that begins is looked at right away, a great many little by little.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

import structlog
from gosonde_common.errors import NotFoundError, OverloadedError
from gosonde_common.values.observation import Observation, ProcessKey, ProofCount
from gosonde_common.values.observation import Search as Searched
from gosonde_common.values.reachability import SearchOutcome

from gosonde_agent.host import procfs
from gosonde_agent.host.own_budget import SEARCHING_SECONDS, OwnBudget
from gosonde_agent.sources.memory.reachability.limits import Limits
from gosonde_agent.sources.memory.target import KnownBinaries
from gosonde_agent.watch.search import Search
from gosonde_agent.watch.suspicion import Suspected, Suspicion

log = structlog.get_logger(__name__)

#: Loss counter of searches that decided nothing.
SEARCHES_UNDECIDED: Final = "searches_undecided"
#: Processes that are searched at the same time: of each the memory map is held meanwhile.
MAX_TOGETHER: Final = 8
#: The same while the agent has more memory than it may, for reasons of its own: many programs that are all different.
MAX_WHEN_FULL: Final = 2
#: What a search of a process is expected to cost of which nothing is known, in CPU seconds.
EXPECTED: Final = 0.2
#: A scan that takes more than what the account gets in so many seconds is given up.
SCAN_ACCOUNT_SECONDS: Final = 300.0
#: Nor may it take longer, in seconds.
SCAN_SECONDS: Final = 30.0
#: What one of each takes of memory in a scan, in bytes: a goroutine has three rows; and of objects, several a byte.
BYTES: Final = {"goroutines": 336, "spans": 64, "stack_pointers": 12, "front": 16, "edges": 24}
OBJECTS_A_BYTE: Final = 2
#: How long a process rests after a search, in seconds; each that proves nothing new doubles it, up to the other.
LEAST_REST, LONGEST_REST = 10.0, 3_600.0
#: Who asks for a search of a process that was searched so many seconds ago, or less, gets what that found.
JUST_NOW: Final = 10.0
#: One that was searched is searched again only while the account is as full: something is left for leaks that begin.
AGAIN_SHARE: Final = 0.25
#: A process that only holds goroutines is first searched after so long, and only while the account is as full.
OLD_SECONDS, OLD_SHARE = 60.0, 0.5


@dataclass(slots=True)
class _Plan:
    """Of one process; times are CLOCK_MONOTONIC seconds.

    Attributes:
        wanted: When somebody asked for a search, until one has ended.
        ended, outcome: Of the newest search.
    """

    since: float
    rests_until: float = 0.0
    rest: float = LEAST_REST
    cost: float = EXPECTED
    is_searched: bool = False
    wanted: float | None = None
    ended: float = 0.0
    outcome: SearchOutcome | None = None


class Searches:
    """To be used by one thread; only `Search.scan` runs in others.

    Args:
        budget: The limits in force.
        binaries: What is known of files by now.
        now: The clock: CLOCK_MONOTONIC seconds.
    """

    def __init__(
        self, budget: Callable[[], OwnBudget], binaries: Callable[[], KnownBinaries], now: Callable[[], float]
    ) -> None:
        self._budget = budget
        self._now = now
        self._binaries = binaries
        self._suspicion = Suspicion()
        self._plans: dict[ProcessKey, _Plan] = {}
        self._under_way: dict[ProcessKey, Search] = {}
        self._rows: dict[ProcessKey, tuple[Searched, dict[int, ProofCount]]] = {}
        self._account = budget().searching * SEARCHING_SECONDS
        self._filled_at = now()
        self._undecided = 0

    def note(self, observation: Observation) -> Observation:
        """Takes what was counted, and adds what searches have found."""
        now = self._now()
        self._suspicion.note(observation.processes, observation.site_counts, now)
        counted = {one.key for one in observation.processes if not one.ended_unix_nano and not one.refusal}
        for key in counted - self._plans.keys():
            self._plans[key] = _Plan(now)
        for key in self._plans.keys() - counted:
            self._forget(key)
        named = {process.key for process in observation.processes}
        rows = [row for key, row in self._rows.items() if key in named]
        return replace(
            observation,
            losses={**observation.losses, SEARCHES_UNDECIDED: self._undecided},
            searches=tuple(searched for searched, _ in rows),
            proofs=tuple(proof for _, found in rows for proof in found.values()),
        )

    def ask(self, key: ProcessKey) -> float:
        """Has a process searched before those that are only suspected, unless it was just now.

        Returns:
            From when on the search must have ended: what `answer` is to be asked with.

        Raises:
            NotFoundError: No such process is counted.
            OverloadedError: Searches have taken what they may.
        """
        now = self._now()
        self._fill(now)
        plan = self._plans.get(key)
        if plan is None:
            raise NotFoundError(f"process {key.pid} is not counted, and so not searched; gosonde processes says why")
        if plan.outcome is not None and plan.ended >= now - JUST_NOW:
            return plan.ended
        if key not in self._under_way and self._account <= 0:
            wait = -self._account / self._budget().searching
            raise OverloadedError(
                f"searches of memory have used up their part of max_agent_cpu; try again in {wait:.0f} s"
            )
        plan.wanted = now if plan.wanted is None else plan.wanted
        return now

    def answer(self, key: ProcessKey, asked: float) -> SearchOutcome | None:
        """What the search has found that somebody asked for; None as long as it has not ended.

        Raises:
            NotFoundError: The process is not counted any more.
        """
        plan = self._plans.get(key)
        if plan is None:
            raise NotFoundError(f"process {key.pid} has ended, or started another program, before its search was done")
        return plan.outcome if plan.ended >= asked else None

    @property
    def is_asked(self) -> bool:
        """Whether somebody waits for a search; may be asked from any thread."""
        return any(plan.wanted is not None for plan in list(self._plans.values()))

    def next_or_due(self) -> tuple[Search | None, float]:
        """What `next` gives, and what `due_in` does without it."""
        search = self.next()
        return search, 0.0 if search else self.due_in()

    def next(self) -> Search | None:
        """A search whose next scan is due now: run it, then give it to `take`."""
        now = self._now()
        self._fill(now)
        due = [search for search in self._waiting() if search.due <= now]
        if due:
            return min(due, key=lambda search: search.due)
        most = MAX_WHEN_FULL if self._budget().is_over_memory() else MAX_TOGETHER
        return self._begun(now) if len(self._under_way) < most and self._account > 0 else None

    def due_in(self) -> float:
        """Seconds until a scan that is already planned is due."""
        return max(min((search.due for search in self._waiting()), default=float("inf")) - self._now(), 0.0)

    def _waiting(self) -> Iterator[Search]:
        """The searches that wait for their next scan."""
        return (search for search in self._under_way.values() if search.has_ended and not search.is_over)

    def take(self, search: Search, cpu_seconds: float) -> bool:
        """Records a scan that has run and what it took; whether it was the last one and something is proved."""
        self._account -= cpu_seconds
        if self._under_way.get(search.key) is not search:
            search.close()  # its process has ended meanwhile
            return False
        if not search.is_over:
            return False
        del self._under_way[search.key]
        return self._conclude(search)

    def _fill(self, now: float) -> None:
        share = self._budget().searching
        self._account = min(self._account + share * (now - self._filled_at), share * SEARCHING_SECONDS)
        self._filled_at = now

    def _begun(self, now: float) -> Search | None:
        """A search of who was asked for first, else of the process that is most worth it."""
        key = self._wanted() or self._suspected(now)
        if key is None:
            return None
        plan, known = self._plans[key], self._suspicion.of(key) or Suspected()
        plan.is_searched = True
        # Who asks for one process wants to know of all of it who holds what.
        named = known.sites if plan.wanted is not None else known.rising
        search = Search(key, self._binaries(), self._limits(), frozenset(named), due=now)
        self._under_way[key] = search
        return search

    def _wanted(self) -> ProcessKey | None:
        asked = {
            key: plan.wanted
            for key, plan in self._plans.items()
            if plan.wanted is not None and key not in self._under_way
        }
        return min(asked, key=asked.__getitem__) if asked else None

    def _suspected(self, now: float) -> ProcessKey | None:
        """What rises before what only holds, and the cheaper first."""
        filled = self._account / (self._budget().searching * SEARCHING_SECONDS)
        ready = [
            (not known.rising, plan.cost / (1 + sum(known.rising.values())), key)
            for key, known in self._suspicion.all()
            if (known.rising or known.holds)
            and key not in self._under_way
            and (plan := self._plans[key]).rests_until <= now
            and _is_worth(plan, known, now, filled)
        ]
        return min(ready, key=lambda one: one[:2])[2] if ready else None

    def _limits(self) -> Limits:
        """What one scan may take: of memory half of what the agent may have, in equal parts for what Limits bounds."""
        budget = self._budget()
        part = budget.memory_bytes // 2 // len(BYTES)
        counts: dict[str, int] = {name: part // size for name, size in BYTES.items()}
        objects = part * OBJECTS_A_BYTE
        return Limits(
            cpu_seconds=budget.searching * SCAN_ACCOUNT_SECONDS, seconds=SCAN_SECONDS, objects=objects, **counts
        )

    def _conclude(self, search: Search) -> bool:
        key, now = search.key, self._now()
        plan = self._plans[key]
        plan.cost = search.cpu_seconds
        plan.ended, plan.outcome = now, _outcome(search)
        known = self._suspicion.of(key)
        sites = known.sites if known else {}
        before = self._rows[key][1] if key in self._rows else {}
        # A site of which nothing waits any more has nothing proved either.
        gone = {
            pc: ProofCount(key, pc, search.ended_unix_nano, search.scans, 0, 0, 0)
            for pc in before.keys() - search.found.keys()
            if not search.undecided
        }
        found = {pc: row for pc, row in search.found.items() if pc in sites}
        is_new = _proved(found) > _proved(before)
        self._rows[key] = (
            Searched(key, search.ended_unix_nano, search.scans, search.undecided),
            {**before, **gone, **found},
        )
        if is_new:
            plan.rest = LEAST_REST
        elif plan.wanted is None:  # that somebody asked must not put off what is suspected later
            plan.rest = min(2 * plan.rest, LONGEST_REST)
        plan.wanted = None
        plan.rests_until = now + plan.rest
        self._suspicion.searched(key, now)
        if search.undecided:
            self._undecided += 1
            if not procfs.has_ended(key.pid, key.start_ticks):
                log.info("a search of memory decided nothing", pid=key.pid, reason=search.undecided)
        return is_new

    def _forget(self, key: ProcessKey) -> None:
        del self._plans[key]
        self._rows.pop(key, None)
        search = self._under_way.pop(key, None)
        if search is not None and search.has_ended:  # else `take` closes it
            search.close()


def _is_worth(plan: _Plan, known: Suspected, now: float, filled: float) -> bool:
    """Whether a process is to be searched while so large a part of the account is left."""
    if known.rising:
        return filled > (AGAIN_SHARE if plan.is_searched else 0.0)
    is_old = known.holds and not plan.is_searched and now - plan.since >= OLD_SECONDS
    return is_old and filled > OLD_SHARE


def _outcome(search: Search) -> SearchOutcome:
    found = search.found.values()
    return SearchOutcome(
        search.ended_unix_nano,
        search.scans,
        search.undecided,
        *(sum(getattr(row, name) for row in found) for name in ("examined", "proved", "probable")),
    )


def _proved(found: dict[int, ProofCount]) -> int:
    return sum(row.proved for row in found.values())
