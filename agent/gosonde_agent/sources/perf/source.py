"""The source that counts by perf events, which sample registers where goroutines are created and where they end."""

import contextlib
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import NamedTuple

from gosonde_agent.golang.binary import GoBinary
from gosonde_agent.host import procfs
from gosonde_agent.host.sampling_events import Instruction, online_cpus
from gosonde_agent.model.losses import PERF_LOSSES
from gosonde_agent.sources.counters import PROBE_CREATED, Counters, Hits, Image, Origin, SiteTotal
from gosonde_agent.sources.kinds import Kind
from gosonde_agent.sources.perf.counting import Counting, instructions
from gosonde_agent.sources.perf.points import points_in
from gosonde_agent.sources.perf.rings import rings_of
from gosonde_agent.sources.plain import PlainSource


class Creations(NamedTuple):
    """What a process's memory says: its load bias, and by the address of each g by which statement it was made."""

    bias: int
    statements: Mapping[int, int]


#: Reads that of a process and its open file; raises GosondeError.
ReadCreations = Callable[[int, int], Creations]
#: Opens the events of a process that runs an open file, at some instructions, on some CPUs: gives the place of the
#: instruction, the CPU and the descriptor of each, which is the caller's from then on. Raises GosondeError.
Place = Callable[[int, int, Sequence[Instruction], Sequence[int]], Iterator[tuple[int, int, int]]]


class PerfSource(PlainSource):
    """A Source that counts by the events that `place` opens; `read` is what memory says, for what lived before."""

    def __init__(self, kind: Kind, place: Place, read: ReadCreations) -> None:
        super().__init__(kind)
        self._place = place
        self._read = read
        self._counted: dict[Image, Counting] = {}
        self._biases: dict[Image, tuple[int, GoBinary]] = {}

    def attach(
        self, number: int, binary: GoBinary, fd: int, pid: int | None, probes: Collection[str] | None = None
    ) -> None:
        """As PlainSource.attach, and:

        Raises:
            UnprovedProbePointError: The binary has no proved place.
            BusyDebugRegistersError: Somebody else has the debug registers.
            TooManyThreadsError: The process has too many threads.
            NotPermittedError: /proc has other numbers for processes than the kernel takes from this one.
            GosondeError: The process's memory cannot be read.
        """
        super().attach(number, binary, fd, pid, probes)
        if pid is None:
            return
        procfs.check_numbers()
        bias = self._read(pid, fd).bias
        points, cpus = points_in(binary, bias), online_cpus()
        with ExitStack() as undo:
            rings = rings_of(cpus)
            events: list[tuple[int, int]] = []
            counting = Counting(pid, points, rings, events)
            undo.callback(counting.close)
            for which, cpu, event in self._place(pid, fd, instructions(points), cpus):
                events.append((which, event))
                rings[cpu].share(event)
            statements = self._read(pid, fd).statements
            counting.begin(statements, time.monotonic_ns())
            undo.pop_all()
        image = Image(pid, self.epoch(pid), number)
        self._counted[image], self._biases[image] = counting, (bias, binary)

    def detach(self, number: int) -> None:
        """See Source."""
        for image in [image for image in self._counted if image.binary == number]:
            self._counted.pop(image).close()

    def set_probes(self, number: int, probes: Collection[str]) -> None:
        """See Source; all or nothing."""
        if not probes:
            self.detach(number)

    def counters(self) -> Counters:
        """See Source."""
        sites = {image: counting.totals() for image, counting in self._counted.items()}
        lost = {image: sum(counting.losses().values()) for image, counting in self._counted.items()}
        return Counters(sites=sites, hits=self.hits(), losses=self.losses(), lost=lost)

    def site_totals(self, image: Image) -> Sequence[SiteTotal]:
        """See Source."""
        counting = self._counted.get(image)
        return counting.totals() if counting is not None else ()

    def losses(self) -> Mapping[str, int]:
        """See Source."""
        found = [counting.losses() for counting in list(self._counted.values())]
        return {name: sum(each[name] for each in found) for name in PERF_LOSSES}

    def hits(self) -> Mapping[Image, Hits]:
        """See Source."""
        return {image: counting.hits for image, counting in self._counted.items()}

    def origin(self, image: Image, pc: int) -> Origin | None:  # noqa: ARG002
        """Where the program is loaded; what a goroutine of the site starts with is not known."""
        known = self._biases.get(image)
        if known is None:
            return None
        bias, binary = known
        return Origin(bias, binary.points["created"].vaddr + bias, PROBE_CREATED)

    def forget(self, images: Collection[Image]) -> None:
        """See Source."""
        for image in images:
            self._biases.pop(image, None)
            with contextlib.suppress(KeyError):
                self._counted.pop(image).close()

    def close(self) -> None:
        """See Source."""
        self.forget(list(self._counted))
