"""Which level the probes of a file begin with, by how many goroutines its processes created just before."""

from collections.abc import Iterable
from dataclasses import dataclass

from gosonde_common.clock import steady_unix_nano
from gosonde_common.values.levels import Level, Reason, Step

from gosonde_agent.golang.binary import GoBinary
from gosonde_agent.overhead.governor import SAMPLED_PART, Governor, Load, heaviest_of
from gosonde_agent.overhead.metering import Meter

#: What the probes may cost at most by this look, as a part of the budget: it is short, so it may be wrong by as much.
START_SHARE = 0.6


@dataclass(frozen=True, slots=True)
class Pace:
    """What a process did in so many seconds: goroutines that it created, and CPU time that it took."""

    exe: str
    seconds: float
    created: int
    cpu_ns: int


class Onset:
    """Chooses first levels by what `governor` allows and what probes cost by `meter`."""

    def __init__(self, governor: Governor, meter: Meter) -> None:
        self._governor = governor
        self._meter = meter

    def first_step(self, binary: GoBinary, paces: Iterable[Pace]) -> Step | None:
        """The step to the level that the probes of a binary begin with; None for level full.

        What is affordable for all of its processes counts, and one whose pace is not known is no reason to begin low.
        """
        loads = [self._load(binary, pace) for pace in paces]
        if not loads:
            return None
        heaviest = heaviest_of(loads)
        level = heaviest.fits(START_SHARE)
        return None if level is Level.FULL else Step(steady_unix_nano(), level, Reason.BUDGET, heaviest.ppm)

    def _load(self, binary: GoBinary, pace: Pace) -> Load:
        """As many exit as are created, unless a program leaks."""
        creation = pace.created * self._meter.price(binary, "created")
        full = creation + pace.created * self._meter.price(binary, "exited")
        cpu_ns = max(pace.cpu_ns, 1)
        allowed = self._governor.allowed_ns(pace.exe, cpu_ns, pace.seconds)
        return Load(full, creation, SAMPLED_PART * full, allowed, cpu_ns, lasts=True)
