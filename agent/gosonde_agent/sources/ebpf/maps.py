"""Reads the kernel's maps: what the probes have counted."""

import platform
import struct
from collections import defaultdict
from collections.abc import Collection, Mapping

import numpy as np
import numpy.typing as npt

from gosonde_agent.host import syscalls
from gosonde_agent.host.kernel import possible_cpus
from gosonde_agent.model.losses import KERNEL_LOSSES
from gosonde_agent.sources.counters import UNATTRIBUTED, Counters, Hits, Image, Origin, SiteTotal, WorldTotal
from gosonde_agent.sources.ebpf import records
from gosonde_agent.sources.ebpf.loading import Probes
from gosonde_agent.sources.ebpf.shares import Shares
from gosonde_agent.sources.ebpf.site_table import SiteTable, images_of, totals_of, with_others

#: What no slots agree with.
NO_READING = (
    np.full(records.HIT_SLOTS, np.iinfo(np.uint64).max, np.uint64),
    np.zeros(0, records.SITE_KEY),
    np.zeros((0, 1), records.SITE_COUNT),
)
#: Whether another CPU sees a program's increments in their order. Arm's may not.
HITS_FOLLOW_COUNTS = platform.machine() == "x86_64"


class Maps:
    """What the maps of `probes` hold; reading 1,000 sites takes well under a millisecond: a batch a system call.

    Attributes:
        shares: Who takes how much of them.
    """

    def __init__(self, probes: Probes) -> None:
        self.shares = Shares(probes)
        self._probes = probes
        self._cpus = possible_cpus()
        self._table = SiteTable()
        # The slots from before a reading of all sites, and the reading.
        self._site_reading = NO_READING

    def counters(self) -> Counters:
        """All totals, now."""
        lost = self._read_sites()
        worlds, losses = self._worlds(), self.losses()
        lost_at = self.shares.lost_at(losses)
        return Counters(self._table.totals(), worlds, self._hits(worlds), losses, lost, lost_at)

    def hits(self) -> dict[Image, Hits]:
        """How often probes were hit, but for the park probe."""
        self._read_sites()
        return self._hits(self._worlds())

    def site_totals(self, image: Image) -> list[SiteTotal]:
        """The totals of one image; may be called from any thread.

        What was read for whichever image is used again while the image's slot says that it was not hit since.
        """
        slots = self.hit_slots()
        slot = image.tgid % records.HIT_SLOTS
        read_at, keys, values = self._site_reading
        if read_at[slot] != slots[slot] or not HITS_FOLLOW_COUNTS:
            keys, values = self._read("sites", records.SITE_KEY, records.SITE_COUNT, self._cpus)
            self._site_reading = slots, keys, values
        found, others = totals_of(image, keys, values), self.shares.others(image)
        return [*found, SiteTotal(UNATTRIBUTED, *others)] if any(others) else found

    def file_sites(self, number: int) -> dict[Image, dict[int, tuple[int, int]]]:
        """(created, exited) by image and pc, of one file; may be called from any thread."""
        keys, values = self._read("sites", records.SITE_KEY, records.SITE_COUNT, self._cpus)
        own = keys["image"]["binary"] == number
        keys, values = keys[own], values[own]
        sites: dict[Image, dict[int, tuple[int, int]]] = defaultdict(dict)
        columns = (keys["pc"], values["created"].sum(axis=1), values["exited"].sum(axis=1))
        rows = zip(images_of(keys["image"]), *(column.tolist() for column in columns), strict=True)
        for image, pc, created, exited in rows:
            sites[image][pc] = created, exited
        return sites

    def samples(self, number: int) -> dict[Image, dict[int, tuple[int, int]]]:
        """Sampled creations by image and pc, of one file: (all, those while creations were counted, too)."""
        return {image: found for image, found in self._all_samples().items() if image.binary == number}

    def _all_samples(self) -> dict[Image, dict[int, tuple[int, int]]]:
        keys, values = self._read("samples", records.SITE_KEY, records.SAMPLE_COUNT, self._cpus)
        found: dict[Image, dict[int, tuple[int, int]]] = defaultdict(dict)
        columns = (keys["pc"], values["all"].sum(axis=1), values["counted"].sum(axis=1))
        rows = zip(images_of(keys["image"]), *(column.tolist() for column in columns), strict=True)
        for image, pc, every, counted in rows:
            found[image][pc] = every, counted
        if found:
            images, shares = self.shares.read()
            others = shares["other_samples"]
            unplaced = zip(images_of(images), others["all"].tolist(), others["counted"].tolist(), strict=True)
            for image, every, counted in unplaced:
                if every:
                    found[image][UNATTRIBUTED] = every, counted
        return found

    def hit_slots(self) -> npt.NDArray[np.uint64]:
        """How often any probe was hit, by pid modulo the length; one system call."""
        value = syscalls.lookup(self._probes["hits"], bytes(4), records.HITS.itemsize * self._cpus)
        slots = np.frombuffer(value or bytes(records.HITS.itemsize), np.uint64).reshape(-1, records.HIT_SLOTS)
        total: npt.NDArray[np.uint64] = slots.sum(axis=0)
        return total

    def parks(self) -> dict[Image, dict[int, int]]:
        """Parks by image and code of the wait reason, of the window that is open: it has the map for itself."""
        keys, values = self._read("parks", records.PARK_KEY, np.dtype("<u8"), self._cpus)
        parks: dict[Image, dict[int, int]] = defaultdict(dict)
        columns = (keys["reason"].tolist(), values.sum(axis=1).tolist())
        for image, reason, count in zip(images_of(keys["image"]), *columns, strict=True):
            parks[image][reason] = count
        return parks

    def forget_parks(self) -> None:
        """Has parks begin at 0 again."""
        keys, _ = self._read("parks", records.PARK_KEY, np.dtype("<u8"), self._cpus)
        syscalls.delete_all(self._probes["parks"], keys)
        self.shares.begin_round(records.ROUND_PARKS)

    def losses(self) -> dict[str, int]:
        """What the kernel could not count, by name; may be called from any thread."""
        values = (syscalls.lookup(self._probes["losses"], struct.pack("<I", i), 8) for i in range(len(KERNEL_LOSSES)))
        counts = (int.from_bytes(value, "little") if value else 0 for value in values)
        return dict(zip(KERNEL_LOSSES, counts, strict=True))

    def origin(self, image: Image, pc: int) -> Origin | None:
        """What was seen at the first goroutine of a site."""
        value = syscalls.lookup(self._probes["origins"], _site_key(image, pc), records.SITE_ORIGIN.itemsize)
        if value is None:
            return None
        row = np.frombuffer(value, records.SITE_ORIGIN)[0]
        return Origin(int(row["start_pc"]), int(row["ip"]), int(row["probe"]))

    def forget(self, images: Collection[Image]) -> None:
        """Frees the elements of images in every map; may be called from any thread."""
        self._site_reading = NO_READING
        self.shares.forget(images)

    def _read(self, name: str, key: np.dtype, value: np.dtype, slots: int) -> tuple[npt.NDArray, npt.NDArray]:  # type: ignore[type-arg]
        keys, values = syscalls.read_all(self._probes[name], key.itemsize, value.itemsize * slots)
        return keys.reshape(-1).view(key), values.reshape(-1).view(value).reshape(-1, slots)

    def _read_sites(self) -> dict[Image, int]:
        """Reads all sites, and returns what was lost of each image that has been counted."""
        images, shares = self.shares.read()
        keys, values = self._read("sites", records.SITE_KEY, records.SITE_COUNT, self._cpus)
        self._table.update(*with_others(keys, values, images, shares["others"]))
        return dict(zip(images_of(images), shares["lost"].tolist(), strict=True))

    def _worlds(self) -> dict[Image, WorldTotal]:
        keys, values = self._read("worlds", records.IMAGE, records.WORLD, 1)
        rows = values[:, 0]
        totals = zip(*(rows[name].tolist() for name in ("cycles", "pauses", "gc_pause_ns")), strict=True)
        return {image: WorldTotal(*total) for image, total in zip(images_of(keys), totals, strict=True)}

    def _hits(self, worlds: Mapping[Image, WorldTotal]) -> dict[Image, Hits]:
        """Those of the sites as they were read last."""
        sums, sampled = (
            self._table.sums,
            {image: sum(every for every, _ in found.values()) for image, found in self._all_samples().items()},
        )
        hits: dict[Image, Hits] = {}
        for image in {*sums, *worlds, *sampled}:
            world, samples = worlds.get(image, WorldTotal(0, 0, 0)), sampled.get(image, 0)
            hits[image] = Hits(*sums.get(image, (0, 0)), pauses=world.pauses, cycles=world.cycles, sampled=samples)
        return hits


def _site_key(image: Image, pc: int) -> bytes:
    return struct.pack("<IIIIQ", *image, 0, pc)
