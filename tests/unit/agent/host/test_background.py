"""A part of the agent that fails ends the agent, with the reason; one that is cancelled or done does not."""

import asyncio

import pytest
from gosonde_agent.host.background import Background
from gosonde_common.errors import GosondeError


async def goes_on() -> None:
    await asyncio.Event().wait()


async def is_done() -> None:
    pass


async def fails() -> None:
    await asyncio.sleep(0)
    raise ZeroDivisionError("no such share")


async def test_a_failure_stops_everything_and_is_told() -> None:
    stopping = asyncio.Event()
    background = Background((goes_on(), fails()), stopping)
    await asyncio.wait_for(stopping.wait(), 10)
    await background.cancel()
    with pytest.raises(GosondeError, match="ZeroDivisionError: no such share"):
        background.check()


async def test_work_that_is_done_or_cancelled_is_no_failure() -> None:
    stopping = asyncio.Event()
    background = Background((goes_on(), is_done()), stopping)
    await asyncio.sleep(0)
    await background.cancel()
    background.check()
    assert not stopping.is_set()
