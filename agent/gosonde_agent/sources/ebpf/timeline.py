"""A window in which each change of a goroutine's status is recorded, until its time or what it may cost is over."""

import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gosonde_agent.golang.binary import GoBinary
from gosonde_agent.host import syscalls
from gosonde_agent.model.errors import UnsupportedBinaryError
from gosonde_agent.sources.ebpf import records
from gosonde_agent.sources.ebpf.loading import Probes
from gosonde_agent.sources.ebpf.ring_buffer import RingBuffer
from gosonde_agent.sources.ebpf.uprobe import close_all

#: Between two looks into the ring buffer, which has room for some 26,000 changes.
LOOK_SECONDS = 0.005
#: Why there is no timeline of a binary.
NO_PLACE = "where a goroutine's status changes"
#: Fields of runtime.g that each change is read with.
NEEDED = ("goid", "waitreason", "gopc", "startpc")

Transitions = npt.NDArray[np.void]


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a window has shown.

    Attributes:
        transitions: As `records.TRANSITION`, in the order of their times.
        hits: How often the probe was hit while it was there, recorded or not.
        lost: Changes for which the ring buffer had no room.
        ended_ns: When hits had reached their limit, CLOCK_MONOTONIC; 0 where they had not.
        bias: Runtime address less link-time address; None where nothing was hit.
    """

    transitions: Transitions
    hits: int
    lost: int
    ended_ns: int
    bias: int | None


def status_place(binary: GoBinary, pid: int, most_hits: int) -> bytes:
    """What the probe needs to know of a binary: struct timeline.

    Raises:
        UnsupportedBinaryError: No safe place for the probe is proved, or it is not known where g has its fields.
    """
    if "status_changed" not in binary.points:
        raise UnsupportedBinaryError(f"no timeline: it is not proved {NO_PLACE}: {binary.unproved['status_changed']}")
    at = {field: binary.layout.offset("g", field) for field in NEEDED}
    parent = binary.layout.fields("g").get("parentGoid", records.NO_OFFSET)
    row = np.zeros((), records.TIMELINE)
    for field, value in {**at, "tgid": pid, "parent": parent, "most_hits": most_hits}.items():
        row[field] = value
    return row.tobytes()


class TimelineWindow:
    """A window on one process, by the number of its file's probes; it is open from here on.

    Args:
        place: See `status_place`.
        vaddr: The link-time address of the probe.
        open_probe: Puts it in; gives the descriptors that hold it.

    Raises:
        GosondeError: As `open_probe`, or the kernel refused something.
    """

    def __init__(
        self, probes: Probes, number: int, place: bytes, vaddr: int, open_probe: Callable[[], list[int]]
    ) -> None:
        self._probes = probes
        self._key = struct.pack("<I", number)
        self._vaddr = vaddr
        self._pieces: list[bytes] = []
        self._over = threading.Event()
        self._ring = RingBuffer(probes["transitions"], self._pieces.append)
        self._ring.consume()  # what an earlier window has left
        self._pieces.clear()
        syscalls.update(probes["timelines"], self._key, place)
        try:
            self._descriptors = open_probe()
        except BaseException:
            self._forget()
            raise
        self._thread = threading.Thread(target=self._look, name="timeline", daemon=True)
        self._thread.start()

    @property
    def has_ended(self) -> bool:
        """Whether the limit of hits was reached: the probe has gone, or is going."""
        return not self._thread.is_alive()

    def stop(self) -> None:
        """Takes the probe out, if it is still there."""
        self._over.set()
        self._thread.join()
        close_all(self._descriptors)
        self._descriptors = []

    def close(self) -> Recorded:
        """Stops, and returns what was recorded."""
        self.stop()
        self._ring.consume()
        state = self._state()
        self._forget()
        found = np.frombuffer(b"".join(self._pieces), records.TRANSITION)
        found = found[np.argsort(found["at"], kind="stable")]
        ended = int(state["ended_at"])
        if ended:
            found = found[found["at"] <= ended]
        bias = int(state["ip"]) - self._vaddr if state["ip"] else None
        return Recorded(found, int(state["hits"]), int(state["lost"]), ended, bias)

    def _look(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            self._ring.consume()
            if self._state()["ended_at"]:
                close_all(self._descriptors)
                self._descriptors = []
                return

    def _state(self) -> np.void:
        value = syscalls.lookup(self._probes["timelines"], self._key, records.TIMELINE.itemsize)
        row: np.void = np.frombuffer(value or bytes(records.TIMELINE.itemsize), records.TIMELINE)[0]
        return row

    def _forget(self) -> None:
        syscalls.delete(self._probes["timelines"], self._key)
        self._ring.close()
