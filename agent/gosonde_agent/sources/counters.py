"""What a source has counted, as plain values."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

#: Values of `Origin.probe`; probes/gosonde.h has the same.
PROBE_CREATED, PROBE_EXITED = 1, 2


class Image(NamedTuple):
    """A process image as the kernel side names it: see struct image in probes/gosonde.h."""

    tgid: int
    epoch: int
    binary: int


class Origin(NamedTuple):
    """What was seen at the first creation or exit of a site: runtime addresses, with the load bias."""

    start_pc: int
    ip: int
    probe: int


class SiteTotal(NamedTuple):
    """Goroutines created and exited since the probes were attached. `pc` has the load bias."""

    pc: int
    created: int
    exited: int


class WorldTotal(NamedTuple):
    """GC totals of an image since the probes were attached."""

    cycles: int
    pauses: int
    gc_pause_ns: int


class Hits(NamedTuple):
    """How often the probes of an image were hit."""

    created: int = 0
    exited: int = 0
    parked: int = 0
    pauses: int = 0
    cycles: int = 0

    def less(self, before: "Hits") -> "Hits":
        """Those since `before`."""
        return Hits(*(now - then for now, then in zip(self, before, strict=True)))


@dataclass(frozen=True, slots=True)
class Counters:
    """Everything that was counted, by image."""

    sites: Mapping[Image, Sequence[SiteTotal]] = field(default_factory=dict)
    worlds: Mapping[Image, WorldTotal] = field(default_factory=dict)
    hits: Mapping[Image, Hits] = field(default_factory=dict)
    losses: Mapping[str, int] = field(default_factory=dict)

    def images(self) -> Mapping[tuple[int, int], set[Image]]:
        """By (tgid, epoch): two, when probes sit in a file twice."""
        found: defaultdict[tuple[int, int], set[Image]] = defaultdict(set)
        for image in (*self.sites, *self.worlds):
            found[image.tgid, image.epoch].add(image)
        return found

    def pcs(self, image: Image) -> list[int]:
        """Of the sites of an image."""
        return [total.pc for total in self.sites.get(image, ())]
