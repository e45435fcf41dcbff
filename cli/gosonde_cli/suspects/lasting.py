"""For how long goroutines are known to become more: a pool that fills up rises as a leak does, and not for so long."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gosonde_cli.suspects.growth import MORE

if TYPE_CHECKING:
    from gosonde_agent.sources.memory.population import Fate

#: So long goroutines that do nothing must have become more, and so long those that run now and then.
IDLE_SECONDS: Final = 60.0
RUNNING_SECONDS: Final = 300.0
#: Where more of them ran between two looks, they are in use.
RAN: Final = 0.1
#: Where a smaller part of those that were seen at first is still there, they come and go.
STAY: Final = 0.95
#: Who made so many as there are takes between this share of a process's age, and one by it: it did so all the while.
ALL_THE_WHILE: Final = 0.5
#: A trace for so long ends a little earlier.
NEARLY: Final = 0.95


@dataclass(frozen=True, slots=True)
class Rise:
    """A rise that has not ended.

    Attributes:
        more: Goroutines, within `seconds`.
        is_steady: It is no slower in the second half of that time.
        live: At the end.
        age_s: Of the process; 0 where that is not known.
        fate: What became of those that were there in about the middle; None where memory has not shown it.
        fate_seconds: For how long they were watched.
    """

    more: int
    seconds: float
    is_steady: bool
    live: int
    age_s: float
    fate: "Fate | None"
    fate_seconds: float = 0.0

    @property
    def needed_s(self) -> float:
        """For how long it must have risen to be called a leak."""
        is_idle = self.fate is not None and self.fate.ran <= RAN * self.fate.kept
        return IDLE_SECONDS if is_idle else RUNNING_SECONDS

    @property
    def lasted_s(self) -> float:
        """For how long it is known to have risen: since the process began, where it did so as fast all the while."""
        would_take = self.live * self.seconds / self.more
        if ALL_THE_WHILE * self.age_s <= would_take <= self.age_s / ALL_THE_WHILE:
            return max(self.seconds, self.age_s)
        return self.seconds

    @property
    def is_leak(self) -> bool:
        """Whether they stay, and have become more for so long that nothing healthy is likely to."""
        stay = self.fate is not None and self.fate.seen >= MORE / 2 and self.fate.kept >= STAY * self.fate.seen
        return stay and self.is_steady and self.lasted_s >= NEARLY * self.needed_s
