"""Puts probes into files and takes them out again."""

import struct
from collections.abc import Callable, Collection
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from gosonde_common.values.levels import PROBES, Level

from gosonde_agent.golang.binary import GoBinary
from gosonde_agent.host import syscalls
from gosonde_agent.host.threads import Workers
from gosonde_agent.model.errors import UnsupportedBinaryError
from gosonde_agent.sources.ebpf import records
from gosonde_agent.sources.ebpf.counting import Counting, cookie
from gosonde_agent.sources.ebpf.loading import EXIT_PROGRAM_OFFSETS, Probes
from gosonde_agent.sources.ebpf.maps import Maps
from gosonde_agent.sources.ebpf.timeline import TimelineWindow, status_place
from gosonde_agent.sources.ebpf.uprobe import Place, close_all, placed
from gosonde_agent.sources.ebpf.window_probes import WindowProbes
from gosonde_agent.sources.park_window import ParkWindow
from gosonde_agent.sources.site_window import SiteProbes, SiteWindow
from gosonde_agent.sources.window import Window

#: By Layout.callerpc.
CREATION_PROGRAMS = {2: "on_created", 4: "on_created_117"}
#: Probes that are closed at the same time, where the kernel closes many together.
CLOSED_TOGETHER = 32
#: What counts goroutines.
LIFE = ("exited", "created")


@dataclass(slots=True)
class _Attached:
    """A binary with probes.

    Attributes:
        slot: By which its counting is turned on and off.
        programs: By probe, in the order in which they are attached.
        open: What holds each probe that is there.
        closing: Probes that are being detached.
        park_window: The newest one in which parks are counted, whether it is over or not.
        site_window: The newest one in which creations and exits are.
        timeline: The newest one.
    """

    fd: int
    pid: int | None
    binary: GoBinary
    slot: int
    programs: dict[str, str]
    open: dict[str, list[int]] = field(default_factory=dict)
    closing: list[Future[None]] = field(default_factory=list)
    park_window: ParkWindow | None = None
    site_window: SiteWindow | None = None
    timeline: TimelineWindow | None = None

    def place(self, probe: str) -> Place:
        """Where a probe belongs."""
        return Place(self.fd, self.binary.file_offsets[probe], self.pid)

    @property
    def windows(self) -> list[Window]:
        """All that may be open."""
        return [window for window in (self.park_window, self.site_window) if window is not None]

    def wait(self) -> None:
        """Returns when nothing that was detached can be hit any more."""
        while self.closing:
            self.closing.pop().result()


class Placing:
    """The probes of all files, by the number of the file; `probes` are the programs.

    The kernel takes some 50 ms to close a probe, or 100 where it closes one after the other, so threads do it. Where a
    program goes on with fewer probes it pays for each until it is out: those are closed before what is given up.
    """

    def __init__(self, probes: Probes) -> None:
        self._probes = probes
        self._counting = Counting(probes)
        self._attached: dict[int, _Attached] = {}
        self._window_closers = Workers("close-windows", len(LIFE))
        self._closers = Workers("close-probes", CLOSED_TOGETHER if probes.together else 1)

    def submit(self, call: Callable[[], None]) -> Future[None]:
        """Has a thread that closes probes do something."""
        return self._closers.submit(call)

    def attach(
        self, number: int, binary: GoBinary, fd: int, pid: int | None, probes: Collection[str] | None = None
    ) -> None:
        """Puts probes into the open file `fd`, for one process or for all that run it. `fd` must stay open.

        Nothing is counted before the last of them is there: see `Counting`.

        Raises:
            UnsupportedBinaryError: No exit program fits the layout, or the kernel takes no probe in the file.
            NotPermittedError: Privileges are missing.
            ProbeError: Anything else.
        """
        if binary.layout.gopc not in EXIT_PROGRAM_OFFSETS:
            raise UnsupportedBinaryError(f"no probe reads g.gopc at offset {binary.layout.gopc}")
        programs = self._programs(number, binary)
        self._attached[number] = _Attached(fd, pid, binary, self._counting.take(), programs)
        try:
            self.set_probes(number, PROBES[Level.FULL] if probes is None else probes)
        except BaseException:
            self.detach(number)
            raise

    def _programs(self, number: int, binary: GoBinary) -> dict[str, str]:
        """The program of each probe that the binary has a point for, in the order of attaching."""
        programs = {"exited": f"on_exited_{binary.layout.gopc}", "created": CREATION_PROGRAMS[binary.layout.callerpc]}
        if {"stopped", "started"} <= binary.points.keys():
            programs |= {"started": "on_start", "stopped": self._stop_program(number, binary)}
        if "mark_termination" in binary.points:
            programs["mark_termination"] = "on_mark_termination"
        if binary.refill is not None and _holds(binary.refill.holder) is not None:
            programs["ids_taken"] = "on_ids_taken"
        if "parked" in binary.points:
            programs["parked"] = "on_park"
        if "status_changed" in binary.points:
            programs["status_changed"] = "on_status_changed"
        return programs

    def set_probes(self, number: int, probes: Collection[str]) -> None:
        """Detaches the probes that are not enabled, and attaches those that are missing.

        Goroutines are counted as long as creations are probed: with exits from the same instant on, and until the same.

        What is detached is closed by other threads, because the kernel takes its time: see `is_closing`. Does nothing
        when the file is attached no longer.

        Raises:
            GosondeError: As `attach`; the probes are as before, less those that are not enabled.
        """
        attached = self._attached.get(number)
        if attached is None:
            return
        self._end_site_window(attached, probes)
        if "created" not in probes:
            self._counting.switch(attached.slot, on=False)
        for probe in [probe for probe in reversed(attached.programs) if probe in attached.open and probe not in probes]:
            close = partial(close_all, attached.open.pop(probe))
            attached.closing.append(self._closers.submit(close, urgent=bool(probes)))
        missing = [probe for probe in attached.programs if probe in probes and probe not in attached.open]
        if missing:
            attached.wait()
        opened: dict[str, list[int]] = {}
        try:
            for probe in missing:
                opened[probe] = self._open(number, attached, probe)
        except BaseException:
            for descriptors in opened.values():
                close_all(descriptors)
            raise
        attached.open |= opened
        if "created" in attached.open:
            self._counting.switch(attached.slot, on=True)

    @staticmethod
    def _end_site_window(attached: _Attached, probes: Collection[str]) -> None:
        """Its probes go before others come that count the same."""
        if attached.site_window is not None:
            attached.site_window.end()
            if "created" in probes:
                attached.site_window.wait()

    def _open(self, number: int, attached: _Attached, probe: str) -> list[int]:
        """Puts one probe in; what holds it there."""
        of = cookie(number, attached.slot)
        return placed(self._probes, attached.programs[probe], attached.place(probe), of)

    def park_window(self, number: int, seconds: float, pids: Collection[int], maps: Maps) -> ParkWindow | None:
        """A window in which the parks of a file are counted; None when the file is attached no longer."""
        attached = self._attached.get(number)
        if attached is None:
            return None
        open_probe = partial(self._open, number, attached, "parked")
        attached.park_window = ParkWindow(open_probe, maps.parks, maps.forget_parks, seconds, pids)
        return attached.park_window

    def end_parks(self, number: int) -> None:
        """Detaches the park probe from a file now, if it is there or about to come."""
        if (attached := self._attached.get(number)) and attached.park_window:
            attached.park_window.end()

    def site_window(self, number: int, seconds: float, maps: Maps) -> SiteWindow | None:
        """See Source."""
        attached = self._attached.get(number)
        if attached is None or "created" in attached.open or self.is_closing(number):
            return None
        openers = [partial(self._open, number, attached, probe) for probe in attached.programs if probe in LIFE]
        life = WindowProbes(openers, self._window_closers, together=self._probes.together)
        probes = SiteProbes(
            life.open,
            lambda on: self._counting.switch(attached.slot, on=on),
            life.close,
            partial(maps.file_sites, number),
            partial(maps.samples, number),
            maps.hit_slots,
        )
        attached.site_window = SiteWindow(probes, seconds)
        return attached.site_window

    def sample_creations(self, number: int) -> bool:
        """See Source."""
        attached = self._attached.get(number)
        if attached is None or attached.binary.refill is None or "ids_taken" not in attached.programs:
            return False
        has_room = "created" not in attached.open and not self.is_closing(number)
        if has_room and "ids_taken" not in attached.open:
            holder = _holds(attached.binary.refill.holder) or (0, 0)
            place = struct.pack("<IIII", *holder, attached.binary.layout.gopc, 0)
            syscalls.update(self._probes["sample_places"], struct.pack("<I", number), place)
            attached.open["ids_taken"] = self._open(number, attached, "ids_taken")
        return "ids_taken" in attached.open

    def timeline(self, number: int, pid: int, most_hits: int) -> TimelineWindow | None:
        """A window in which a process's goroutines are recorded, open; None when its file is attached no longer.

        Raises:
            UnsupportedBinaryError: As `status_place`.
            GosondeError: The probe could not be attached.
        """
        attached = self._attached.get(number)
        if attached is None:
            return None
        place = status_place(attached.binary, pid, most_hits)
        vaddr = attached.binary.points["status_changed"].vaddr
        open_probe = partial(self._open, number, attached, "status_changed")
        attached.timeline = TimelineWindow(self._probes, number, place, vaddr, open_probe)
        return attached.timeline

    def is_closing(self, number: int) -> bool:
        """Whether a probe that was detached can still be hit."""
        attached = self._attached.get(number)
        if attached is None:
            return False
        has_window = any(window.is_closing for window in attached.windows)
        return has_window or not all(future.done() for future in attached.closing)

    def _stop_program(self, number: int, binary: GoBinary) -> str:
        if binary.layout.has_stop_reason:
            return "on_stop"
        if binary.gc_stop_callers is not None:
            callers = np.array(binary.gc_stop_callers, records.CODE_RANGE).tobytes()
            syscalls.update(self._probes["gc_stop_callers"], struct.pack("<I", number), callers)
        return "on_stop_untold"

    def detach(self, number: int) -> None:
        """Detaches the probes; when this returns, no process can hit them."""
        self.end_parks(number)
        self.set_probes(number, ())
        if attached := self._attached.pop(number, None):
            attached.wait()
            if attached.timeline is not None:
                attached.timeline.stop()
            for window in attached.windows:
                window.wait()
            self._counting.release(attached.slot)
        for name in ("gc_stop_callers", "sample_places"):
            syscalls.delete(self._probes[name], struct.pack("<I", number))

    def close(self) -> None:
        """Detaches everything."""
        for number in list(self._attached):
            self.set_probes(number, ())
        for number in list(self._attached):
            self.detach(number)


def _holds(holder: str | tuple[str, int]) -> tuple[int, int] | None:
    """A register, or a word on the stack, as sample_place has it; None when programs do not read that register."""
    if not isinstance(holder, str):
        return len(records.G_REGISTERS), holder[1]
    return (records.G_REGISTERS.index(holder), 0) if holder in records.G_REGISTERS else None
