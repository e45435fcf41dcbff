"""Which hits are worth exact figures, and which go on: no counter is read, and nothing is waited for but the clock."""

import os
import time
from collections import deque

import numpy as np
import pytest
from gosonde_agent.accounting.processes import GoProcess, Processes
from gosonde_agent.model.budget import Budget
from gosonde_agent.overhead.governor import Governor, least_allowed_ns
from gosonde_agent.overhead.metering import (
    WINDOW_SECONDS,
    Account,
    Meter,
    Sample,
)
from gosonde_agent.overhead.precheck import SUSTAINED_SAMPLES, BudgetPrecheck
from gosonde_agent.sources.counters import Hits, Image
from gosonde_agent.sources.hit_costs import HitCosts
from gosonde_common.values.observation import Process, ProcessKey

#: Of a hit, in ns.
PRICE = 1_000.0
#: Hits that are too many in any time, and so few that SUSTAINED_SAMPLES times of them are not, though too many for a
#: second.
MANY = 2 * round(least_allowed_ns(WINDOW_SECONDS) / PRICE)
FEW = round(least_allowed_ns(1.5) / PRICE)
IMAGE = Image(os.getpid(), 0, 1)


class Charged(Meter):
    """One process, this one, of which it is known what a hit costs."""

    def __init__(self, processes: Processes) -> None:
        super().__init__(HitCosts(), processes)
        self._accounts[IMAGE] = Account(0, (PRICE,), PRICE, deque([Sample(0.0, Hits(), 0.0, 0)]))


@pytest.fixture
def precheck() -> BudgetPrecheck:
    processes = Processes()
    key = ProcessKey("", IMAGE.tgid, 0, 1)
    processes.add(IMAGE.tgid, 0, GoProcess(IMAGE, None, Process(key, "", "", "", 0, 0, counted_from_start=True)))
    meter = Charged(processes)
    precheck = BudgetPrecheck(processes, meter, Governor(Budget(0.03), meter))
    enough(precheck, 0)
    return precheck


def enough(precheck: BudgetPrecheck, hits: int) -> bool:
    """Whether a check of so many hits in all, a moment after the last one, suffices."""
    time.sleep(0.01)
    return precheck.suffices(np.full(4, hits, np.uint64))


def test_no_hits_suffice(precheck: BudgetPrecheck) -> None:
    assert enough(precheck, 0)


def test_many_hits_do_not(precheck: BudgetPrecheck) -> None:
    assert not enough(precheck, MANY)


def test_few_hits_that_go_on_do_not_either(precheck: BudgetPrecheck) -> None:
    assert enough(precheck, FEW)
    assert [enough(precheck, (2 + number) * FEW) for number in range(SUSTAINED_SAMPLES - 1)] == [False] * (
        SUSTAINED_SAMPLES - 1
    )
    assert IMAGE in precheck.steady


def test_a_burst_is_not_steady(precheck: BudgetPrecheck) -> None:
    assert all(enough(precheck, FEW) for _ in range(SUSTAINED_SAMPLES + 1))
    assert not precheck.steady
