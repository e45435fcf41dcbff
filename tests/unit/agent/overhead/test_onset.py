"""A file begins with the highest level that is known to fit all of its processes."""

import pytest
from gosonde_agent.accounting.processes import Processes
from gosonde_agent.golang.binary import GoBinary
from gosonde_agent.model.budget import UNLIMITED, Budget
from gosonde_agent.overhead.governor import HITS_PART, Governor
from gosonde_agent.overhead.metering import Meter
from gosonde_agent.overhead.onset import Onset, Pace
from gosonde_agent.sources.hit_costs import HitCosts
from gosonde_common.values.levels import Level

SECOND = 1_000_000_000
#: Of a creation and of an exit, in ns.
PRICES = {"created": 1_000.0, "exited": 2_000.0}


class Priced(Meter):
    """Any binary's probes cost the same."""

    def price(self, binary: GoBinary, probe: str) -> float:  # noqa: ARG002
        return PRICES[probe]


def begun(*paces: Pace, budget: float = 0.03 / HITS_PART) -> tuple[Level, int]:
    """The first level, and what level full would cost in parts of a million."""
    meter = Priced(HitCosts(), Processes())
    binary = object.__new__(GoBinary)
    step = Onset(Governor(Budget(budget), meter), meter).first_step(binary, paces)
    return (step.level, step.target_ppm) if step else (Level.FULL, 0)


@pytest.mark.parametrize(
    ("per_second", "level"),
    [
        (0, Level.FULL),
        (5_900, Level.FULL),
        (6_100, Level.CREATION),
        (17_900, Level.CREATION),
        (18_100, Level.SAMPLED),
        (1_190_000, Level.SAMPLED),
        (1_210_000, Level.MEMORY),
    ],
)
def test_the_level_is_the_highest_that_takes_no_more_than_three_fifths_of_what_hits_may(
    per_second: int, level: Level
) -> None:
    assert begun(Pace("/srv/it", 0.1, per_second // 10, SECOND // 10))[0] is level


def test_the_busiest_process_of_a_file_decides() -> None:
    idle, busy = Pace("/srv/it", 0.1, 1, SECOND), Pace("/srv/it", 0.1, 10_000, SECOND // 10)
    assert begun(idle, busy) == (Level.SAMPLED, 300_000)


def test_a_pace_that_is_not_known_is_no_reason_to_begin_low() -> None:
    assert begun() == (Level.FULL, 0)


def test_an_idle_process_may_pay_a_thousandth_of_a_core() -> None:
    assert begun(Pace("/srv/it", 1.0, 190, 0))[0] is Level.FULL
    assert begun(Pace("/srv/it", 1.0, 2_000, 0))[0] is Level.SAMPLED


def test_without_a_budget_every_file_begins_with_all_probes() -> None:
    assert begun(Pace("/srv/it", 0.1, 1_000_000, SECOND // 10), budget=UNLIMITED)[0] is Level.FULL
