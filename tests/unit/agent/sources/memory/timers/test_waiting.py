"""Who waits for a timer is found by the queue of its channel, and named by what it waits in."""

from collections.abc import Iterator

import numpy as np
import pytest
from gosonde_agent.sources.memory.layout import goroutine_layout
from gosonde_agent.sources.memory.reachability.awaited import SudogLayout
from gosonde_agent.sources.memory.timers.waiting import Waiting, waiting_functions
from gosonde_common.values.goroutines import Location

from tests.unit.agent.sources.memory.timers.made_up import NOWHERE, MadeUp
from tests.unit.cli.goroutine_columns import columns, kind

WAIT, PARK, SLEEP = Location("main.wait", "", 1), Location("runtime.gopark", "", 1), Location("time.Sleep", "", 1)


@pytest.fixture(params=["1.19.8", "1.27.3"])
def made(request: pytest.FixtureRequest) -> Iterator[MadeUp]:
    with MadeUp(request.param) as made:
        yield made


def channel(made: MadeUp, first: int) -> int:
    """A channel with a queue of receivers that begins there."""
    at = made.data(bytes(made.layout.size("hchan")))
    made.write(at + made.layout.offset("hchan", "recvq.first"), 8, first)
    return at


def sudog(made: MadeUp, goroutine: int, of: int = 0) -> int:
    """A place in such a queue."""
    at = made.data(bytes(SudogLayout(made.layout).span))
    made.write(at + made.layout.offset("sudog", "g"), 8, goroutine)
    made.write(at + made.layout.offset("sudog", "c"), 8, of)
    return at


def test_the_first_in_the_queue_of_a_channel_is_the_one_that_waits(made: MadeUp) -> None:
    place = sudog(made, 0xA000)
    awaited = channel(made, place)
    made.write(place + made.layout.offset("sudog", "c"), 8, awaited)
    another = channel(made, sudog(made, 0xB000, of=awaited))
    channels = [awaited, channel(made, 0), another, channel(made, NOWHERE), NOWHERE, 0, awaited]
    found = Waiting(made.runtime()).receivers(np.array(channels, np.uint64))
    assert found.tolist() == [0xA000, 0, 0, 0, 0, 0, 0xA000]


def test_a_goroutine_has_a_number_where_it_names_itself(made: MadeUp) -> None:
    at = goroutine_layout(made.layout)
    mine, other = (made.data(bytes(at.span)) for _ in range(2))
    made.write(mine + at.itself, 8, mine)
    for goroutine in (mine, other):
        made.write(goroutine + at.goid, 8, 42)
    found = Waiting(made.runtime()).numbers(np.array([other, mine, 0, NOWHERE], np.uint64))
    assert found.tolist() == [0, 42, 0, 0]


def test_of_those_that_are_wanted_and_wait_the_function_that_waits_is_named() -> None:
    block = columns(
        kind(PARK, WAIT),
        kind(PARK, SLEEP, WAIT, wait_reason="sleep"),
        kind(WAIT, wait_reason=""),
        kind(PARK),
        kind(WAIT),
    )
    assert waiting_functions([block], np.array([10, 11, 12, 13], np.uint64)) == {
        10: "main.wait",
        11: "main.wait",
        13: "",
    }
