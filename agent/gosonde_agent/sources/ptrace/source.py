"""The source that counts by breakpoints: exactly in a process that does little, in short windows in any other."""

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from gosonde_common.errors import GosondeError
from gosonde_common.values.levels import Level

from gosonde_agent.golang.binary import GoBinary
from gosonde_agent.golang.elf import ElfImage, Segment
from gosonde_agent.golang.layouts import STARTPC_BEHIND
from gosonde_agent.host import procfs
from gosonde_agent.sources.counters import PROBE_CREATED, Counters, Hits, Image, Origin, SiteTotal
from gosonde_agent.sources.kinds import PTRACE, PTRACE_WINDOWS
from gosonde_agent.sources.plain import PlainSource
from gosonde_agent.sources.ptrace.breakpoints import messages
from gosonde_agent.sources.ptrace.breakpoints.finding import breakpoints
from gosonde_agent.sources.ptrace.breakpoints.messages import Plan
from gosonde_agent.sources.ptrace.breakpoints.session import Session
from gosonde_agent.sources.site_window import SiteProbes, SiteWindow

#: Goroutines a second up to which breakpoints may stay: 200 hits of some 15 us each.
MOST_CREATIONS = 100.0
#: When a window ends though nobody ends it.
LONGEST_WINDOW_SECONDS = 0.25
#: Why there are no breakpoints any more, where the process still goes on.
LEAVING = (messages.HARM, messages.UNGUARDED, messages.REPLACED, messages.ASKED)


@dataclass(frozen=True, slots=True)
class Readings:
    """What is read of a process before it gets breakpoints; both may raise GosondeError.

    Attributes:
        creations_per_second: Of a process, by the runtime's own count.
        load_bias: Of (a process, its open file, the segments of that).
    """

    creations_per_second: Callable[[int], float]
    load_bias: Callable[[int, int, Sequence[Segment]], int]


@dataclass(frozen=True, slots=True)
class _Attached:
    """A process that has breakpoints or can have them; `created` is the address of those at creations."""

    pid: int
    image: Image
    session: Session
    created: int


class PtraceSource(PlainSource):
    """A Source that counts by breakpoints.

    Attributes:
        kind: PTRACE_WINDOWS, but PTRACE where the process that was attached last creates few goroutines.
    """

    def __init__(self, readings: Readings) -> None:
        super().__init__(PTRACE_WINDOWS)
        self._readings = readings
        self._attached: dict[int, _Attached] = {}

    def attach(
        self, number: int, binary: GoBinary, fd: int, pid: int | None, probes: Collection[str] | None = None
    ) -> None:
        """See Source and PlainSource.

        Raises:
            GosondeError: As PlainSource; or the process cannot have breakpoints, and is as it was.
        """
        super().attach(number, binary, fd, pid, probes)
        if pid is None:
            return
        procfs.check_numbers()
        image = ElfImage(fd)
        points = breakpoints(binary, image, self._readings.load_bias(pid, fd, image.segments))
        gopc = binary.layout.gopc
        session = Session(Plan(pid, procfs.start_of(pid).ticks, points, gopc, gopc + STARTPC_BEHIND))
        created = next(point.address for point in points if point.probe == "created")
        self._attached[number] = _Attached(pid, Image(pid, self.epoch(pid), number), session, created)
        try:
            self._begin(pid, session)
        except BaseException:
            self.detach(number)
            raise

    def _begin(self, pid: int, session: Session) -> None:
        """Puts breakpoints in for good where that does no harm."""
        rate = MOST_CREATIONS
        with contextlib.suppress(GosondeError):
            rate = self._readings.creations_per_second(pid)
        self.kind = PTRACE if rate < MOST_CREATIONS else PTRACE_WINDOWS
        if self.kind.level is Level.FULL:
            session.table.count(on=True)
            session.arm()

    def set_probes(self, number: int, probes: Collection[str]) -> None:
        """See Source: takes the breakpoints out for good where none are to be there."""
        if not probes and (attached := self._attached.get(number)):
            attached.session.close()

    def detach(self, number: int) -> None:
        """See Source."""
        self.set_probes(number, ())
        self._attached.pop(number, None)

    def site_window(self, number: int, seconds: float) -> SiteWindow | None:
        """See Source."""
        attached = self._attached.get(number)
        if attached is None or self.kind.level is Level.FULL or attached.session.look():
            return None
        return SiteWindow(_probes(attached, self.hit_slots), seconds)

    @property
    def left(self) -> str:
        """Why breakpoints are gone before they were to, while the process goes on; empty if they are not."""
        overs = (attached.session.look() for attached in self._attached.values())
        return next((over.message for over in overs if over and over.reason in LEAVING), "")

    # --- what was counted --------------------------------------------------------------------------------------------

    def counters(self) -> Counters:
        """See Source."""
        sites = {attached.image: tuple(attached.session.table.sites()) for attached in self._attached.values()}
        lost = {attached.image: sum(attached.session.table.losses().values()) for attached in self._attached.values()}
        return Counters(sites, {}, self.hits(), self.losses(), lost)

    def site_totals(self, image: Image) -> Sequence[SiteTotal]:
        """See Source."""
        return [total for attached in self._of(image) for total in attached.session.table.sites()]

    def losses(self) -> Mapping[str, int]:
        """See Source."""
        found: dict[str, int] = {}
        for attached in self._attached.values():
            for name, count in attached.session.table.losses().items():
                found[name] = found.get(name, 0) + count
        return found

    def hits(self) -> Mapping[Image, Hits]:
        """See Source."""
        return {attached.image: Hits(*attached.session.table.hits()) for attached in self._attached.values()}

    def origin(self, image: Image, pc: int) -> Origin | None:
        """See Source."""
        for attached in self._of(image):
            if (start_pc := attached.session.table.start_of(pc)) is not None:
                return Origin(start_pc, attached.created, PROBE_CREATED)
        return None

    def _of(self, image: Image) -> Iterator[_Attached]:
        return (attached for attached in self._attached.values() if attached.image == image)

    def close(self) -> None:
        """See Source; it may be called again."""
        for number in list(self._attached):
            self.detach(number)


def _probes(attached: _Attached, hit_slots: Callable[[], npt.NDArray[np.uint64]]) -> SiteProbes:
    """What a window does to a process: it has breakpoints for that long."""
    session = attached.session

    def close() -> int:
        session.disarm()
        return 0

    return SiteProbes(
        open=lambda: session.arm(LONGEST_WINDOW_SECONDS),
        count=lambda on: session.table.count(on=on),
        close=close,
        read=lambda: {attached.image: {pc: (created, exited) for pc, created, exited in session.table.sites()}},
        samples=dict,
        hit_slots=hit_slots,
    )
