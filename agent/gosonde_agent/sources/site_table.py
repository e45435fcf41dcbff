"""What the kernel counted per site, grouped by image. What has not changed since the last look costs very little."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from gosonde_agent.sources import Image, SiteTotal, records

Array = npt.NDArray  # type: ignore[type-arg]


class SiteTable:
    """The elements of the map `sites` as they were read last.

    Attributes:
        totals: By image; the list of an image stays the same object until one of its totals changes.
        sums: (created, exited) by image.
    """

    def __init__(self) -> None:
        self.totals: dict[Image, Sequence[SiteTotal]] = {}
        self.sums: dict[Image, tuple[int, int]] = {}
        self._keys = np.zeros(0, records.SITE_KEY)
        self._images: list[Image] = []
        self._place = np.zeros(0, np.intp)
        self._rows: list[Array] = []
        self._counts = np.zeros((0, 2), np.uint64)

    def update(self, keys: Array, values: Array) -> None:
        """Takes in what was read: SITE_KEY[n], SITE_COUNT[n, cpus]."""
        counts = np.stack((values["created"].sum(axis=1), values["exited"].sum(axis=1)), axis=1)
        if keys.tobytes() == self._keys.tobytes():
            changed = np.unique(self._place[np.flatnonzero((counts != self._counts).any(axis=1))]).tolist()
        else:
            self._group(keys)
            changed = range(len(self._images))
        self._counts = counts
        for place in changed:
            self._rebuild(place)

    def _group(self, keys: Array) -> None:
        self._keys = keys
        found, self._place = np.unique(keys["image"].copy().view("V16").reshape(-1), return_inverse=True)
        self._images = images_of(found.view(records.IMAGE))
        order = np.argsort(self._place, kind="stable")
        borders = np.searchsorted(self._place[order], np.arange(1, len(self._images)))
        self._rows = np.split(order, borders)
        self.totals, self.sums = {}, {}

    def _rebuild(self, place: int) -> None:
        image, rows = self._images[place], self._rows[place]
        counts = self._counts[rows]
        columns = (self._keys["pc"][rows].tolist(), counts[:, 0].tolist(), counts[:, 1].tolist())
        self.totals[image] = list(map(SiteTotal, *columns))
        self.sums[image] = sum(columns[1]), sum(columns[2])


def totals_of(image: Image, keys: Array, values: Array) -> list[SiteTotal]:
    """The totals of one image alone."""
    own = keys["image"] == np.array((*image, 0), records.IMAGE)
    created, exited = values["created"][own].sum(axis=1), values["exited"][own].sum(axis=1)
    return list(map(SiteTotal, keys["pc"][own].tolist(), created.tolist(), exited.tolist()))


def images_of(keys: Array) -> list[Image]:
    """IMAGE[n] as tuples."""
    columns = (keys[name].tolist() for name in ("tgid", "epoch", "binary"))
    return [Image(*image) for image in zip(*columns, strict=True)]


def sums_of(images: Array, values: Array) -> Mapping[Image, int]:
    """The sum of all values (u64[n, cpus]) of each image."""
    sums: defaultdict[Image, int] = defaultdict(int)
    for image, value in zip(images_of(images), values.sum(axis=1).tolist(), strict=True):
        sums[image] += value
    return sums
