"""Shares are over the time that was asked for, as nearly as the samples allow."""

import os
import time
from collections import deque

import pytest
from gosonde_agent.accounting.processes import GoProcess, Processes
from gosonde_agent.overhead.metering import Account, Meter, Sample
from gosonde_agent.sources.counters import Hits, Image
from gosonde_agent.sources.hit_costs import HitCosts
from gosonde_common.values.observation import Process, ProcessKey


def account(*times: float) -> Account:
    """An account with samples of these moments."""
    return Account(0, (1.0,), 1.0, deque(Sample(at, Hits(), 0.0, 0) for at in times))


@pytest.mark.parametrize(
    ("times", "chosen"),
    [
        ((0.0,), 0.0),
        ((0.0, 0.5, 1.0, 1.5), 0.5),
        # A long rest before would hide what happens now.
        ((0.0, 10.0, 10.5), 10.0),
        # A moment says too little.
        ((0.0, 9.9, 10.0), 0.0),
    ],
)
def test_the_sample_whose_age_is_nearest_is_chosen(times: tuple[float, ...], chosen: float) -> None:
    assert account(*times).since(1.0).at == chosen


def test_what_a_process_did_before_its_first_hits_is_no_part_of_their_share() -> None:
    image = Image(os.getpid(), 0, 1)
    description = Process(ProcessKey("", os.getpid(), 0, 1), "", "", "", 0, 0, counted_from_start=True)
    processes = Processes()
    processes.add(os.getpid(), 0, process := GoProcess(image, None, description))
    meter = Meter(HitCosts(), processes)
    meter.measure({})
    began = time.process_time()
    while time.process_time() < began + 0.2:
        pass
    meter.measure({})
    assert next(meter.rows()).cpu_ns == 0  # nothing new is reported of what has no hits
    meter.measure({image: Hits(created=1)})
    account = meter.account(process)
    assert account is not None
    assert account.newest.cpu_ns - account.samples[-2].cpu_ns < 0.1e9
    assert next(meter.rows()).cpu_ns >= 0.2e9
