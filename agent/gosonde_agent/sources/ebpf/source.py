"""The source that counts in the kernel: eBPF programs at uprobes in the Go runtime."""

import contextlib
import os
import struct
import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future, wait

import numpy as np
import numpy.typing as npt

from gosonde_agent.golang.binary import GoBinary
from gosonde_agent.host import syscalls
from gosonde_agent.host.kernel import own_pid_namespace
from gosonde_agent.model.errors import ProbeError
from gosonde_agent.sources.counters import Counters, Hits, Image, Origin, SiteTotal
from gosonde_agent.sources.ebpf import calibration, records
from gosonde_agent.sources.ebpf.loading import RAW_TRACEPOINTS, Probes
from gosonde_agent.sources.ebpf.maps import Maps
from gosonde_agent.sources.ebpf.placing import Placing
from gosonde_agent.sources.ebpf.ring_buffer import RingBuffer
from gosonde_agent.sources.ebpf.timeline import TimelineWindow
from gosonde_agent.sources.ebpf.uprobe import close_all
from gosonde_agent.sources.events import Event
from gosonde_agent.sources.hit_costs import HitCosts
from gosonde_agent.sources.kinds import EBPF
from gosonde_agent.sources.park_window import ParkWindow
from gosonde_agent.sources.site_window import SiteWindow

#: Numbers of images that began without an exec go down from so far above the first exec's, where execs never come.
FIRST_RESTARTED = 1 << 31


class EbpfSource:
    """A Source that counts with `probes`, which it closes in the end.

    Attributes:
        kind: What it is.
        maps: What was counted.

    Raises:
        NotPermittedError: Privileges are missing.
        ProbeError: The kernel refused something.
    """

    def __init__(self, probes: Probes) -> None:
        self.kind = EBPF
        self.maps = Maps(probes)
        self._probes = probes
        self._placing = Placing(probes)
        self._pending: list[Event] = []
        # Epochs of an earlier run of the agent must not come again: begin at the time, in 256ths of a second.
        first_epoch = int(time.time() * 256) & 0x7FFFFFFF
        syscalls.update(probes["last_epoch"], bytes(4), struct.pack("<I", first_epoch))
        for place, number in enumerate(own_pid_namespace()):
            syscalls.update(probes["pid_namespace"], struct.pack("<I", place), struct.pack("<Q", number))
        self.first_epoch = first_epoch
        self._last_restarted = first_epoch + FIRST_RESTARTED
        self._events = RingBuffer(probes["events"], self._keep)
        self._tracepoints = [probes.raw_tracepoint(program) for program in RAW_TRACEPOINTS]

    def _keep(self, record: bytes) -> None:
        self._pending.append(Event(*records.EVENT.unpack_from(record)))

    def hit_costs(self) -> HitCosts:
        """Measures what hits cost on this host; takes some 100 ms, in any thread.

        Raises:
            GosondeError: No probe may be placed.
        """
        closed: list[Future[None]] = []
        me = Image(os.getpid(), self.epoch(os.getpid()), 0)
        try:
            return calibration.measure(
                self._probes,
                lambda descriptors: closed.append(self._placing.submit(lambda: close_all(descriptors))),
            )
        finally:
            self._placing.submit(lambda: self._forget_when(closed, me))

    def _forget_when(self, closed: Sequence[Future[None]], me: Image) -> None:
        wait(closed)
        self.forget([me])

    # --- probes ------------------------------------------------------------------------------------------------------

    def attach(
        self, number: int, binary: GoBinary, fd: int, pid: int | None, probes: Collection[str] | None = None
    ) -> None:
        """See Source and Placing.attach, also for what is raised."""
        self._placing.attach(number, binary, fd, pid, probes)

    def detach(self, number: int) -> None:
        """See Source; when this returns, no process can hit the probes."""
        self._placing.detach(number)

    def set_probes(self, number: int, probes: Collection[str]) -> None:
        """See Source and Placing.set_probes, also for what is raised."""
        self._placing.set_probes(number, probes)

    def park_window(self, number: int, seconds: float, pids: Collection[int]) -> ParkWindow | None:
        """See Source."""
        return self._placing.park_window(number, seconds, pids, self.maps)

    def end_parks(self, number: int) -> None:
        """See Source."""
        self._placing.end_parks(number)

    def site_window(self, number: int, seconds: float) -> SiteWindow | None:
        """See Source."""
        return self._placing.site_window(number, seconds, self.maps)

    def sample_creations(self, number: int) -> bool:
        """See Source."""
        return self._placing.sample_creations(number)

    def timeline(self, number: int, pid: int, most_hits: int) -> TimelineWindow | None:
        """See Placing.timeline, also for what is raised."""
        return self._placing.timeline(number, pid, most_hits)

    def is_closing(self, number: int) -> bool:
        """See Source."""
        return self._placing.is_closing(number)

    # --- what was counted --------------------------------------------------------------------------------------------

    def counters(self) -> Counters:
        """See Source."""
        return self.maps.counters()

    def site_totals(self, image: Image) -> Sequence[SiteTotal]:
        """See Source."""
        return self.maps.site_totals(image)

    def losses(self) -> Mapping[str, int]:
        """See Source."""
        return self.maps.losses()

    def hits(self) -> Mapping[Image, Hits]:
        """See Source."""
        return self.maps.hits()

    def hit_slots(self) -> npt.NDArray[np.uint64]:
        """See Source."""
        return self.maps.hit_slots()

    def samples(self, image: Image) -> Mapping[int, int]:
        """See Source."""
        found = self.maps.samples(image.binary).get(image, {})
        return {pc: every for pc, (every, _) in found.items()}

    def origin(self, image: Image, pc: int) -> Origin | None:
        """See Source."""
        return self.maps.origin(image, pc)

    def forget(self, images: Collection[Image]) -> None:
        """See Source."""
        self.maps.forget(images)

    # --- events ------------------------------------------------------------------------------------------------------

    @property
    def event_fd(self) -> int:
        """Readable when something has happened that cannot wait: an exec, and what was asked to be reported."""
        return self._probes["events"]

    def events(self) -> list[Event]:
        """What happened since the last call."""
        self._events.consume()
        pending, self._pending = self._pending, []
        if pending:
            self.maps.shares.begin_round(records.ROUND_EVENTS)
        return pending

    def report_next_hit(self) -> None:
        """Has the next hit of any probe reported as an event that makes `event_fd` readable."""
        syscalls.update(self._probes["report_next_hit"], bytes(4), struct.pack("<I", 1))

    def report_end(self, tgid: int, *, enabled: bool) -> None:
        """Has the end of a process make `event_fd` readable, or no longer; when the map is full, it is seen later."""
        key = struct.pack("<I", tgid)
        with contextlib.suppress(ProbeError):
            if enabled:
                syscalls.update(self._probes["watched"], key, bytes(4))
            else:
                syscalls.delete(self._probes["watched"], key)

    # --- numbers of execs --------------------------------------------------------------------------------------------

    def epoch(self, tgid: int) -> int:
        """Number of the exec that a process runs; 0 when that was before the agent."""
        return self._exec(tgid)[0]

    def _exec(self, tgid: int) -> tuple[int, int]:
        """Its number, and who pays for the entry."""
        value = syscalls.lookup(self._probes["images"], struct.pack("<I", tgid), records.EXEC.itemsize)
        epoch, owner = struct.unpack("<II", value) if value else (0, records.OWNER_NOBODY)
        return epoch, owner

    def restart_counting(self, tgid: int) -> int:
        """Counts a process from now on as another image, as if it had run exec; returns its number.

        Raises:
            ProbeError: The kernel's table of images is full.
        """
        self._last_restarted -= 1
        value = struct.pack("<II", self._last_restarted, self._exec(tgid)[1])
        syscalls.update(self._probes["images"], struct.pack("<I", tgid), value)
        return self._last_restarted

    def forget_exec(self, tgid: int, epoch: int) -> None:
        """Frees the number of an exec, unless the pid has gone on to another."""
        present, owner = self._exec(tgid)
        if present == epoch:
            self.maps.shares.forget_exec(tgid, owner)

    def execs(self) -> list[tuple[int, int]]:
        """See Source."""
        keys, values = syscalls.read_all(self._probes["images"], 4, records.EXEC.itemsize)
        epochs = values.reshape(-1).view(records.EXEC)["epoch"]
        return list(zip(keys.reshape(-1).view("<u4").tolist(), epochs.tolist(), strict=True))

    def close(self) -> None:
        """Detaches everything."""
        self._placing.close()
        close_all(self._tracepoints)
        self._events.close()
        self._probes.close()
