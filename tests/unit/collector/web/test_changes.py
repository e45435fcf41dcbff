"""Pages that renew themselves: when they hear that they should, and that many of them cost as much as one."""

import asyncio
import gzip
import socket
from collections.abc import Callable

import pytest
from gosonde_collector.web.changes import Changes

from tests.unit.collector.batches import KEY, batch
from tests.unit.collector.web.conftest import READ, Served, finding
from tests.unit.collector.web.test_asking import FOUND, PROCESS

Serving = Callable[..., Served]
PATHS = ("/findings/0000000000000001/changes", PROCESS.replace("?", "/changes?"))


async def heard(looks: list[dict[str, int]], name: str) -> list[str]:
    """The events of whoever watches one part of what is seen, look by look."""
    events: list[str] = []
    is_over = asyncio.Event()

    async def look() -> dict[str, int]:
        for _ in range(20):  # whoever watches comes to hear of the look before
            await asyncio.sleep(0)
        if len(looks) == 1:
            is_over.set()
        return looks.pop(0) if len(looks) > 1 else looks[0]

    async def listen() -> None:
        async for event in changes.events(lambda: True, lambda seen: (seen or {}).get(name)):
            events.append(event.partition("\n")[0])  # noqa: PERF401 - what was heard counts when it is stopped, too

    changes = Changes(look, 0)
    tasks = [asyncio.create_task(work) for work in (listen(), changes.run())]
    await is_over.wait()
    for _ in range(60):
        await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return events


def test_who_watches_one_finding_hears_only_when_that_has_changed() -> None:
    looks = [{"a": 1, "b": 1}, {"a": 1, "b": 2}, {"a": 1, "b": 3}, {"a": 2, "b": 3}, {"a": 2, "b": 4}]
    assert asyncio.run(heard(looks, "a")) == ["event: change"] * 3
    assert asyncio.run(heard([{"b": number} for number in range(5)], "a")) == ["event: change"]


def test_what_was_compressed_for_one_is_whole_for_another_who_asks_for_it_right_after(serving: Serving) -> None:
    page = serving(finding(process=KEY), batches=[batch(1)])
    host, _, port = page.address.rpartition(":")
    for path, watched in zip((FOUND, PROCESS), PATHS, strict=True):
        with socket.create_connection((host, int(port)), timeout=60) as watcher:
            watcher.sendall(f"GET {watched} HTTP/1.1\r\nHost: {page.address}\r\n\r\n".encode())
            assert watcher.recv(12) == b"HTTP/1.1 200"
            for _ in range(3):
                compressed = page.get(path, Accept_Encoding="gzip")
                assert gzip.decompress(compressed.body).endswith(b"</html>")
                plain = page.get(path)
                assert plain.headers["content-encoding"] is None
                assert plain.text.endswith("</html>")


@pytest.mark.parametrize("path", PATHS)
def test_pages_that_renew_themselves_want_a_session(serving: Serving, path: str) -> None:
    page = serving(finding(process=KEY), batches=[batch(1)], tokens=True)
    assert page.get(path).status == 303
    page.sign_in(READ)
    assert page.get(path, Authorization="Bearer wrong").status == 303


@pytest.mark.parametrize("path", PATHS)
def test_the_page_of_one_finding_or_process_hears_at_once_what_there_is(serving: Serving, path: str) -> None:
    page = serving(finding(process=KEY), batches=[batch(1)])
    host, _, port = page.address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=60) as watcher:
        watcher.sendall(f"GET {path} HTTP/1.1\r\nHost: {page.address}\r\n\r\n".encode())
        heard_of = b""
        while heard_of.count(b"event: change") < 2:  # before the first look, and of what that saw
            piece = watcher.recv(4096)
            assert piece, heard_of
            heard_of += piece
        assert page.get("/findings/0000000000000001").status == 200
        assert page.get(PROCESS).status == 200
