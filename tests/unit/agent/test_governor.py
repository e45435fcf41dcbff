"""Which level is the highest that a process can afford, whatever makes its probes dear."""

from collections import deque
from collections.abc import Container

import pytest
from gosonde_agent.budget import Budget
from gosonde_agent.carry import Carry
from gosonde_agent.governor import UP_SECONDS, Governor
from gosonde_agent.hit_costs import HitCosts
from gosonde_agent.levels import Level
from gosonde_agent.metering import Account, Meter, Sample
from gosonde_agent.model import Process, ProcessKey
from gosonde_agent.processes import GoProcess, Processes
from gosonde_agent.sources import Hits, Image

SECOND = 1_000_000_000
#: Of each hit, in ns.
PRICES = (1_000.0, 1_000.0, 1_000.0, 1_000.0, 1_000.0)
IMAGE = Image(1, 0, 1)


class Charged(Meter):
    """One process that had `hits` in the last second, in which it took so much CPU time."""

    def __init__(self, hits: Hits, cpu_ns: int) -> None:
        super().__init__(HitCosts(), Processes())
        samples = Sample(0.0, Hits(), 0.0, 0), Sample(1.0, hits, 0.0, cpu_ns)
        self._accounts[IMAGE] = Account(0, PRICES, max(PRICES), deque(samples))


def decided(level: Level, hits: Hits, cpu_ns: int = SECOND, steady: Container[Image] = ()) -> Level | None:
    """The level that a process steps to when it has so many hits in a second and may pay 3 % for them."""
    key = ProcessKey("", 1, 0, 1)
    process = GoProcess(IMAGE, None, Process(key, "", "", "", 0, 0, counted_from_start=True, level=level))
    process.carry = Carry((0, 0))
    process.carry.creations_per_second = 0.0
    governor = Governor(Budget(0.03), Charged(hits, cpu_ns))
    governor.decide(1, level, [process], steady)
    for state in governor._states.values():
        state.calm_since = -UP_SECONDS if state.calm_since else None
    decision = governor.decide(1, level, [process], steady)
    return decision.level if decision else None


@pytest.mark.parametrize(
    ("hits", "level"),
    [
        (Hits(created=10_000, exited=10_000), None),
        (Hits(created=20_000, exited=20_000), Level.CREATION),
        (Hits(created=40_000, exited=40_000), Level.MEMORY),
        (Hits(created=1_000, exited=1_000, pauses=20_000, cycles=20_000), Level.MEMORY),
        (Hits(created=5_000, exited=5_000, pauses=22_000), Level.CREATION),
        # What windows on parks cost is not paid for by levels.
        (Hits(parked=1_000_000), None),
    ],
)
def test_the_highest_level_that_fits_is_taken(hits: Hits, level: Level | None) -> None:
    assert decided(Level.FULL, hits) is level


def test_a_burst_of_an_idle_program_is_no_reason_to_step() -> None:
    assert decided(Level.FULL, Hits(created=2_000, exited=2_000), cpu_ns=0) is None
    assert decided(Level.FULL, Hits(created=3_000, exited=3_000), cpu_ns=0) is Level.MEMORY


def test_what_goes_on_is_a_reason_to_step_however_little_it_is() -> None:
    least = Hits(created=550, exited=550)
    assert decided(Level.FULL, least, cpu_ns=0) is None
    assert decided(Level.FULL, least, cpu_ns=0, steady={IMAGE}) is Level.CREATION


@pytest.mark.parametrize("level", [Level.CREATION, Level.MEMORY])
def test_it_does_not_step_up_while_stops_of_the_world_alone_are_dear(level: Level) -> None:
    assert decided(level, Hits(pauses=16_000)) is None
    assert decided(level, Hits(pauses=1_000)) is Level.FULL
