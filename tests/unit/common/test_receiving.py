import asyncio
import gzip
import tracemalloc
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import pytest
from gosonde_common.errors import InvalidInputError, OverloadedError, UnavailableError
from gosonde_common.receiving import MAX_HELD_BYTES, Arriving, Receiver, Terms, checked
from gosonde_pb.v1 import ingest_pb2

Hello = ingest_pb2.Hello
PATIENCE_S = 30.0
PEER = "unix:"


def decode() -> Callable[[bytes], Any]:
    return Hello.FromString


async def coming(*requests: bytes) -> AsyncIterator[bytes]:
    for request in requests:
        yield request


def test_a_compressed_request_is_the_same_as_a_plain_one() -> None:
    said = Hello(host="web-1")
    assert checked(gzip.compress(said.SerializeToString()), Terms(), decode()) == said


def test_nothing_is_inflated_beyond_what_is_allowed() -> None:
    bomb = gzip.compress(bytes(256 << 20))
    tracemalloc.start()
    try:
        with pytest.raises(OverloadedError, match="65536 bytes"):
            checked(bomb, Terms(), decode())
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("data", [gzip.compress(b"abc", mtime=0)[:-1], b"\x1f\x8bnonsense", b"\xff", b"\x0a\x7f"])
def test_bytes_that_are_no_request_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidInputError):
        checked(data, Terms(), decode())


async def test_a_request_that_is_too_large_is_refused() -> None:
    requests = Receiver().requests(coming(bytes(11)), PEER, Terms(most_bytes=10), decode())
    async with aclosing(requests):
        with pytest.raises(OverloadedError):
            await anext(requests)


async def test_a_request_that_does_not_come_is_not_waited_for() -> None:
    with pytest.raises(UnavailableError):
        async with Arriving().one(seconds=0.01):
            await asyncio.Event().wait()


async def test_a_newer_request_ends_the_wait_for_the_oldest() -> None:
    arriving, over = Arriving(most=2), asyncio.Event()

    async def wait() -> None:
        async with arriving.one(seconds=PATIENCE_S):
            await over.wait()

    tasks = [asyncio.create_task(wait()) for _ in range(3)]
    with pytest.raises(UnavailableError):
        await asyncio.wait_for(tasks[0], PATIENCE_S)
    over.set()
    await asyncio.gather(*tasks[1:])


async def test_requests_wait_for_the_room_that_others_hold() -> None:
    receiver, terms = Receiver(), Terms(most_bytes=MAX_HELD_BYTES)
    small = Hello(host="web-1").SerializeToString()
    first = receiver.requests(coming(gzip.compress(small, mtime=0)), PEER, terms, decode())
    second = receiver.requests(coming(small), PEER, terms, decode())
    async with aclosing(first), aclosing(second):
        assert await anext(first) == Hello(host="web-1")
        waiting = asyncio.ensure_future(anext(second))
        await asyncio.sleep(0.05)
        assert not waiting.done(), "something compressed counts as large as it may become"
        await first.aclose()
        assert await asyncio.wait_for(waiting, PATIENCE_S) == Hello(host="web-1")
