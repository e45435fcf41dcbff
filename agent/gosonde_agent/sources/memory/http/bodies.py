"""The response and the body that a client's connection waits for: objects that the goroutine's own frame leads to.

What is found there may be of an earlier answer. It counts if it is an open body which reads from this connection:
a connection has one of those at a time.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from gosonde_agent.sources.memory.http.known import Known
from gosonde_agent.sources.memory.http.seen import are_named, held_types
from gosonde_agent.sources.memory.http.stacks import Calls, HttpStacks
from gosonde_agent.sources.memory.http.structs import WORD, Struct, Values
from gosonde_agent.sources.memory.reachability.rows import I64, U64, Bools, words

#: A frame is no larger where it is looked at.
MAX_FRAME: Final = 8_192
BODY: Final = "http.bodyEOFSignal"


@dataclass(frozen=True, slots=True)
class Pairs:
    """Addresses that may be of a connection's objects: `of` is which connection, in order of the caller's."""

    of: I64
    at: U64

    def where(self, kept: Bools) -> "Pairs":
        """Some of them."""
        return Pairs(self.of[kept], self.at[kept])


class Bodies:
    """Finds them in one process."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._signal, self._body, self._response, self._gzip = (
            known.struct("net/http", name, fields)
            for name, fields in (
                (BODY, ("body", "closed", "rerr")),
                ("http.body", ("src", "r")),
                ("http.Response", ("Body",)),
                ("http.gzipReader", ("body",)),
            )
        )

    def of(self, stacks: HttpStacks, calls: Calls, places: I64, buffers: U64) -> list[tuple[int, ...]]:
        """The body that each of some calls of readLoop waits for, and what holds it in the place of a response.

        Args:
            places: Of the calls.
            buffers: What each connection reads from (persistConn.br).

        Raises:
            GosondeError: The process has ended, or may not be read.
        """
        found: list[tuple[int, ...]] = [()] * len(places)
        if self._signal is None or self._body is None or self._response is None:
            return found
        candidates = self._words(stacks, calls, places)
        held, outer = self._led_to(self._response, candidates)
        is_open = self._are_open(self._signal, self._body, held, buffers)
        direct = candidates.where(self._are_open(self._signal, self._body, candidates, buffers))
        for pairs in (direct, held.where(is_open), outer.where(is_open)):
            for of, at in zip(pairs.of.tolist(), pairs.at.tolist(), strict=True):
                found[of] = tuple(sorted({*found[of], at}))
        return found

    def _words(self, stacks: HttpStacks, calls: Calls, places: I64) -> Pairs:
        """What stands in the frames, each word once."""
        begin, size = stacks.frames(calls.row[places], calls.depth[places])
        size = np.where(size <= MAX_FRAME, size, 0)
        data, whole = self._known.memory.read_pieces(begin, size)
        of = np.repeat(np.arange(len(places)), size // WORD)
        different = np.unique(
            np.stack((of.astype(np.uint64), data.view("<u8")), axis=1)[np.repeat(whole, size // WORD)], axis=0
        )
        return Pairs(different[:, 0].astype(np.int64), np.ascontiguousarray(different[:, 1]))

    def _led_to(self, response: Struct, candidates: Pairs) -> tuple[Pairs, Pairs]:
        """(bodies that candidates lead to, what leads there: responses, and readers of what is packed) by rows."""
        values = Values(self._known.memory, response, candidates.at)
        types = held_types(self._known.memory, self._known.types, values.words("Body"))
        bodies = values.words("Body", WORD)
        plain = are_named(self._known.types, types, f"*{BODY}")
        direct, outer = Pairs(candidates.of, bodies).where(plain), candidates.where(plain)
        if self._gzip is None:
            return direct, outer
        packed = are_named(self._known.types, types, "*http.gzipReader")
        readers = Pairs(candidates.of, bodies).where(packed)
        inner = Values(self._known.memory, self._gzip, readers.at).words("body")
        parts = (direct, Pairs(readers.of, inner), Pairs(readers.of, inner))
        outers = (outer, candidates.where(packed), readers)
        return _joined(parts), _joined(outers)

    def _are_open(self, signal: Struct, body: Struct, pairs: Pairs, buffers: U64) -> Bools:
        """Which are bodies that were not closed, and read from their connection."""
        values = Values(self._known.memory, signal, pairs.at)
        types = held_types(self._known.memory, self._known.types, values.words("body"))
        inner = Values(self._known.memory, body, values.words("body", WORD))
        found: Bools = values.whole & inner.whole & are_named(self._known.types, types, "*http.body")
        found &= (values.numbers("closed", 1) == 0) & (values.words("rerr") == 0)
        found &= self._read_from(inner, buffers[pairs.of])
        return found

    def _read_from(self, bodies: Values, buffers: U64) -> Bools:
        """Which read from a buffer: in chunks, to its end, or so many bytes (net/http/transfer.go: readTransfer)."""
        source = bodies.words("src", WORD)
        types = held_types(self._known.memory, self._known.types, bodies.words("src"))
        is_limited = are_named(self._known.types, types, "*io.LimitedReader")
        limited, whole = self._known.memory.read_each(np.where(is_limited, source, np.uint64(0)), 2 * WORD)
        found: Bools = (bodies.words("r") == buffers) | (source == buffers)
        found |= is_limited & whole & (words(limited, WORD) == buffers)
        return found


def _joined(parts: tuple[Pairs, ...]) -> Pairs:
    return Pairs(np.concatenate([part.of for part in parts]), np.concatenate([part.at for part in parts]))
