"""What a source has counted, as plain values."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

#: The pc of what happened at no one knows which go statement: no goroutine has it.
UNATTRIBUTED = 0
#: Values of `Origin.probe`; probes/gosonde.h has the same.
PROBE_CREATED, PROBE_EXITED, PROBE_IDS_TAKEN = 1, 2, 3


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
    """Goroutines created and exited since the probes were attached. `pc` has the load bias, or is UNATTRIBUTED."""

    pc: int
    created: int
    exited: int


def by_site(totals: Iterable[SiteTotal], bias: int) -> dict[int, tuple[int, int]]:
    """(created, exited) by pc less `bias`; UNATTRIBUTED stays what it is."""
    counts: dict[int, tuple[int, int]] = {}
    for pc, created, exited in totals:
        place = pc - bias if pc != UNATTRIBUTED else UNATTRIBUTED
        before = counts.get(place, (0, 0))
        counts[place] = before[0] + created, before[1] + exited
    return counts


class WorldTotal(NamedTuple):
    """GC totals of an image since the probes were attached."""

    cycles: int
    pauses: int
    gc_pause_ns: int


class Hits(NamedTuple):
    """How often the probes of an image were hit; `sampled`: where one of 16 creations passes."""

    created: int = 0
    exited: int = 0
    parked: int = 0
    pauses: int = 0
    cycles: int = 0
    sampled: int = 0

    def plus(self, others: "Hits") -> "Hits":
        """Those and others."""
        return Hits(*(here + there for here, there in zip(self, others, strict=True)))

    def less(self, before: "Hits") -> "Hits":
        """Those since `before`."""
        return Hits(*(now - then for now, then in zip(self, before, strict=True)))


@dataclass(frozen=True, slots=True)
class Counters:
    """Everything that was counted, by image.

    Attributes:
        lost: What was lost of each image: counts that are not at their go statement or nowhere, and events.
        lost_at: When something was last lost of an image that is not in `lost`, by pid modulo the length:
            CLOCK_MONOTONIC nanoseconds.
    """

    sites: Mapping[Image, Sequence[SiteTotal]] = field(default_factory=dict)
    worlds: Mapping[Image, WorldTotal] = field(default_factory=dict)
    hits: Mapping[Image, Hits] = field(default_factory=dict)
    losses: Mapping[str, int] = field(default_factory=dict)
    lost: Mapping[Image, int] = field(default_factory=dict)
    lost_at: Sequence[int] = (0,)

    def images(self) -> Mapping[tuple[int, int], set[Image]]:
        """By (tgid, epoch): two, when probes sit in a file twice."""
        found: defaultdict[tuple[int, int], set[Image]] = defaultdict(set)
        for image in (*self.sites, *self.worlds, *self.lost):
            found[image.tgid, image.epoch].add(image)
        return found

    def has_lost(self, image: Image, since_ns: int) -> bool:
        """Whether something of an image was lost, or may have been; `since_ns` as `lost_at`: when it began."""
        return bool(self.lost.get(image)) or self.lost_at[image.tgid % len(self.lost_at)] >= since_ns > 0
