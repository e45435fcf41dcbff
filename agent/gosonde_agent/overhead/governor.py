"""Keeps what probes cost each target within the budget: decides which level a file's probes have.

Probes belong to a file, so its processes step together: down when one of them pays too much, up when all of them have
paid little for a while.
"""

import time
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass

from gosonde_common.clock import steady_unix_nano
from gosonde_common.values.levels import Level, Reason

from gosonde_agent.accounting.processes import GoProcess
from gosonde_agent.model.budget import Budget
from gosonde_agent.overhead.metering import PPM, WINDOW_SECONDS, Meter
from gosonde_agent.sources.counters import Hits, Image

#: How often the costs are checked, and over how long.
TICK_SECONDS = 0.2
BURST_SECONDS = 0.6
#: A file is at level sampled where probes for this part of the time are paid (50 ms in 10 s, with
#: what opening and closing a window costs); else at level memory.
SAMPLED_PART = 0.005
#: A process that was just found is checked more often for so long, since nothing is known of it.
FIRST_TICK_SECONDS, FIRST_SECONDS = 0.05, 1.0
#: What it may pay in that time, whenever that is, as a part of what so long a time allows: what it starts with is
#: counted where that is little.
FIRST_SHARE = 0.5
#: What of the budget hits may take. The rest is for what no hit shows (ADR 0133): that one costs more in this program
#: than where it was measured, that probes come into code and leave it again, caches and CPUs that the agent uses.
HITS_PART = 0.65
#: Less than this part of one core is never too much, however little the target itself does.
LEAST_CORE_SHARE = 0.001
#: What the next higher level may cost at most, as a part of the budget, and for how long, before it is taken.
UP_SHARE = 0.5
UP_SECONDS = 10.0
#: The wait doubles each time that a step up was wrong.
MOST_UP_SECONDS = 640.0


@dataclass(frozen=True, slots=True)
class Decision:
    """A step to make."""

    level: Level
    reason: Reason
    target_ppm: int


@dataclass(frozen=True, slots=True)
class Load:
    """What the probes of one process would cost at each level, and what they may cost, in ns of the same period.

    Attributes:
        sampled: With the fewest windows that are worth it.
        lasts: Whether what they cost it is no burst, which is over before a step could spare anything.
    """

    full: float
    creation: float
    sampled: float
    allowed: float
    cpu_ns: float
    lasts: bool

    def fits(self, share: float) -> Level:
        """The highest level that costs no more than this part of what is allowed."""
        if self.full <= share * self.allowed:
            return Level.FULL
        if self.creation <= share * self.allowed:
            return Level.CREATION
        return Level.SAMPLED if self.sampled <= share * self.allowed else Level.MEMORY

    @property
    def ppm(self) -> int:
        """Of level full."""
        return min(round(PPM * self.full / self.cpu_ns), PPM)


@dataclass(slots=True)
class GovernorState:
    """Of one file: when it was last known what it pays, since when it could step up, and for how long it must.

    Attributes:
        windows_fail: Probes could not be put in for a window.
    """

    known_at: float
    calm_since: float | None = None
    step_up_delay: float = UP_SECONDS
    stepped_up: float = float("-inf")
    windows_fail: bool = False

    def without_windows(self, level: Level) -> Level:
        """The level, or the next lower one where it needs windows that cannot be opened."""
        return Level.MEMORY if level is Level.SAMPLED and self.windows_fail else level


def heaviest_of(loads: Sequence[Load]) -> Load:
    """The one that leaves the least of what is allowed."""
    return max(loads, key=lambda load: load.full / load.allowed)


def _is_awaited(process: GoProcess) -> bool:
    """Whether what a process would pay is about to be known: it has not just come, nor gone on unknown for long."""
    steps = process.description.steps
    since = max(process.description.counted_since_unix_nano, steps[-1].at_unix_nano if steps else 0)
    return UP_SECONDS <= (steady_unix_nano() - since) / 1e9 < MOST_UP_SECONDS


ORDER = (Level.MEMORY, Level.SAMPLED, Level.CREATION, Level.FULL)


def least_allowed_ns(seconds: float) -> float:
    """What probes may cost any program in so long."""
    return LEAST_CORE_SHARE * seconds * 1e9


class Governor:
    """Decides; whoever asks makes the steps."""

    def __init__(self, budget: Budget, meter: Meter, clock: Callable[[], float] = time.monotonic) -> None:
        self.budget = budget
        self._clock = clock
        self._meter = meter
        self.states: dict[int, GovernorState] = {}

    def decide(
        self,
        number: int,
        level: Level,
        processes: Sequence[GoProcess],
        steady: Container[Image],
        *,
        may_rise: bool = True,
    ) -> Decision | None:
        """Whether the file with this number, whose processes run at `level`, should step.

        Args:
            steady: The processes that have gone on to pay more than any process may for BURST_SECONDS.
            may_rise: Whether a step up can be made now.
        """
        found = [(process, self._load(process, steady)) for process in processes]
        loads = [load for _, load in found if load is not None]
        unknown = [process for process, load in found if load is None]
        state = self.states.setdefault(number, GovernorState(self._clock()))
        if loads:
            state.known_at = self._clock()
        lasting = [load for load in loads if load.lasts]
        costliest = heaviest_of(lasting) if lasting else None
        if level is Level.SAMPLED and state.windows_fail:
            return self._down(state, Decision(Level.MEMORY, Reason.BUDGET, costliest.ppm if costliest else 0))
        if costliest and (lower := state.without_windows(costliest.fits(1.0))) in ORDER[: ORDER.index(level)]:
            return self._down(state, Decision(lower, Reason.BUDGET, costliest.ppm))
        waits = not may_rise or any(map(_is_awaited, unknown))
        higher = None if waits else self._higher(level, loads, state)
        if higher is None:
            state.calm_since = None
            return None
        return self._up(state, higher)

    def _higher(self, level: Level, loads: Sequence[Load], state: GovernorState) -> Decision | None:
        """The step up that would cost little, or is a try where it is never known what anything costs."""
        if not loads:
            is_try = level in (Level.MEMORY, Level.SAMPLED) and self._clock() - state.known_at >= MOST_UP_SECONDS
            return Decision(Level.CREATION, Reason.RECOVERED, 0) if is_try else None
        heaviest = heaviest_of(loads)
        higher = state.without_windows(heaviest.fits(UP_SHARE))
        return Decision(higher, Reason.RECOVERED, heaviest.ppm) if higher in ORDER[ORDER.index(level) + 1 :] else None

    def allowed_ns(self, exe: str, cpu_ns: int, seconds: float) -> float:
        """What hits may cost a program that takes so much CPU time in so long."""
        return max(HITS_PART * self.budget.of(exe) * cpu_ns, least_allowed_ns(seconds))

    def without_windows(self, number: int) -> None:
        """A window could not be opened in a file: it has no level that needs them."""
        self.states.setdefault(number, GovernorState(self._clock())).windows_fail = True

    def forget(self, numbers: set[int]) -> None:
        """Forgets every file but these."""
        self.states = {number: state for number, state in self.states.items() if number in numbers}

    def _down(self, state: GovernorState, decision: Decision) -> Decision:
        now = self._clock()
        if now - state.stepped_up < state.step_up_delay:
            state.step_up_delay = min(2 * state.step_up_delay, MOST_UP_SECONDS)
        elif now - state.stepped_up > 4 * state.step_up_delay:
            state.step_up_delay = UP_SECONDS
        state.calm_since = None
        return decision

    def _up(self, state: GovernorState, decision: Decision) -> Decision | None:
        now = self._clock()
        state.calm_since = state.calm_since or now
        if now - state.calm_since < state.step_up_delay:
            return None
        state.calm_since, state.stepped_up = None, now
        return decision

    def _load(self, process: GoProcess, steady: Container[Image]) -> Load | None:
        """What a process would pay; None while that is not known."""
        account = self._meter.account(process)
        if account is None:
            return None
        newest, before = account.newest, account.since(BURST_SECONDS)
        cpu_ns = max(newest.cpu_ns - before.cpu_ns, 1)
        seconds = max(newest.at - before.at, 1e-3)
        allowed = self.allowed_ns(process.description.exe, cpu_ns, seconds)
        hits = newest.hits.less(before.hits)._replace(parked=0, sampled=0)  # no level has those: see parking, sampling
        paid = account.cost_ns(newest.hits.less(account.since(WINDOW_SECONDS).hits)._replace(parked=0, sampled=0))
        lasts = process.image in steady or paid > least_allowed_ns(WINDOW_SECONDS)
        if newest.at - account.samples[0].at < FIRST_SECONDS:
            lasts = lasts and paid > FIRST_SHARE * allowed * FIRST_SECONDS / seconds
        world = account.cost_ns(hits._replace(created=0, exited=0))
        creations = self._creations(process, hits, seconds)
        if creations is None:
            return None
        creation = world + creations * account.cost_ns(Hits(created=1))
        exits = hits.exited if process.level is Level.FULL else creations
        full = creation + exits * account.cost_ns(Hits(exited=1))
        return Load(full, creation, world + (full - world) * SAMPLED_PART, allowed, cpu_ns, lasts)

    @staticmethod
    def _creations(process: GoProcess, hits: Hits, seconds: float) -> float | None:
        """How many goroutines were created meanwhile; None while that is not known."""
        if process.level in (Level.FULL, Level.CREATION):
            return hits.created
        rate = process.correction.creations_per_second if process.correction else None
        return None if rate is None else rate * seconds
