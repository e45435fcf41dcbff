"""A TCP proxy that harms what passes: it delays, drops, duplicates and truncates bytes, and cuts the line."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class FlakyProxy:
    """Attributes:
    harm: Probability that a piece of up to 4 KiB is harmed; 0 passes everything.
    cut: While set, connections are taken and nothing passes, as behind a firewall that drops.
    counts: How often each harm was done.
    passed: Bytes that came, in each direction: to the target, and from it.
    """

    def __init__(self, target_port: int, seed: int = 1) -> None:
        self._target_port = target_port
        self._rng = random.Random(seed)
        self._writers: set[asyncio.StreamWriter] = set()
        self.harm = 0.0
        self.cut = asyncio.Event()
        self.address = ""
        self.passed = [0, 0]
        self.counts = dict.fromkeys(("delay", "drop", "duplicate", "truncate"), 0)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Passes one connection on until one side ends it."""
        with suppress(OSError):
            upstream = await asyncio.open_connection("127.0.0.1", self._target_port)
            self._writers |= {writer, upstream[1]}
            ways = self._pass(reader, upstream[1], 0), self._pass(upstream[0], writer, 1)
            with suppress(OSError, asyncio.IncompleteReadError):
                await asyncio.gather(*ways)
            upstream[1].close()
        writer.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: int) -> None:
        while data := await reader.read(4096):
            self.passed[way] += len(data)
            while self.cut.is_set():
                await asyncio.sleep(0.05)
            if self._rng.random() < self.harm:
                data = await self._harmed(data, writer)
            writer.write(data)
            await writer.drain()
        writer.close()

    async def _harmed(self, data: bytes, writer: asyncio.StreamWriter) -> bytes:
        kind = self._rng.choice(list(self.counts))
        self.counts[kind] += 1
        if kind == "delay":
            await asyncio.sleep(self._rng.uniform(0.05, 0.5))
            return data
        if kind == "drop":
            return b""
        if kind == "duplicate":
            return data + data
        writer.write(data[: len(data) // 2])
        writer.close()
        raise OSError("truncated on purpose")

    def hang_up(self) -> None:
        """Ends every connection."""
        for writer in self._writers:
            writer.close()
        self._writers.clear()


@asynccontextmanager
async def flaky_proxy(target_port: int, seed: int = 1) -> AsyncIterator[FlakyProxy]:
    """A proxy that listens on `address`."""
    proxy = FlakyProxy(target_port, seed)
    server = await asyncio.start_server(proxy.handle, "127.0.0.1", 0)
    proxy.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
        proxy.cut.clear()
        proxy.hang_up()
        await asyncio.sleep(0.2)
