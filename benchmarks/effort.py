"""How long benchmarks measure."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to measure.

    Attributes:
        blocks: Of slices of load, each `slice_seconds` long.
        watched_seconds: How long an agent is watched that reads each target's memory every 30 s.
        thorough: Whether what is hardly expected to differ is measured as well.
    """

    rounds: int
    goroutines: int
    parks: int
    seconds: float
    blocks: int
    slice_seconds: float
    watched_seconds: float
    thorough: bool

    def for_limits(self, slice_seconds: float) -> "Effort":
        """As many of such slices as resolve a percent on a quiet machine."""
        return replace(self, blocks=80 if self.thorough else 20, slice_seconds=slice_seconds)


FULL = Effort(
    7,
    goroutines=200_000,
    parks=100_000,
    seconds=5.0,
    blocks=20,
    slice_seconds=0.3,
    watched_seconds=60.0,
    thorough=True,
)
QUICK = Effort(
    3,
    goroutines=50_000,
    parks=30_000,
    seconds=2.0,
    blocks=16,
    slice_seconds=0.1,
    watched_seconds=30.0,
    thorough=False,
)
