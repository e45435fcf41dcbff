"""Threads for what takes its time."""

import asyncio
import threading
from functools import partial

import pytest
from gosonde_agent.host.desk import Desk
from gosonde_agent.host.threads import Workers, within


def test_as_many_calls_run_at_the_same_time_as_there_are_workers() -> None:
    together = threading.Barrier(3, timeout=60)
    workers = Workers("test", 3)
    assert sorted(future.result(60) >= 0 for future in [workers.submit(together.wait) for _ in range(6)]) == [True] * 6


def test_one_worker_does_things_in_their_order() -> None:
    done: list[int] = []
    workers = Workers("test", 1)
    futures = [workers.submit(partial(done.append, number)) for number in range(100)]
    futures[-1].result(60)
    assert done == list(range(100))


def test_whoever_waits_is_told_of_an_error_and_the_worker_goes_on() -> None:
    workers = Workers("test", 1)
    failed, fine = workers.submit(lambda: 1 // 0), workers.submit(lambda: 1)
    with pytest.raises(ZeroDivisionError):
        failed.result(60)
    assert fine.result(60) == 1


def test_a_call_that_is_held_up_is_not_waited_for() -> None:
    over = threading.Event()
    assert within(0.01, over.wait) is None
    over.set()
    assert within(60, lambda: "answer") == "answer"
    assert within(60, lambda: 1 // 0) is None


async def test_the_event_loop_goes_on_while_a_desk_is_at_work() -> None:
    over = threading.Event()
    desk = Desk("test")
    waits = asyncio.create_task(desk.do(lambda: over.wait(60)))
    await asyncio.sleep(0)
    assert not desk.is_stuck()
    over.set()
    assert await waits


def test_what_is_urgent_goes_before_what_waits() -> None:
    begun, over = threading.Event(), threading.Event()
    done: list[str] = []
    workers = Workers("test", 1)

    def hold_up() -> None:
        begun.set()
        over.wait(60)

    workers.submit(hold_up)
    assert begun.wait(60)
    waiting = [workers.submit(partial(done.append, name)) for name in ("first", "second")]
    waiting += [workers.submit(partial(done.append, name), urgent=True) for name in ("step", "next step")]
    over.set()
    for future in waiting:
        future.result(60)
    assert done == ["step", "next step", "first", "second"]
