"""What one hit of a probe costs on this host, kept for as long as the host runs."""

import contextlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from gosonde_agent.golang.binary import GoBinary
from gosonde_agent.golang.costs import Cost

FILE_NAME = "hit-costs.json"
#: Of how it is measured. What an agent has kept that measured otherwise is not used.
METHOD = 4
#: Nothing that is measured as more expensive is believed: a hit takes microseconds.
MAX_NS = 1_000_000.0
#: What is less certain, or was disturbed more often, is measured again.
MOST_ERROR, MOST_DISTURBED = 0.1, 0.75


@dataclass(frozen=True, slots=True)
class HitCosts:
    """Nanoseconds of the target's time that one hit takes, by what the kernel does at the instruction.

    Attributes:
        exited: What the exit program takes beyond the others: it reads g.gopc.
        measured: On this host; otherwise these are the figures of another machine.
        error: By which part of itself the least certain of them may be wrong.
        disturbed: In which part of the rounds other work of the host disturbed the measurement, of that figure of which
            it was the most.
    """

    emulated: float = 1_500.0
    single_stepped: float = 15_000.0
    exited: float = 150.0
    measured: bool = False
    error: float = 0.0
    disturbed: float = 0.0

    @property
    def is_doubtful(self) -> bool:
        """Whether the host was too busy when this was measured."""
        return self.measured and (self.error > MOST_ERROR or self.disturbed > MOST_DISTURBED)

    def or_better(self, other: "HitCosts") -> "HitCosts":
        """That of two measurements which was disturbed less."""
        return min(self, other, key=lambda costs: (not costs.measured, costs.disturbed, costs.error))

    def of(self, binary: GoBinary, probe: str) -> float:
        """A hit of one probe of a binary; 0 for a probe that the binary has no point for."""
        if probe == "ids_taken":  # emulated, and it reads g.gopc
            return self.emulated + self.exited if binary.refill is not None else 0.0
        point = binary.points.get(probe)
        if point is None:
            return 0.0
        trap = {Cost.EMULATED: self.emulated, Cost.SINGLE_STEPPED: self.single_stepped}
        return trap[point.cost] + (self.exited if probe == "exited" else 0.0)


def cached(folder: Path, boot_id: str, measure: Callable[[], HitCosts]) -> HitCosts:
    """What was measured since the host started, else what `measure` says now."""
    path = folder / FILE_NAME
    with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
        known = json.loads(path.read_text())
        if (known.pop("boot_id", None), known.pop("method", None)) == (boot_id, METHOD):
            return _checked(HitCosts(**known))
    costs = measure()
    keep(folder, boot_id, costs)
    return costs


def keep(folder: Path, boot_id: str, costs: HitCosts) -> None:
    """Keeps what was measured until the host restarts."""
    if costs.measured:
        with contextlib.suppress(OSError):
            (folder / FILE_NAME).write_text(json.dumps({"boot_id": boot_id, "method": METHOD} | asdict(costs)))


def _checked(costs: HitCosts) -> HitCosts:
    if not all(0 <= value <= MAX_NS for value in (costs.emulated, costs.single_stepped, costs.exited)):
        raise ValueError("no such costs")
    if not (0 <= costs.error <= 1 and 0 <= costs.disturbed <= 1):
        raise ValueError("no such error")
    return costs
