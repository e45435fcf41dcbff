"""What the goroutines of one process wait for, read from its memory again and again, beside the counting."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gosonde_common.errors import GosondeError

from gosonde_cli.rendering import cell, counted
from gosonde_cli.top.picture import Place

if TYPE_CHECKING:
    from gosonde_common.values.goroutines import GoroutineColumns, Kind

#: Between two readings at least, and how many times as long as the last one took.
REST_SECONDS: Final = 2.0
REST_FACTOR: Final = 20.0
#: Kinds of goroutines that are told apart in a reading, frames and states that are shown of a statement.
MOST_KINDS: Final = 20_000
MOST_FRAMES: Final = 30
MOST_STATES: Final = 5


@dataclass(frozen=True, slots=True)
class Seen:
    """Of one `go` statement in a reading."""

    goroutines: int
    waits: str
    details: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """Of a process. `refusal` says why there is none; empty where there is one."""

    seen: Mapping[Place, Seen] = field(default_factory=dict)
    pauses_ns: tuple[int, ...] | None = None
    refusal: str = ""


class Readings:
    """Reads from `start` to `close`, and calls `on_reading` from a thread of its own after each reading."""

    def __init__(self, pid: int, on_reading: Callable[[], None]) -> None:
        self._pid = pid
        self._on_reading = on_reading
        self.newest = Reading()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="top-memory", daemon=True)

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def close(self) -> None:
        """Ends it."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._read_on()
            except GosondeError as error:
                self.newest = Reading(refusal=f"its memory was not read: {error}")
                self._on_reading()
            self._stopping.wait(REST_SECONDS)

    def _read_on(self) -> None:
        """Reads again and again, until it ends or cannot."""
        from gosonde_agent.sources.memory.target import opened  # noqa: PLC0415 - some hosts have no agent

        with opened(self._pid) as target:
            while not self._stopping.is_set():
                began = time.monotonic()
                seen = summed(self._until_stopped(target.goroutine_columns()))
                self.newest = Reading(seen, tuple(pause.duration_ns for pause in target.gc().pauses))
                self._on_reading()
                self._stopping.wait(max(REST_SECONDS, REST_FACTOR * (time.monotonic() - began)))

    def _until_stopped(self, found: "Iterable[GoroutineColumns]") -> "Iterable[GoroutineColumns]":
        for columns in found:
            if self._stopping.is_set():
                return
            yield columns


def summed(found: "Iterable[GoroutineColumns]") -> dict[Place, Seen]:
    """What goroutines of each `go` statement wait for, and the stack of most; small kinds are left out of many."""
    counts: Counter[Kind] = Counter()
    for columns in found:
        counts.update(columns.kinds)
        if len(counts) > MOST_KINDS:
            counts = Counter(dict(counts.most_common(MOST_KINDS // 2)))
    by_place: dict[Place, Counter[Kind]] = {}
    for kind, count in counts.items():
        place = kind.created_by.function, kind.created_by.file, kind.created_by.line
        by_place.setdefault(place, Counter())[kind] += count
    return {place: _seen(kinds) for place, kinds in by_place.items()}


def _seen(kinds: "Counter[Kind]") -> Seen:
    states: Counter[str] = Counter()
    for kind, count in kinds.items():
        states[kind.wait_reason or kind.status] += count
    most, count = kinds.most_common(1)[0]
    lines = [f"{number:,} {cell(state)}" for state, number in states.most_common(MOST_STATES)]
    lines += [
        "",
        f"the stack of {counted(count, 'goroutine')}:" if most.stack else "no stack: it ran while it was read",
    ]
    lines += [f"  {cell(frame.function)}  {cell(frame.file)}:{frame.line}" for frame in most.stack[:MOST_FRAMES]]
    if (left := len(most.stack) - MOST_FRAMES) > 0:
        lines.append(f"  and {counted(left, 'more call')}")
    return Seen(states.total(), states.most_common(1)[0][0], tuple(lines))
