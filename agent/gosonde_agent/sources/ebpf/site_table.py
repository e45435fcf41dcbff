"""What the kernel counted per site, grouped by image. What has not changed since the last look costs very little."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gosonde_agent.sources.counters import Image, SiteTotal
from gosonde_agent.sources.ebpf import records

Array = npt.NDArray  # type: ignore[type-arg]


class SiteTable:
    """The elements of the map `sites` as they were read last.

    Attributes:
        sums: (created, exited) by image.
    """

    def __init__(self) -> None:
        self.sums: dict[Image, tuple[int, int]] = {}
        self._totals: dict[Image, Sequence[SiteTotal]] = {}
        self._keys = np.zeros(0, records.SITE_KEY)
        self._images: list[Image] = []
        self._place = np.zeros(0, np.intp)
        self._order = np.zeros(0, np.intp)
        self._starts = np.zeros(0, np.intp)
        self._counts = np.zeros((0, 2), np.uint64)
        self._changed: set[int] = set()

    def update(self, keys: Array, values: Array) -> None:
        """Records what was read: SITE_KEY[n], SITE_COUNT[n, cpus]."""
        counts = np.stack((values["created"].sum(axis=1), values["exited"].sum(axis=1)), axis=1)
        if keys.tobytes() == self._keys.tobytes():
            self._changed.update(self._place[(counts != self._counts).any(axis=1)].tolist())
        else:
            self._group(keys)
        self._counts = counts
        sums = np.add.reduceat(counts[self._order], self._starts).tolist() if len(counts) else []
        self.sums = {image: (created, exited) for image, (created, exited) in zip(self._images, sums, strict=True)}

    def totals(self) -> dict[Image, Sequence[SiteTotal]]:
        """By image; the list of an image stays the same object until one of its totals changes."""
        for place in self._changed:
            end = self._starts[place + 1] if place + 1 < len(self._starts) else len(self._order)
            rows = self._order[self._starts[place] : end]
            columns = (self._keys["pc"][rows], self._counts[rows, 0], self._counts[rows, 1])
            self._totals[self._images[place]] = list(map(SiteTotal, *(column.tolist() for column in columns)))
        self._changed.clear()
        return dict(self._totals)

    def _group(self, keys: Array) -> None:
        self._keys = keys
        found, self._place = np.unique(keys["image"].copy().view("V16").reshape(-1), return_inverse=True)
        self._images = images_of(found.view(records.IMAGE))
        self._order = np.argsort(self._place, kind="stable")
        self._starts = np.searchsorted(self._place[self._order], np.arange(len(self._images)))
        self._totals = {}
        self._changed = set(range(len(self._images)))


def with_others(keys: Array, values: Array, images: Array, others: Array) -> tuple[Array, Array]:
    """What was counted at known sites and, under UNATTRIBUTED, at others, which a table had no room for.

    Args:
        keys: SITE_KEY[n]
        values: SITE_COUNT[n, cpus]
        images: IMAGE[m]
        others: SITE_COUNT[m], 0 of most.
    """
    has_some = (others["created"] > 0) | (others["exited"] > 0)
    if not has_some.any():
        return keys, values
    more_keys = np.zeros(has_some.sum(), records.SITE_KEY)
    more_keys["image"] = images[has_some]
    more_values = np.zeros((len(more_keys), values.shape[1]), records.SITE_COUNT)
    more_values[:, 0] = others[has_some]
    return np.concatenate((keys, more_keys)), np.concatenate((values, more_values))


def totals_of(image: Image, keys: Array, values: Array) -> list[SiteTotal]:
    """The totals of one image alone."""
    own = keys["image"] == np.array((*image, 0), records.IMAGE)
    created, exited = values["created"][own].sum(axis=1), values["exited"][own].sum(axis=1)
    return list(map(SiteTotal, keys["pc"][own].tolist(), created.tolist(), exited.tolist()))


def images_of(keys: Array) -> list[Image]:
    """IMAGE[n] as tuples."""
    columns = (keys[name].tolist() for name in ("tgid", "epoch", "binary"))
    return [Image(*image) for image in zip(*columns, strict=True)]
