"""Of many processes that only memory counts, who seems to grow is read at once, within what readings may take."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from gosonde_agent.accounting.processes import GoProcess, Processes
from gosonde_agent.model.errors import UnreadableFileError
from gosonde_agent.overhead.metering import Meter
from gosonde_agent.sources.counters import Image
from gosonde_agent.sources.hit_costs import HitCosts
from gosonde_agent.watch.reading_order import BELOW_FULL_SECONDS, LOOKS_UNTIL_KNOWN, SUSPECTED
from gosonde_agent.watch.reconciliation import Reconciler
from gosonde_agent.watch.visit import Scan
from gosonde_common.values.levels import Level
from gosonde_common.values.observation import Process, ProcessKey

MANY = 100
SHARE, FIRST_SHARE = 0.003, 0.05
#: CPU seconds of one reading.
CHEAP, DEAR = 0.002, 1.0
GROWS = 42


class Clock:
    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def process(number: int, level: Level) -> GoProcess:
    description = Process(ProcessKey("", number, 1, 1), "", "", "", 0, 0, counted_from_start=True, level=level)
    return GoProcess(Image(number, 0, number), None, description)


def stepped(level: Level, clock: Clock) -> Reconciler:
    """Plans readings of MANY processes, which have stepped to a level just now."""
    processes = Processes()
    for number in range(MANY):
        processes.add(number, 0, process(number, level))
    source = cast("Any", SimpleNamespace(is_closing=lambda _: False, epoch=lambda _: 0))
    reconciler = Reconciler(source, processes, Meter(HitCosts(), processes), 30.0, clock)
    for one in processes:
        reconciler.hurry(one)
    return reconciler


def read(reconciler: Reconciler, cpu_seconds: float = CHEAP, first_share: float = float("inf")) -> Scan | None:
    """Makes the next reading, if one is due. It shows nothing."""
    scan = reconciler.next(SHARE, first_share)
    if scan is not None:
        scan.error, scan.cpu_seconds = UnreadableFileError("not in this test"), cpu_seconds
        reconciler.finish(scan)
    return scan


def known(level: Level, clock: Clock) -> Reconciler:
    """The same, of which each was read once, and none grows."""
    reconciler = stepped(level, clock)
    assert sorted(scan.image.tgid for _ in range(MANY) if (scan := read(reconciler))) == list(range(MANY))
    for _ in range(LOOKS_UNTIL_KNOWN + 1):
        reconciler.looked(dict.fromkeys(reconciler.plans, 10))
    clock.seconds += BELOW_FULL_SECONDS
    return reconciler


def grow(reconciler: Reconciler, number: int, clock: Clock) -> None:
    """Shows in some looks that one of them grows."""
    for look in range(SUSPECTED + 2):
        clock.seconds += 2.0
        reconciler.looked({image: 10 + 10 * look * (image.tgid == number) for image in reconciler.plans})


def readings(seconds: float, clock: Clock, reconciler: Reconciler) -> list[int]:
    """Whose the readings of so long are, each made as soon as it is due."""
    found = []
    end = clock.seconds + seconds
    while clock.seconds < end:
        if scan := read(reconciler):
            found.append(scan.image.tgid)
        clock.seconds += 0.1
    return found


@pytest.mark.parametrize("level", [level for level in Level if level is not Level.FULL])
def test_who_grows_is_read_at_once_and_every_few_seconds_beside_a_hundred(level: Level, clock: Clock) -> None:
    reconciler = known(level, clock)
    grow(reconciler, GROWS, clock)
    found = readings(20.0, clock, reconciler)
    assert GROWS in found[:2]
    assert found.count(GROWS) >= 20.0 / 5.0


def test_readings_stay_within_their_share_and_the_others_have_their_turns(clock: Clock) -> None:
    reconciler = known(Level.MEMORY, clock)
    grow(reconciler, GROWS, clock)
    found = readings(150.0, clock, reconciler)
    assert len(found) * CHEAP <= 1.05 * SHARE * 150.0
    assert set(found) == set(range(MANY))


def test_first_readings_take_their_own_share_and_keep_nobody_waiting_who_grows(clock: Clock) -> None:
    reconciler = known(Level.MEMORY, clock)
    grow(reconciler, GROWS, clock)
    for number in (1, 2):
        reconciler.hurry(process(number, Level.MEMORY))
    read(reconciler)  # whoever does not grow has had the turn then
    scan = read(reconciler, DEAR, FIRST_SHARE)
    assert scan is not None
    assert scan.first
    following = read(reconciler)
    assert following is not None
    assert following.image.tgid == GROWS
    clock.seconds += 0.9 * DEAR / FIRST_SHARE
    assert not any(one.first for _ in range(3) if (one := read(reconciler)))
    clock.seconds += 0.2 * DEAR / FIRST_SHARE
    assert any(one.first for _ in range(3) if (one := read(reconciler)))


def test_all_have_their_turns_where_all_grow(clock: Clock) -> None:
    reconciler = known(Level.MEMORY, clock)
    for look in range(SUSPECTED + 2):
        reconciler.looked(dict.fromkeys(reconciler.plans, 20 + 10 * look))
    found = readings(200.0, clock, reconciler)
    assert set(found) == set(range(MANY))
    assert len(found) * CHEAP <= 1.05 * SHARE * 200.0


def test_a_dear_reading_of_one_that_does_not_grow_keeps_the_others_waiting_and_not_who_grows(clock: Clock) -> None:
    reconciler = known(Level.MEMORY, clock)
    assert read(reconciler, DEAR)
    clock.seconds += BELOW_FULL_SECONDS
    assert read(reconciler) is None
    grow(reconciler, GROWS, clock)
    scan = read(reconciler)
    assert scan is not None
    assert scan.image.tgid == GROWS
    assert read(reconciler) is None


def test_who_steps_is_read_before_all_others(clock: Clock) -> None:
    reconciler = known(Level.MEMORY, clock)
    grow(reconciler, GROWS, clock)
    one = process(MANY - 1, Level.MEMORY)
    reconciler.hurry(one)
    found = [scan.image for _ in range(2) if (scan := read(reconciler))]
    assert one.image in found
