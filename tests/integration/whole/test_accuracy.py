"""Labelled programs beside a real agent and a real collector: leaks are found, healthy programs are left alone.

A handful of what `make accuracy` runs; docs/accuracy.md has the whole table.
"""

import pytest

from tests import labelled_programs, trials
from tests.labelled_programs import Labelled
from tests.trials import Trial

LEAKY = ("body_not_closed", "channel_send", "mutex_held", "one_in_a_hundred", "pool_per_request", "sleep_loop")
HEALTHY = ("burst", "load_wave", "ramp_to_plateau", "subscribers")
SECONDS = 55.0


@pytest.fixture(scope="module")
def done(ebpf: None) -> dict[str, Trial]:  # noqa: ARG001
    names = {f"leaky/{name}" for name in LEAKY} | {f"healthy/{name}" for name in HEALTHY}
    chosen: list[Labelled] = [
        label for label in labelled_programs.leaky() + labelled_programs.healthy() if label.name in names
    ]
    return {trial.label.name: trial for trial in trials.run(chosen, SECONDS)}


@pytest.mark.parametrize("name", LEAKY)
def test_a_leak_is_found_at_its_statement_and_its_cause_is_told(done: dict[str, Trial], name: str) -> None:
    trial = done[f"leaky/{name}"]
    assert trial.found_s is not None
    assert (trial.cause, trial.others) == (trial.label.cause, set())


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_program_is_not_flagged(done: dict[str, Trial], name: str) -> None:
    assert done[f"healthy/{name}"].others == set()


def test_there_are_enough_labelled_programs() -> None:
    leaky = labelled_programs.leaky()
    assert len(leaky) >= 24
    assert len(labelled_programs.healthy()) >= 16
    assert len({label.cause for label in leaky}) >= 15
