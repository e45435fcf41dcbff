"""The stream of one agent, as far as snapshots are concerned. Everything here belongs to the collector's event loop."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from gosonde_common.values.reachability import SearchOutcome

from gosonde_collector.evidence.upload import ProfileUpload
from gosonde_collector.model.errors import ProfileError, SnapshotError
from gosonde_collector.model.values import ProcessKey, SnapshotKind, SnapshotPiece, SnapshotRequest, Stream

#: How long an agent may take from the request to the last piece, in seconds.
ANSWER_SECONDS: Final = 90.0
#: Proofs that an agent is asked for at a time: no more than it answers at a time.
PROOFS_AT_ONCE: Final = 4

#: A file, inflated; or what a search found.
Answer = bytes | SearchOutcome


@dataclass(slots=True)
class _Expected:
    """What an agent answers: a file piece by piece, or an outcome in one."""

    upload: ProfileUpload = field(default_factory=ProfileUpload)
    whole: asyncio.Future[Answer] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    async def take(self, piece: SnapshotPiece) -> None:
        if piece.failure:
            self.fail(SnapshotError(f"the agent cannot take it: {piece.failure}"))
        elif piece.outcome is not None:
            self._end(piece.outcome)
        else:
            await self._take_chunk(piece)

    async def _take_chunk(self, piece: SnapshotPiece) -> None:
        try:
            await asyncio.to_thread(self.upload.feed, piece.chunk)
            if piece.last:
                self._end(await asyncio.to_thread(self.upload.finish))
        except ProfileError as error:
            self.fail(error)

    def _end(self, answer: Answer) -> None:
        if not self.whole.done():
            self.whole.set_result(answer)

    def fail(self, error: SnapshotError | ProfileError) -> None:
        if not self.whole.done():
            self.whole.set_exception(error)


class AgentLink:
    """See the module.

    Attributes:
        outgoing: What the stream has to send; one at a time.
        turn: Whoever asks for a file holds it: the agent answers one after the other.
        proving: The same for proofs, of which several may be under way.
    """

    def __init__(self, stream: Stream, kinds: frozenset[SnapshotKind], numbers: Iterator[int]) -> None:
        self.stream = stream
        self.kinds = kinds
        self.outgoing: asyncio.Queue[SnapshotRequest] = asyncio.Queue()
        self._numbers = numbers
        self.turn = asyncio.Lock()
        self.proving = asyncio.Semaphore(PROOFS_AT_ONCE)
        self._expected: dict[int, _Expected] = {}
        self._closed = False

    async def ask(self, process: ProcessKey, kind: SnapshotKind) -> Answer:
        """What the agent answers. Raises SnapshotError, and ProfileError when it is a file that is none."""
        if self._closed:
            raise SnapshotError("the agent disconnected")
        number = next(self._numbers)
        expected = self._expected[number] = _Expected()
        self.outgoing.put_nowait(SnapshotRequest(number, process, kind))
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await expected.whole
        except TimeoutError as error:
            raise SnapshotError(f"the agent did not answer in {ANSWER_SECONDS:g} s") from error
        finally:
            del self._expected[number]

    async def feed(self, piece: SnapshotPiece) -> None:
        """Adds a piece; one of an answer that nobody waits for any more is passed over."""
        if expected := self._expected.get(piece.id):
            await expected.take(piece)

    def close(self) -> None:
        """The stream has ended."""
        self._closed = True
        for expected in self._expected.values():
            expected.fail(SnapshotError("the agent disconnected"))
