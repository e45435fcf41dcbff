"""What each process image and each user takes of the tables that all share: reading it, and freeing what is over.

The kernel side counts what was made, the agent what it has freed, each in an array of its own: neither can overwrite
what the other has counted.
"""

import struct
import threading
from collections.abc import Collection, Mapping

import numpy as np
import numpy.typing as npt

from gosonde_agent.host import syscalls
from gosonde_agent.host.kernel import possible_cpus
from gosonde_agent.sources.counters import Image
from gosonde_agent.sources.ebpf import records
from gosonde_agent.sources.ebpf.loading import Probes

Array = npt.NDArray  # type: ignore[type-arg]


class Shares:
    """The shares of `probes`' tables; may be used from any thread."""

    def __init__(self, probes: Probes) -> None:
        self._probes = probes
        self._lock = threading.Lock()
        self._freed = np.zeros(records.OWNERS + 1, records.ENTRIES)
        self._rounds = [0, 0]
        self._lost_at: tuple[Mapping[str, int], list[int]] = {}, [0] * records.LOST_SLOTS

    def read(self) -> tuple[Array, Array]:
        """Of all images: IMAGE[n], SHARE[n]."""
        keys, values = syscalls.read_all(self._probes["shares"], records.IMAGE.itemsize, records.SHARE.itemsize)
        return keys.reshape(-1).view(records.IMAGE), values.reshape(-1).view(records.SHARE)

    def others(self, image: Image) -> tuple[int, int]:
        """(created, exited) at those go statements of an image that are not in the table."""
        key = struct.pack("<IIII", *image, 0)
        value = syscalls.lookup(self._probes["shares"], key, records.SHARE.itemsize)
        others = np.frombuffer(value, records.SHARE)["others"][0].tolist() if value else (0, 0)
        return others[0], others[1]

    def lost_at(self, losses: Mapping[str, int]) -> list[int]:
        """When something was last lost of images without a share, by pid modulo the length; `losses`: of now."""
        before, found = self._lost_at
        if before != losses:
            _, values = syscalls.read_all(self._probes["lost_at"], 4, 8)
            found = values.reshape(-1).view("<u8").tolist()
            self._lost_at = losses, found
        return found

    def begin_round(self, what: int) -> None:
        """The agent has emptied what all share: one of records.ROUND_*."""
        with self._lock:
            self._rounds[what] = (self._rounds[what] + 1) & 0xFFFF_FFFF
            syscalls.update(self._probes["rounds"], struct.pack("<I", what), struct.pack("<I", self._rounds[what]))

    def forget(self, images: Collection[Image]) -> None:
        """Frees the elements of images in every table; they must have ended, or be probed no longer."""
        if not images:
            return
        with self._lock:
            shared, shares = self.read()
            is_meant = np.isin(_plain(shared), _plain(np.array([(*image, 0) for image in images], records.IMAGE)))
            shared, owners = shared[is_meant], shares["owner"][is_meant]
            sites = self._sites(shared)
            for owner in np.unique(owners).tolist():
                self._forget_of(owner, shared[owners == owner], sites)

    def _sites(self, images: Array) -> Array:
        """The sites of images: SITE_KEY[n]. `origins` has the keys that `sites` has, and one value for all CPUs."""
        read = syscalls.read_all(self._probes["origins"], records.SITE_KEY.itemsize, records.SITE_ORIGIN.itemsize)
        keys = read[0].reshape(-1).view(records.SITE_KEY)
        return _of_images(keys, images)

    def _samples(self, images: Array) -> Array:
        """The sampled sites of images: SITE_KEY[n]."""
        entry = records.SAMPLE_COUNT.itemsize * possible_cpus()
        keys = syscalls.read_all(self._probes["samples"], records.SITE_KEY.itemsize, entry)[0]
        return _of_images(keys.reshape(-1).view(records.SITE_KEY), images)

    def _forget_of(self, owner: int, images: Array, sites: Array) -> None:
        own = _of_images(sites, images)
        sampled = syscalls.delete_all(self._probes["samples"], self._samples(images))
        self._free(owner, records.TABLE_SAMPLES, sampled)
        deleted = syscalls.delete_all(self._probes["sites"], own)
        syscalls.delete_all(self._probes["origins"], own)
        syscalls.delete_all(self._probes["worlds"], images)
        self._free(owner, records.TABLE_SITES, deleted)
        self._free(owner, records.TABLE_IMAGES, syscalls.delete_all(self._probes["shares"], images))

    def forget_exec(self, tgid: int, owner: int) -> None:
        """Frees the number of a process's exec; `owner` as its entry has it."""
        with self._lock:
            if syscalls.delete(self._probes["images"], struct.pack("<I", tgid)) and owner != records.OWNER_NOBODY:
                self._free(owner, records.TABLE_EXECS, 1)

    def _free(self, owner: int, table: int, entries: int) -> None:
        for place in (owner, records.OWNERS):
            self._freed["of"][place, table] += np.uint32(entries)
            syscalls.update(self._probes["freed"], struct.pack("<I", place), self._freed[place].tobytes())


def _of_images(keys: Array, images: Array) -> Array:
    """Those of SITE_KEY[n] that are of some images."""
    return keys[np.isin(_plain(keys["image"]), _plain(images))]


def _plain(images: Array) -> Array:
    """IMAGE[n] as something that can be compared."""
    return np.ascontiguousarray(images).view("V16").reshape(-1)
