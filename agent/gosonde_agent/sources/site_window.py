"""A short time in which all creations and exits of a file are counted: what was counted, and what the target paid."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from gosonde_agent.sources.counters import Image
from gosonde_agent.sources.window import Window

#: (created, exited) by process image and pc, with the load bias.
Sites: TypeAlias = Mapping[Image, Mapping[int, tuple[int, int]]]
#: A thread may be interrupted between the probe's question whether it counts and its counting.
SETTLE_SECONDS = 0.000_5


@dataclass(frozen=True, slots=True)
class SiteSample:
    """What a window has shown.

    Attributes:
        sites: What was created and what exited in it; the totals of the level have it, too.
        ended_ns: CLOCK_MONOTONIC.
        ns: How long it was counted.
        samples: (all, those while it was counted) of the sampled creations from before the probes came until they were
            gone, by process image and pc.
        slots: Hits from before the probes came until they were gone, counted or not; as `Source.hit_slots`.
        unseen_ns: For how long the target ran into breakpoints of which nobody knows how often.
    """

    sites: Sites
    ended_ns: int
    ns: int
    slots: npt.NDArray[np.uint64]
    unseen_ns: int
    samples: Sites = field(default_factory=dict)


@dataclass(slots=True)
class SiteProbes:
    """What a window does to a file.

    Attributes:
        open: Puts the probes in, which count nothing yet; raises GosondeError.
        count: Has them count from now on, or no longer.
        close: Removes them; returns for how many ns nobody knew of their hits.
        read: All totals of the file now.
        samples: All sampled creations of the file now: (all, those while creations were counted, too).
        hit_slots: As `Source.hit_slots`.
    """

    open: Callable[[], None]
    count: Callable[[bool], None]
    close: Callable[[], int]
    read: Callable[[], Sites]
    samples: Callable[[], Sites]
    hit_slots: Callable[[], npt.NDArray[np.uint64]]


@dataclass(slots=True)
class SiteWindow(Window):
    """A window on the sites of a file.

    Attributes:
        sample: What it has shown; None before that.
    """

    probes: SiteProbes
    seconds: float
    sample: SiteSample | None = field(default=None, init=False)

    def _measure(self) -> None:
        before, sampled, slots = self.probes.read(), self.probes.samples(), self.probes.hit_slots()
        self.probes.open()
        unseen_ns = 0
        try:
            began_ns = time.monotonic_ns()
            self.probes.count(True)
            self._stay(self.seconds)
        finally:
            self.probes.count(False)
            ended_ns = time.monotonic_ns()
            unseen_ns = self.probes.close()
        time.sleep(SETTLE_SECONDS)
        sites, samples = _less(self.probes.read(), before), _less(self.probes.samples(), sampled)
        hits, ns = self.probes.hit_slots() - slots, ended_ns - began_ns
        self.sample = SiteSample(sites, ended_ns, ns, hits, unseen_ns, samples)


def _less(after: Sites, before: Sites) -> Sites:
    """What was counted between two readings; nothing that was not."""
    found: dict[Image, dict[int, tuple[int, int]]] = {}
    for image, sites in after.items():
        known = before.get(image, {})
        for pc, (created, exited) in sites.items():
            old = known.get(pc, (0, 0))
            if created != old[0] or exited != old[1]:
                found.setdefault(image, {})[pc] = created - old[0], exited - old[1]
    return found
