"""The Go processes of this host, how fast each makes goroutines, and what may be done with it. Needs no agent."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from pathlib import Path

from gosonde_common.errors import GosondeError, NotFoundError
from gosonde_common.values.containers import NO_CONTAINER, Container

from gosonde_agent.discovery.containers import container_of
from gosonde_agent.golang import binary as golang
from gosonde_agent.golang.binary import FileIdentity
from gosonde_agent.host import checks, procfs
from gosonde_agent.host.threads import within
from gosonde_agent.model.errors import NotGoError, NotPermittedError, UnsupportedBinaryError
from gosonde_agent.sources.memory.target import KnownBinaries, opened
from gosonde_agent.sources.memory.totals import GoroutineTotals

#: Seconds that the first look at all processes takes at most, that at one of them, and that at whether probes fit.
FIRST_SECONDS, EACH_SECONDS, PROBE_SECONDS = 3.0, 1.0, 3.0
#: Between two readings of a process.
APART_SECONDS = 1.0
#: Go processes that are listed.
MOST = 1_000
#: What commands do: `read` stands for those that read memory (goroutines, leaks, gc), `trace` for probes.
READ, TRACE = "read", "trace"
NO_TIME = "there was no time to look"
#: Opens a file of a process: its executable, or its library in Go.
OpenedFile = Callable[[int], AbstractContextManager[tuple[int, str]]]


@dataclass(frozen=True, slots=True)
class Listed:
    """A Go process.

    Attributes:
        go_version: Empty where it is not known.
        goroutines: As runtime.NumGoroutine counts them; None where its memory was not read.
        created_per_second: Goroutines that it makes, by two readings; None as `goroutines`.
        cannot: Why READ or TRACE cannot be done with it; empty where both can.
        container: That it runs in; nobody is asked for names.
    """

    pid: int
    exe: str
    go_version: str
    goroutines: int | None
    created_per_second: float | None
    cannot: dict[str, str]
    container: Container = NO_CONTAINER


@dataclass(frozen=True, slots=True)
class Listing:
    """All that were seen.

    Attributes:
        hidden: Processes of which this user may not know what they run.
        left_out: Processes for which there was no time.
        unsearched: Processes whose executables are not Go's, and for whose libraries there was no time.
    """

    processes: tuple[Listed, ...]
    hidden: int
    left_out: int
    unsearched: int


class _Passed(Enum):
    """Why a process is not listed."""

    GONE = "it has ended, or is a kernel thread"
    OTHER = "it is not a Go program"
    HIDDEN = "privileges are missing"


@dataclass(slots=True)
class _Seen:
    """A process at the first look; `totals` were read at a moment of CLOCK_MONOTONIC in seconds."""

    pid: int
    exe: str
    start_ticks: int
    go_version: str = ""
    cannot: dict[str, str] = field(default_factory=dict)
    totals: GoroutineTotals | None = None
    at: float = 0.0


def listing(pid: int | None = None) -> Listing:
    """Looks at every process of this host, or at one, and twice at those that are Go's. Takes some seconds at most."""
    return _Looking().listing(procfs.pids() if pid is None else [pid])


class _Looking:
    """What is known of files, while their processes are looked at."""

    def __init__(self) -> None:
        self._known = KnownBinaries()
        self._unprobed: dict[FileIdentity, str] = {}
        self._hidden = self._left_out = self._unsearched = 0

    def listing(self, pids: Sequence[int]) -> Listing:
        """See `listing`."""
        end = time.monotonic() + FIRST_SECONDS
        others: list[int] = []
        seen = list(self._seen(pids, end, others))
        seen += self._with_libraries(end, others)
        self._say_who_takes_probes(seen)
        found = tuple(self._listed(one) for one in seen if _is_there(one))
        return Listing(found, self._hidden, self._left_out, self._unsearched)

    def _seen(self, pids: Sequence[int], end: float, others: list[int]) -> Iterator[_Seen]:
        count = 0
        for pid in pids:
            has_room = count < MOST and time.monotonic() < end
            found = within(EACH_SECONDS, partial(self._look, pid, procfs.executable)) if has_room else None
            if isinstance(found, _Seen):
                count += 1
                yield found
            others += [pid] if found is _Passed.OTHER else []
            self._hidden += found is _Passed.HIDDEN
            self._left_out += found is None

    def _with_libraries(self, end: float, others: list[int]) -> Iterator[_Seen]:
        """Those that have Go in a library: it takes long to find that out."""
        for pid in others:
            found = None
            if time.monotonic() < end:
                found = within(EACH_SECONDS, partial(self._look, pid, procfs.library))
            self._unsearched += found is None
            if isinstance(found, _Seen):
                yield found

    def _look(self, pid: int, opened_file: OpenedFile) -> _Seen | _Passed:
        """What one process is by a file of it, and its first reading."""
        try:
            with opened_file(pid) as (fd, path):
                ticks = procfs.start_of(pid).ticks
                seen = _Seen(pid, path, ticks, self._known.of(fd).go_version)
        except NotPermittedError:
            return _Passed.HIDDEN if _runs_a_program(pid) else _Passed.GONE
        except NotFoundError:
            return _Passed.GONE
        except NotGoError:
            return _Passed.OTHER
        except UnsupportedBinaryError as error:
            return _Seen(pid, path, ticks, cannot=dict.fromkeys((READ, TRACE), str(error)))
        except GosondeError:
            return _Passed.OTHER
        self._read(seen)
        return seen

    def _read(self, seen: _Seen) -> None:
        try:
            with opened(seen.pid, self._known) as target:
                seen.totals, seen.at = target.totals(), time.monotonic()
        except GosondeError as error:
            seen.cannot[READ] = str(error)

    def _listed(self, seen: _Seen) -> Listed:
        """With what a second reading shows."""
        goroutines = rate = None
        if (first := seen.totals) is not None:
            goroutines = first.live - first.system
            rate = within(EACH_SECONDS + APART_SECONDS, partial(self._rate, seen, first))
        container = container_of(seen.pid, seen.start_ticks)
        return Listed(seen.pid, seen.exe, seen.go_version, goroutines, rate, seen.cannot, container)

    def _rate(self, seen: _Seen, first: GoroutineTotals) -> float | None:
        time.sleep(max(seen.at + APART_SECONDS - time.monotonic(), 0))
        try:
            with opened(seen.pid, self._known) as target:
                again, at = target.totals(), time.monotonic()
            is_same = _is_there(seen)
        except GosondeError:
            return None
        return max(again.created - first.created, 0) / (at - seen.at) if is_same else None

    def _say_who_takes_probes(self, seen: list[_Seen]) -> None:
        """Each file is read once; those for which there is no time have no answer."""
        end = time.monotonic() + PROBE_SECONDS
        missing = sorted(checks.CAPABILITIES.keys() - checks.held())
        for one in seen:
            if TRACE in one.cannot:
                continue
            if missing:
                one.cannot[TRACE] = f"without {', '.join(missing)}: run as root"
                continue
            left = end - time.monotonic()
            reason = within(left, partial(self._why_unprobed, one.pid)) if left > 0 else None
            if reason or reason is None:
                one.cannot[TRACE] = reason or NO_TIME

    def _why_unprobed(self, pid: int) -> str:
        """Why creations or exits cannot be counted in what a process runs; empty where they can."""
        try:
            with self._known.opened(pid) as (fd, _):
                identity = FileIdentity.of(fd)
                if identity not in self._unprobed:
                    loaded = golang.load(fd, f"/proc/{pid}/exe")
                    reasons = (loaded.unproved.get(probe, "") for probe in ("created", "exited"))
                    self._unprobed[identity] = next(filter(None, reasons), "")
        except GosondeError as error:
            return str(error)
        return self._unprobed[identity]


def _is_there(seen: _Seen) -> bool:
    """Whether it still runs, as far as that can be found out."""
    try:
        return procfs.start_of(seen.pid).ticks == seen.start_ticks
    except NotFoundError:
        return False
    except GosondeError:
        return True


def _runs_a_program(pid: int) -> bool:
    """Whether a process is no thread of the kernel: those have no command line."""
    try:
        with Path(f"/proc/{pid}/cmdline").open("rb") as file:
            return bool(file.read(1))
    except OSError:
        return False
