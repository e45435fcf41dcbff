"""The steady clock goes on when the wall clock jumps."""

import itertools
import time

import pytest
from gosonde_common.clock import SteadyClock

HOUR = 3_600 * 10**9


@pytest.mark.parametrize("jump", [5 * HOUR, -5 * HOUR])
def test_a_jump_of_the_wall_clock_bends_the_time_by_a_tenth_at_most(monkeypatch: pytest.MonkeyPatch, jump: int) -> None:
    wall, boottime = [10**18], [10**12]
    monkeypatch.setattr(time, "time_ns", lambda: wall[0])
    monkeypatch.setattr(time, "clock_gettime_ns", lambda _: boottime[0])
    clock = SteadyClock()
    wall[0] += jump
    seen = [clock.now()]
    for _ in range(100):
        wall[0] += 10**9
        boottime[0] += 10**9
        seen.append(clock.now())
    steps = [later - earlier for earlier, later in itertools.pairwise(seen)]
    assert set(steps) == {10**9 + (10**8 if jump > 0 else -(10**8))}


def test_it_comes_back_to_the_wall_clock_and_follows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    wall, boottime = [10**18], [10**12]
    monkeypatch.setattr(time, "time_ns", lambda: wall[0])
    monkeypatch.setattr(time, "clock_gettime_ns", lambda _: boottime[0])
    clock = SteadyClock()
    wall[0] += 10**9
    for _ in range(20):
        wall[0] += 10**9
        boottime[0] += 10**9
        clock.now()
    assert clock.now() == wall[0]
