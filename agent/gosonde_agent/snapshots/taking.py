"""Takes the snapshots that the collector asks for: of processes that are watched, one at a time, within bounds."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TypeVar

import structlog
from gosonde_common.clock import steady_unix_nano
from gosonde_common.errors import (
    GosondeError,
    NotFoundError,
    OverloadedError,
    UnsupportedError,
)
from gosonde_common.values.goroutines import MAX_STACKS
from gosonde_common.values.http import by_host
from gosonde_common.values.labels import DEFAULT_KEYS, LabelTally
from gosonde_common.values.observation import ProcessKey
from gosonde_common.values.reachability import SearchOutcome
from gosonde_common.wire import http_comments
from gosonde_common.wire.profile import encode_profile

from gosonde_agent.host.threads import in_thread
from gosonde_agent.model.snapshots import SnapshotKind, SnapshotRequest
from gosonde_agent.snapshots.pprof_allowed import PprofPlace
from gosonde_agent.snapshots.redaction import Redact, same
from gosonde_agent.snapshots.stopping import Stop, Stopping
from gosonde_agent.sources.memory.http.listing import read_http
from gosonde_agent.sources.memory.target import KnownBinaries, Target, opened
from gosonde_agent.wire.pulled_labels import labels_counted

log = structlog.get_logger(__name__)

#: A snapshot that takes longer is given up.
MAX_SECONDS = 30.0
#: So much later it is taken to be held up.
GRACE_SECONDS = 1.0
#: What part of one CPU taking snapshots may use, and the least pause after one.
LARGEST_SHARE = 0.05
LEAST_PAUSE_SECONDS = 0.2

Item = TypeVar("Item")


#: The profile of runtime/pprof that each kind asks the process itself for.
PROFILES: Mapping[SnapshotKind, str] = {
    SnapshotKind.PPROF: "goroutine",
    SnapshotKind.PPROF_LEAK: "goroutineleak",
    SnapshotKind.PPROF_HEAP: "heap",
}


class Deadline:
    """Ends what takes longer than MAX_SECONDS, or what nobody waits for any more; of use in any thread."""

    def __init__(self) -> None:
        self._end = time.monotonic() + MAX_SECONDS
        self._over = threading.Event()

    def cancel(self) -> None:
        """Nobody waits any more."""
        self._over.set()

    def limit(self, items: Iterable[Item]) -> Iterator[Item]:
        """The items. Raises OverloadedError when the deadline has passed."""
        for item in items:
            if self._over.is_set() or time.monotonic() > self._end:
                raise OverloadedError(f"it takes longer than {MAX_SECONDS:g} s, or nobody waits for it any more")
            yield item


#: Makes a gzipped profile.proto of a process; runs in a thread and may raise GosondeError.
Taker = Callable[[int, Deadline], bytes]
#: Has the memory of a process searched, beside everything else; may raise GosondeError.
Prove = Callable[[ProcessKey], Awaitable[SearchOutcome]]


def _asking(pprof: Sequence[PprofPlace], labels: Collection[str]) -> Mapping[SnapshotKind, Taker]:
    """What asks processes themselves, and needs HTTP, which no agent imports that may not."""
    from gosonde_agent.snapshots.pprof_pull import PprofPuller  # noqa: PLC0415

    puller = PprofPuller(pprof)

    def taker(profile: str) -> Taker:
        return lambda pid, _: labels_counted(puller.take(pid, profile), labels)

    return {kind: taker(profile) for kind, profile in PROFILES.items()}


class Snapshots:
    """Every kind of snapshot that this agent can take; `takers` is the one place that lists those that are files.

    With `stop`, a process is stopped for a moment before its memory is read, as Stopping says. Of pprof labels they
    have how many goroutines have which key, and the values of the keys in `labels`. Of more than `max_stacks`
    goroutines they have the stacks of a sample.
    """

    def __init__(
        self,
        watches: Callable[[ProcessKey], bool],
        redact: Redact = same,
        pprof: Sequence[PprofPlace] = (),
        prove: Prove | None = None,
        stop: Stop | None = None,
        *,
        labels: Collection[str] = DEFAULT_KEYS,
        max_stacks: int = MAX_STACKS,
    ) -> None:
        self._labels = labels
        self._max_stacks = max_stacks
        self._stopping = Stopping(stop) if stop else None
        self._watches = watches
        self._redact = redact
        self._prove = prove
        self._known = KnownBinaries()
        self._turn = asyncio.Lock()
        self._not_before = 0.0
        self._under_way: set[ProcessKey] = set()
        asked = _asking(pprof, labels) if pprof else {}
        self.takers: Mapping[SnapshotKind, Taker] = {SnapshotKind.MEMORY: self._read_memory, **asked}

    def losses(self) -> Mapping[str, int]:
        """What could not be done, by name."""
        return {"stops_failed": self._stopping.failed if self._stopping else 0}

    @property
    def kinds(self) -> tuple[SnapshotKind, ...]:
        """What may be asked for."""
        return (*self.takers, SnapshotKind.PROOF) if self._prove else tuple(self.takers)

    async def prove(self, process: ProcessKey) -> SearchOutcome:
        """What a search of the process's memory finds that is made now, or was moments ago.

        Raises:
            UnsupportedError: This agent does not search.
            NotFoundError: No such process is watched, or it ended meanwhile.
            OverloadedError: Searches have taken what they may, or this one does not end in time.
        """
        if self._prove is None:
            raise UnsupportedError("this agent does not search memory")
        self._check(process)
        outcome = await self._prove(process)
        self._check(process)
        return outcome

    async def take(self, request: SnapshotRequest) -> bytes:
        """A gzipped profile.proto.

        Raises:
            UnsupportedError: The kind is not known here, or the process cannot be read.
            NotFoundError: No such process is watched, or it ended meanwhile.
            OverloadedError: It took too long, or the process has too many different stacks.
            GosondeError: Anything else that made it impossible.
        """
        taker = self.takers.get(request.kind) if request.kind else None
        if taker is None:
            raise UnsupportedError("the agent does not know this kind of snapshot; it may be older than the collector")
        async with self._turn:
            await asyncio.sleep(max(self._not_before - time.monotonic(), 0))
            self._check(request.process)
            # A busy host makes reading late, and not expensive; how much a process does for its answer is not known.
            clock = time.thread_time if request.kind is SnapshotKind.MEMORY else time.monotonic
            data = await self._in_thread(taker, request.process, clock)
            self._check(request.process)
        return data

    def _check(self, process: ProcessKey) -> None:
        if not self._watches(process):
            raise NotFoundError(f"process {process.pid} is not watched, has ended, or runs another program now")

    async def _in_thread(self, taker: Taker, process: ProcessKey, clock: Callable[[], float]) -> bytes:
        """What a taker gives, with a pause after it for what it took by the clock.

        One that a process holds up without end holds up no other process's.
        """
        if process in self._under_way:
            raise OverloadedError(f"process {process.pid} still blocks an earlier snapshot")
        deadline, spent = Deadline(), list[float]()
        try:
            taking = in_thread(lambda: self._taken(partial(taker, process.pid, deadline), process, clock, spent))
            return await asyncio.wait_for(taking, MAX_SECONDS + GRACE_SECONDS)
        except GosondeError:
            raise
        except TimeoutError as error:  # it does nothing but wait
            raise OverloadedError(f"process {process.pid} blocks reads of its memory") from error
        except Exception as error:  # a fault of ours in reading what others control must not end the agent
            log.exception("a snapshot could not be taken", pid=process.pid)
            raise GosondeError(f"{type(error).__name__}: {error}") from error
        finally:
            deadline.cancel()
            self._not_before = time.monotonic() + max(LEAST_PAUSE_SECONDS, sum(spent) / LARGEST_SHARE)

    def _taken(
        self, take: Callable[[], bytes], process: ProcessKey, clock: Callable[[], float], spent: list[float]
    ) -> bytes:
        self._under_way.add(process)
        began = clock()
        try:
            return take()
        finally:
            spent.append(clock() - began)
            self._under_way.discard(process)

    def _read_memory(self, pid: int, deadline: Deadline) -> bytes:
        taken_unix_nano = steady_unix_nano()
        with opened(pid, self._known) as target:
            read = partial(self._stopping.goroutines, target) if self._stopping else target.goroutines
            found = read(max_stacks=self._max_stacks)
            tally, hosts = LabelTally(self._labels), partial(self._hosts, target)
            goroutines = deadline.limit(map(self._redact, found))
            return encode_profile(goroutines, taken_unix_nano, tally=tally, more=hosts)

    def _hosts(self, target: Target) -> Iterable[str]:
        """To which hosts the process has connections, as comments; none where that is not known, or not to be sent."""
        if self._redact is not same:
            return ()
        try:
            return tuple(http_comments.comments(by_host(read_http(target).groups)))
        except GosondeError as error:
            log.debug("HTTP connections not read", pid=target.runtime.pid, reason=str(error))
            return ()
