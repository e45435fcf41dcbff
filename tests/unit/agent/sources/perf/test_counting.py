"""The events' own counters are read now and then, also after a reading that was stopped in between."""

import os
import time
from pathlib import Path

import pytest
from gosonde_agent.host.sampling_events import Instruction
from gosonde_agent.sources.counters import UNATTRIBUTED
from gosonde_agent.sources.perf.counting import CREATED, MOST_BETWEEN, Counting
from gosonde_agent.sources.perf.points import Points

REGISTERS = ("rax", "rcx", "rdx")
POINTS = Points(Instruction(0x1010, 0x10, REGISTERS), Instruction(0x2020, 0x20, REGISTERS), REGISTERS, 0, 1, 2)
STOPPED_SECONDS = 30.0


class Clock:
    """A clock that stands but where it is moved."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(time, "monotonic", found.monotonic)
    return found


def write_counter(file: Path, count: int) -> None:
    """What a descriptor of an event says at each of the first readings."""
    file.write_bytes(count.to_bytes(8, "little") * 8)


def lost(events: Counting) -> int:
    """Creations that no sample told of, by the second call: counters are held against samples that come after them."""
    events.totals()
    return sum(total.created for total in events.totals() if total.pc == UNATTRIBUTED)


def test_after_a_reading_that_was_stopped_for_long_the_next_one_comes_within_the_cap(
    monkeypatch: pytest.MonkeyPatch, clock: Clock, tmp_path: Path
) -> None:
    file = tmp_path / "counter"
    write_counter(file, 0)
    events = Counting(1, POINTS, {}, [(CREATED, os.open(file, os.O_RDONLY))])
    read = os.read

    def stopped(fd: int, size: int) -> bytes:
        clock.seconds += STOPPED_SECONDS
        return read(fd, size)

    with monkeypatch.context() as stopping:
        stopping.setattr(os, "read", stopped)
        assert lost(events) == 0
    write_counter(file, 7)
    clock.seconds += MOST_BETWEEN
    assert lost(events) == 7
    events.close()
