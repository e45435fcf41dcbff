"""What a parked goroutine's channel belongs to is inferred from the machine code of real programs, or not at all."""

import time

import pytest
from gosonde_agent.sources.memory.target import opened
from gosonde_common.values.goroutines import Goroutine

from tests import toolchains
from tests.go_programs import GoProgram, build

VERSIONS = (toolchains.VERSIONS[0], toolchains.DEFAULT)
PATIENCE_S = 20.0
EXPECTED = {
    "context_in_closure": ("select", "context"),
    "context_never_cancelled": ("chan receive", "context"),
    "done_ignored": ("chan receive", "timer"),
    "ticker_never_stopped": ("chan receive", "timer"),
    "library_cache": ("select", "timer"),
    "signals_of_ones_own": ("chan receive", "signal"),
    "channel_receive": ("chan receive", ""),
    "done_beside_a_ticker": ("chan receive", ""),
    "select_never_ready": ("select", ""),
    "pool_per_request": ("chan receive", ""),
    "library_bus": ("chan receive", ""),
}


def leaked(program: GoProgram) -> list[Goroutine]:
    """Parked goroutines of the program's own go statements, as soon as there are two."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        with opened(program.pid) as target:
            found = [goroutine for goroutine in target.goroutines() if "/leaky/" in goroutine.created_by.file]
        parked = [goroutine for goroutine in found if goroutine.status == "waiting" and not goroutine.active]
        if len(parked) >= 2:
            return parked
        time.sleep(0.2)
    raise AssertionError(f"no goroutines of {program.pid} wait: {found}")


@pytest.mark.usefixtures("ebpf")
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("stripped", [False, True], ids=["symbols", "stripped"])
def test_contexts_timers_and_signals_are_told_from_other_channels(version: str, stripped: bool) -> None:
    ldflags = ("-s", "-w") if stripped else ()
    reported = {}
    for name in EXPECTED:
        with GoProgram(build(f"leaky/{name}", version, ldflags=ldflags), "100ms") as program:
            reported[name] = {(goroutine.wait_reason, goroutine.waits_for) for goroutine in leaked(program)}
    assert reported == {name: {expected} for name, expected in EXPECTED.items()}
