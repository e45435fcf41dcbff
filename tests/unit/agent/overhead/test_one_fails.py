"""A process for which a step fails costs that step alone: all others are measured, checked, decided on and reported."""

import os
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from gosonde_agent.accounting.processes import GoProcess, Processes
from gosonde_agent.model.budget import Budget
from gosonde_agent.overhead.governor import Governor
from gosonde_agent.overhead.metering import Meter
from gosonde_agent.overhead.precheck import BudgetPrecheck
from gosonde_agent.sources.counters import Hits, Image
from gosonde_agent.sources.hit_costs import HitCosts
from gosonde_agent.sources.kinds import EBPF
from gosonde_agent.watch.reconciliation import Reconciler
from gosonde_agent.watch.stepping import Stepper
from gosonde_common.values.observation import Process, ProcessKey
from structlog.testing import capture_logs

HERE = os.getpid()


def process(number: int) -> GoProcess:
    """All have the pid of this process: it is there."""
    description = Process(ProcessKey("", HERE, number, 1), "", "", "", 0, 0, counted_from_start=True)
    return GoProcess(Image(HERE, number, number), None, description)


@pytest.fixture
def known() -> Processes:
    """Three processes; each test breaks the first."""
    processes = Processes()
    for number in range(3):
        processes.add(HERE, number, process(number))
    return processes


def test_one_process_that_cannot_be_measured_leaves_the_others_measured_and_reported(known: Processes) -> None:
    first, second, third = known
    meter = Meter(HitCosts(), known)
    broken = cast("Any", SimpleNamespace())
    with capture_logs() as logs:
        for created in (1, 2):
            hits = {image: Hits(created=created) for one in (second, third) if (image := one.image)}
            meter.measure({cast("Image", first.image): broken, **hits})
    assert known.steps_failed == 2
    assert len([entry for entry in logs if entry["log_level"] == "error"]) == 1
    assert [row.process.start_ticks for row in meter.rows()] == [1, 2]
    account = meter.account(third)
    assert account is not None
    assert account.newest.hits == Hits(created=2)


def test_one_account_that_cannot_be_reported_or_checked_leaves_the_others(known: Processes) -> None:
    first, _, third = known
    meter = Meter(HitCosts(), known)
    meter.measure({})
    account = meter.account(first)
    assert account is not None
    account.max_hit_ns = cast("Any", None)
    account.samples.append(cast("Any", SimpleNamespace(at=0.0, probe_ns="x", hits=Hits(), cpu_ns=0)))
    assert [row.process.start_ticks for row in meter.rows()] == [1, 2]
    assert known.steps_failed == 1
    known.add(HERE, 3, process(3))  # it is not known yet, and is looked for behind the broken one
    precheck = BudgetPrecheck(known, meter, Governor(Budget(), meter))
    assert not precheck.suffices(np.ones(1, np.uint64))
    assert known.steps_failed == 2
    assert meter.account(third) is not None


def test_one_file_that_cannot_be_decided_on_leaves_the_others_decided(known: Processes) -> None:
    meter = Meter(HitCosts(), known)
    asked = []

    class FailsForOne(Governor):
        def decide(self, number: int, *_: Any, **__: Any) -> None:
            asked.append(number)
            if number == 0:
                raise ZeroDivisionError

    source = cast("Any", SimpleNamespace(is_closing=lambda _: False, kind=EBPF))
    governor = FailsForOne(Budget(), meter)
    Stepper(source, known, Reconciler(source, known, meter, 1.0), governor).govern(())
    assert asked == [0, 1, 2]
    assert known.steps_failed == 1


def test_one_process_that_cannot_be_planned_leaves_the_others_read(known: Processes) -> None:
    first, second, third = known
    first.baseline = second.baseline = third.baseline = cast("Any", SimpleNamespace(known=False, uncertain=True))
    first.baseline = cast("Any", SimpleNamespace())
    source = cast("Any", SimpleNamespace(is_closing=lambda _: False))
    reconciler = Reconciler(source, known, Meter(HitCosts(), known), 1.0)
    found = [reconciler.next(), reconciler.next()]
    assert [scan.process for scan in found if scan] == [second, third]
    assert known.steps_failed == 2
