"""Processes that ended before an observation reported them: those of one file are reported as one, with their sums.

However many there are, what is kept of them grows only with the sites of their file.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import structlog
from gosonde_common.values.containers import NO_CONTAINER, Container
from gosonde_common.values.observation import GcTotal, Observation, Process, Site, SiteCount

from gosonde_agent.accounting.aggregation import OUTSIDE, UNREPORTED
from gosonde_agent.accounting.processes import GoProcess
from gosonde_agent.accounting.site_names import SiteNames, is_inside, nowhere
from gosonde_agent.golang.binary import GoBinary
from gosonde_agent.sources.counters import UNATTRIBUTED, Image, SiteTotal, WorldTotal
from gosonde_agent.sources.protocol import Source

log = structlog.get_logger(__name__)

#: Sites of one sum. What a program makes up beyond them counts as at no site.
MAX_SITES = 16_384
NOTHING = WorldTotal(0, 0, 0)


@dataclass(slots=True)
class Sum:
    """The processes of one file.

    Attributes:
        first: The first of them.
        count: How many they are.
        ended_unix_nano: When the last one ended.
        precise: Whether all of them are.
        container: That of all of them; NO_CONTAINER where they ran in several.
        sites: [created, exited] by site.
        known: The site of each link-time address.
    """

    first: Process
    count: int = 0
    ended_unix_nano: int = 0
    precise: bool = True
    container: Container = NO_CONTAINER
    sites: dict[Site, list[int]] = field(default_factory=dict)
    known: dict[int, Site] = field(default_factory=dict)
    world: WorldTotal = NOTHING

    @property
    def description(self) -> Process:
        """What is reported of them."""
        return replace(
            self.first,
            ended_unix_nano=self.ended_unix_nano,
            precise=self.precise,
            sums=self.count,
            steps=(),
            container=self.container,
        )

    def rows(self) -> list[SiteCount]:
        """What is reported of its sites."""
        return [SiteCount(self.first.key, site, *counts) for site, counts in self.sites.items()]


class ShortLived:
    """The sums of all files, by the number of a file's probes."""

    def __init__(self, source: Source, names: SiteNames) -> None:
        self._outside = 0
        self._failed = 0
        self._source = source
        self._names = names
        self._sums: dict[int, Sum] = {}

    def add(self, process: GoProcess, totals: Sequence[SiteTotal], world: WorldTotal | None) -> None:
        """Adds a process that has ended, and what the kernel side counted of it."""
        if process.image is None or process.binary is None:
            return
        found = self._sums.setdefault(process.image.binary, Sum(process.description))
        self._count(found, process, world)
        try:
            self._add_sites(found, process, process.image, process.binary, totals)
        except Exception as error:  # a fault of ours in what one process says must not cost the others
            log.exception("a process could not be summed", pid=process.key.pid, reason=str(error))
            self._failed += 1

    @staticmethod
    def _count(found: Sum, process: GoProcess, world: WorldTotal | None) -> None:
        container = process.description.container
        found.container = container if not found.count or found.container == container else NO_CONTAINER
        found.count += 1
        found.ended_unix_nano = max(found.ended_unix_nano, process.description.ended_unix_nano)
        found.precise = found.precise and process.precise
        if world is not None:
            found.world = WorldTotal(*(before + now for before, now in zip(found.world, world, strict=True)))

    def _add_sites(
        self, found: Sum, process: GoProcess, image: Image, binary: GoBinary, totals: Sequence[SiteTotal]
    ) -> None:
        if (seen := next((total for total in totals if total.pc != UNATTRIBUTED), None)) is not None:
            process.find_bias(self._source.origin(image, seen.pc))
        for pc, reported in process.reported(totals).items():
            site = found.known.get(pc) or self._new_site(found, process, image, binary, pc)
            counts = found.sites.setdefault(site, [0, 0])
            counts[0] += reported.created
            counts[1] += reported.exited

    def _new_site(self, found: Sum, process: GoProcess, image: Image, binary: GoBinary, pc: int) -> Site:
        if pc == UNATTRIBUTED:
            return nowhere(binary)
        if len(found.known) >= MAX_SITES or not is_inside(binary, pc, is_sure=process.bias is not None):
            self._outside += 1
            return nowhere(binary)
        bias = process.bias or 0
        origin = self._source.origin(image, pc + bias)
        site = self._names.of(image.binary, binary, pc, origin.start_pc - bias if origin is not None else None)
        found.known[pc] = site
        return site

    def added_to(self, observation: Observation) -> Observation:
        """The observation with a row for each sum."""
        sums = self._sums.values()
        lost = {OUTSIDE: self._outside, UNREPORTED: self._failed}
        return replace(
            observation,
            processes=(*observation.processes, *(found.description for found in sums)),
            site_counts=(*observation.site_counts, *(row for found in sums for row in found.rows())),
            losses={**observation.losses, **{name: observation.losses.get(name, 0) + lost[name] for name in lost}},
            gc_totals=(*observation.gc_totals, *(GcTotal(found.first.key, *found.world) for found in sums)),
        )

    def keep(self, numbers: set[int]) -> None:
        """Forgets the sums of every file but these, once they have been reported."""
        self._sums = {number: found for number, found in self._sums.items() if number in numbers}
