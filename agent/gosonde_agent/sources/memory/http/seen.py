"""A connection as it was read, and what its values say: texts, moments, what interfaces hold."""

import contextlib
import time
from dataclasses import dataclass
from typing import Final

import numpy as np
from gosonde_common.values.http import Side, State

from gosonde_agent.sources.memory.errors import ImplausibleMemoryError, UnreadableMemoryError
from gosonde_agent.sources.memory.http.structs import Values
from gosonde_agent.sources.memory.moments import SECOND, unix_time
from gosonde_agent.sources.memory.reachability.rows import I64, U64, Bools, words
from gosonde_agent.sources.memory.reachability.runtime_types import RuntimeTypes
from gosonde_agent.sources.memory.reader import ProcessMemory

#: A host's name and port are no longer.
MAX_TEXT: Final = 300


@dataclass(frozen=True, slots=True)
class Connection:
    """One connection; see `HttpGroup`.

    Attributes:
        row: Of the goroutine that reads it, in its block.
        age_ns: Since when it is in its state; None where it is not known.
        response: Addresses of the response whose body was not read, and of the body; empty where they are not known.
        is_on_no_stack: No goroutine has the response on its stack.
        requests: On it now; None where the state says that.
        is_moved: Its goroutine ran each time it was read.
        key: By which its streams name it, of HTTP/2: a client's address, the goid of a server's goroutine; 0 without.
        network: Of a server: the address of the network connection.
    """

    row: int
    side: Side
    protocol: str = "HTTP/1.1"
    scheme: str = ""
    host: str = ""
    state: State = State.UNKNOWN
    function: str = ""
    age_ns: int | None = None
    age_is_least: bool = False
    response: tuple[int, ...] = ()
    is_on_no_stack: bool = False
    requests: int | None = None
    is_moved: bool = False
    key: int = 0
    network: int = 0


class Texts:
    """Strings of one process, each read once."""

    def __init__(self, memory: ProcessMemory) -> None:
        self._memory = memory

    def of(self, values: Values, path: str) -> list[str]:
        """What a string field holds, of each value; empty where it is too long, or not printable.

        Raises:
            GosondeError: The process has ended, or may not be read.
        """
        pairs = np.stack((values.words(path), values.words(path, 8)), axis=1)
        different, which = np.unique(pairs, axis=0, return_inverse=True)
        sizes = np.where(different[:, 1] <= MAX_TEXT, different[:, 1], 0).astype(np.int64)
        data, whole = self._memory.read_pieces(np.ascontiguousarray(different[:, 0]), sizes)
        parts = np.split(data, np.cumsum(sizes)[:-1]) if len(sizes) else []
        texts = [_text(part.tobytes()) if there else "" for part, there in zip(parts, whole.tolist(), strict=True)]
        return [texts[place] for place in which.reshape(-1).tolist()]


def _text(data: bytes) -> str:
    text = data.decode("ascii", "replace")
    return text if text.isprintable() and text.isascii() else ""


def held_types(memory: ProcessMemory, types: RuntimeTypes, interfaces: U64) -> U64:
    """The address of the type of what each interface with methods holds, by its first word; 0 where it names none.

    That word is the address of an abi.ITab, whose second word is the type. One that was made while the program ran has
    no hash.

    Raises:
        GosondeError: The process has ended, or may not be read.
    """
    begin, end = types.extent()
    found, whole = memory.read_each(interfaces, 16)
    of = words(found, 8)
    return np.where(whole & (of >= np.uint64(begin)) & (of < np.uint64(end)), of, np.uint64(0))


def are_named(types: RuntimeTypes, of: U64, name: str) -> Bools:
    """Which of some types are called so ("*http.conn")."""
    different, which = np.unique(of, return_inverse=True)
    return np.array([_name(types, one) == name for one in different.tolist()], np.bool_)[which.reshape(-1)]


def _name(types: RuntimeTypes, reference: int) -> str:
    with contextlib.suppress(ImplausibleMemoryError, UnreadableMemoryError):
        return types.describe(reference).name
    return ""


def ages_ns(values: Values, path: str) -> list[int | None]:
    """How long ago each time.Time was, by the wall clock; None for none, and for one that is yet to come."""
    wall, ext = values.words(path), values.words(path, 8)
    seconds, nanoseconds = unix_time(wall, ext)
    now, now_ns = divmod(time.time_ns(), SECOND)
    ages = (now - seconds) * SECOND + now_ns - nanoseconds
    is_one = ((wall != 0) | (ext != 0)) & (ages >= 0) & (seconds > 0)
    return [age if known else None for age, known in zip(ages.tolist(), is_one.tolist(), strict=True)]


def waited_ns(since: I64) -> list[int | None]:
    """How long goroutines have waited at least, by g.waitsince; None where the runtime has not noted it."""
    now = time.monotonic_ns()
    return [now - begun if 0 < begun <= now else None for begun in since.tolist()]
