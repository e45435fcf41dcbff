"""The source that counts in the kernel: eBPF programs at uprobes in the Go runtime."""

import contextlib
import os
import platform
import struct
import time
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from gosonde_agent.golang.binary import GoBinary
from gosonde_agent.host import syscalls
from gosonde_agent.host.kernel import possible_cpus
from gosonde_agent.model.errors import ProbeError, UnsupportedBinaryError
from gosonde_agent.model.losses import KERNEL_LOSSES
from gosonde_agent.sources.ebpf import calibration, records
from gosonde_agent.sources.ebpf.hit_costs import HitCosts
from gosonde_agent.sources.ebpf.loading import EXIT_PROGRAM_OFFSETS, RAW_TRACEPOINTS, Probes
from gosonde_agent.sources.ebpf.park_window import ParkWindow
from gosonde_agent.sources.ebpf.records import Event
from gosonde_agent.sources.ebpf.ring_buffer import RingBuffer
from gosonde_agent.sources.ebpf.site_table import SiteTable, images_of, totals_of
from gosonde_agent.sources.protocol import (
    Counters,
    Hits,
    Image,
    Origin,
    SiteTotal,
    WorldTotal,
)

#: What no slots agree with.
NO_READING = (
    np.full(records.HIT_SLOTS, np.iinfo(np.uint64).max, np.uint64),
    np.zeros(0, records.SITE_KEY),
    np.zeros((0, 1), records.SITE_COUNT),
)
#: Whether another CPU sees a program's increments in their order. Arm's may not.
HITS_FOLLOW_COUNTS = platform.machine() == "x86_64"
#: By Layout.callerpc.
CREATION_PROGRAMS = {2: "on_created", 4: "on_created_117"}
#: Numbers of images that began without an exec go down from so far above the first exec's, where execs never come.
FIRST_ANEW = 1 << 31


@dataclass(slots=True)
class _Attached:
    """A binary with probes.

    Attributes:
        programs: By probe, in the order in which they are attached.
        open: The perf event and the link of each probe that is there.
        closing: Probes that are being taken out.
        window: The newest one in which parks are counted, whether it is over or not.
    """

    fd: int
    pid: int | None
    binary: GoBinary
    programs: dict[str, str]
    open: dict[str, list[int]] = field(default_factory=dict)
    closing: list[Future[None]] = field(default_factory=list)
    window: ParkWindow | None = None

    def wait(self) -> None:
        """Returns when nothing that was taken out can be hit any more."""
        while self.closing:
            self.closing.pop().result()


class EbpfSource:
    """Counts with `probes`, which it closes in the end.

    Raises:
        NotPermittedError: Privileges are missing.
        ProbeError: The kernel refused something.
    """

    def __init__(self, probes: Probes) -> None:
        self._probes = probes
        self._cpus = possible_cpus()
        self._table = SiteTable()
        # The slots from before a reading of all sites, and the reading.
        self._site_reading = NO_READING
        self._pending: list[Event] = []
        self._attached: dict[int, _Attached] = {}
        # The kernel takes some 100 ms to close a probe.
        self._closer = ThreadPoolExecutor(1, "close-probes")
        # Epochs of an earlier run of the agent must not come again: begin at the time, in 256ths of a second.
        first_epoch = int(time.time() * 256) & 0x7FFFFFFF
        syscalls.update(self._probes["last_epoch"], bytes(4), struct.pack("<I", first_epoch))
        self.first_epoch = first_epoch
        self._last_anew = first_epoch + FIRST_ANEW
        self._events = RingBuffer(probes["events"], self._keep)
        self._tracepoints = [syscalls.raw_tracepoint(probes[name], place) for name, place in RAW_TRACEPOINTS.items()]

    def _keep(self, record: bytes) -> None:
        self._pending.append(Event(*records.EVENT.unpack_from(record)))

    def hit_costs(self) -> HitCosts:
        """Measures what hits cost on this host; takes some 50 ms.

        Raises:
            GosondeError: No probe may be placed.
        """
        closed: list[Future[None]] = []
        try:
            return calibration.measure(
                self._probes, lambda descriptors: closed.append(self._closer.submit(_close, descriptors))
            )
        finally:
            self._closer.submit(self.forget, Image(os.getpid(), self.epoch(os.getpid()), 0), [0])

    @property
    def event_fd(self) -> int:
        """Readable when something has happened that cannot wait: an exec, and what was asked to be reported."""
        return self._probes["events"]

    def attach(self, number: int, binary: GoBinary, fd: int, pid: int | None) -> None:
        """Puts the probes into the open file `fd`, for one process or for all that run it. `fd` must stay open.

        All probes are in place before the first one counts, and the exit probe counts first: a goroutine whose
        creation is counted then always has its exit counted, and the moment in between is short.

        Raises:
            UnsupportedBinaryError: No exit program fits the layout, or the kernel takes no probe in the file.
            NotPermittedError: Privileges are missing.
            ProbeError: Anything else.
        """
        if binary.layout.gopc not in EXIT_PROGRAM_OFFSETS:
            raise UnsupportedBinaryError(f"no probe reads g.gopc at offset {binary.layout.gopc}")
        self._attached[number] = _Attached(fd, pid, binary, self._programs(number, binary))
        try:
            self.set_probes(number, self._attached[number].programs.keys() - {"parked"})
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
        if "parked" in binary.points:
            programs["parked"] = "on_park"
        return programs

    def set_probes(self, number: int, probes: Collection[str]) -> None:
        """Takes out the probes that are not wanted, and puts in those that are missing.

        What is taken out is closed by another thread, because the kernel takes 100 ms for each: see `is_closing`.

        Raises:
            GosondeError: As `attach`; the probes are as before, less those that are not wanted.
        """
        attached = self._attached[number]
        for probe in [probe for probe in reversed(attached.programs) if probe in attached.open and probe not in probes]:
            attached.closing.append(self._closer.submit(_close, attached.open.pop(probe)))
        missing = [probe for probe in attached.programs if probe in probes and probe not in attached.open]
        if missing:
            attached.wait()
        opened: dict[str, list[int]] = {}
        try:
            for probe in missing:
                offset = attached.binary.file_offsets[probe]
                opened[probe] = [syscalls.open_uprobe(f"/proc/self/fd/{attached.fd}", offset, attached.pid)]
            for probe, descriptors in opened.items():
                program = self._probes[attached.programs[probe]]
                descriptors.append(syscalls.link(program, descriptors[0], number))
        except BaseException:
            for descriptors in opened.values():
                _close(descriptors)
            raise
        attached.open |= opened

    def park_window(self, number: int, seconds: float, pids: Collection[int]) -> ParkWindow | None:
        """A window in which the parks of a file are counted; None when the file is attached no longer."""
        attached = self._attached.get(number)
        if attached is None:
            return None
        program = self._probes[attached.programs["parked"]]
        place = f"/proc/self/fd/{attached.fd}", attached.binary.file_offsets["parked"], attached.pid

        def open_probe() -> list[int]:
            event = syscalls.open_uprobe(*place)
            try:
                return [event, syscalls.link(program, event, number)]
            except BaseException:
                _close([event])
                raise

        attached.window = ParkWindow(open_probe, self._read_parks, self._forget_parks, seconds, pids)
        return attached.window

    def end_parks(self, number: int) -> None:
        """Takes the park probe out of a file now, if it is there or about to come."""
        if (attached := self._attached.get(number)) and attached.window:
            attached.window.end()

    def is_closing(self, number: int) -> bool:
        """Whether a probe that was taken out can still be hit."""
        attached = self._attached.get(number)
        if attached is None:
            return False
        has_window = attached.window is not None and attached.window.is_closing
        return has_window or not all(future.done() for future in attached.closing)

    def _stop_program(self, number: int, binary: GoBinary) -> str:
        if binary.layout.has_stop_reason:
            return "on_stop"
        if binary.gc_stop_callers is not None:
            callers = np.array(binary.gc_stop_callers, records.CODE_RANGE).tobytes()
            syscalls.update(self._probes["gc_stop_callers"], struct.pack("<I", number), callers)
        return "on_stop_untold"

    def detach(self, number: int) -> None:
        """Takes the probes out, the creation probe last of the pair; when this returns, no process can hit them."""
        self.end_parks(number)
        if attached := self._attached.pop(number, None):
            for descriptors in reversed(attached.open.values()):
                _close(descriptors)
            attached.wait()
            if attached.window:
                attached.window.wait()
        syscalls.delete(self._probes["gc_stop_callers"], struct.pack("<I", number))

    def events(self) -> list[Event]:
        """What happened since the last call."""
        self._events.consume()
        pending, self._pending = self._pending, []
        return pending

    def counters(self) -> Counters:
        """All totals. Reading 1,000 sites takes well under a millisecond: a batch a system call."""
        sites, worlds = self._read_sites(), self._read_worlds()
        return Counters(sites, worlds, self._hits(worlds), self._read_losses())

    def _read(self, name: str, key: np.dtype, value: np.dtype, slots: int) -> tuple[npt.NDArray, npt.NDArray]:  # type: ignore[type-arg]
        keys, values = syscalls.read_all(self._probes[name], key.itemsize, value.itemsize * slots)
        return keys.reshape(-1).view(key), values.reshape(-1).view(value).reshape(-1, slots)

    def _read_sites(self) -> dict[Image, Sequence[SiteTotal]]:
        self._table.update(*self._read("sites", records.SITE_KEY, records.SITE_COUNT, self._cpus))
        return self._table.totals()

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
        return totals_of(image, keys, values)

    def losses(self) -> dict[str, int]:
        """What the kernel could not count, by name."""
        return self._read_losses()

    def hits(self) -> dict[Image, Hits]:
        """How often probes were hit, but for the park probe."""
        self._table.update(*self._read("sites", records.SITE_KEY, records.SITE_COUNT, self._cpus))
        return self._hits(self._read_worlds())

    def hit_slots(self) -> npt.NDArray[np.uint64]:
        """How often any probe was hit, by pid modulo the length; one system call."""
        value = syscalls.lookup(self._probes["hits"], bytes(4), records.HITS.itemsize * self._cpus)
        slots = np.frombuffer(value or bytes(records.HITS.itemsize), np.uint64).reshape(-1, records.HIT_SLOTS)
        total: npt.NDArray[np.uint64] = slots.sum(axis=0)
        return total

    def report_next_hit(self) -> None:
        """Has the next hit of any probe reported as an event that makes `event_fd` readable."""
        syscalls.update(self._probes["report_next_hit"], bytes(4), struct.pack("<I", 1))

    def report_end(self, tgid: int, *, wanted: bool) -> None:
        """Has the end of a process make `event_fd` readable, or no longer; when the map is full, it is seen later."""
        key = struct.pack("<I", tgid)
        with contextlib.suppress(ProbeError):
            if wanted:
                syscalls.update(self._probes["watched"], key, bytes(4))
            else:
                syscalls.delete(self._probes["watched"], key)

    def _hits(self, worlds: Mapping[Image, WorldTotal]) -> dict[Image, Hits]:
        """Those of the sites as they were read last."""
        sums = self._table.sums
        hits: dict[Image, Hits] = {}
        for image in {*sums, *worlds}:
            world = worlds.get(image, WorldTotal(0, 0, 0))
            hits[image] = Hits(*sums.get(image, (0, 0)), pauses=world.pauses, cycles=world.cycles)
        return hits

    def _read_worlds(self) -> dict[Image, WorldTotal]:
        keys, values = self._read("worlds", records.IMAGE, records.WORLD, 1)
        rows = values[:, 0]
        totals = zip(*(rows[name].tolist() for name in ("cycles", "pauses", "gc_pause_ns")), strict=True)
        return {image: WorldTotal(*total) for image, total in zip(images_of(keys), totals, strict=True)}

    def _read_parks(self) -> dict[Image, dict[int, int]]:
        """Of the window that is open: it has the map for itself."""
        keys, values = self._read("parks", records.PARK_KEY, np.dtype("<u8"), self._cpus)
        parks: dict[Image, dict[int, int]] = defaultdict(dict)
        columns = (keys["reason"].tolist(), values.sum(axis=1).tolist())
        for image, reason, count in zip(images_of(keys["image"]), *columns, strict=True):
            parks[image][reason] = count
        return parks

    def _forget_parks(self) -> None:
        keys, _ = self._read("parks", records.PARK_KEY, np.dtype("<u8"), self._cpus)
        for key in keys:
            syscalls.delete(self._probes["parks"], key.tobytes())

    def _read_losses(self) -> dict[str, int]:
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

    def forget(self, image: Image, pcs: Sequence[int]) -> None:
        """Frees the elements of an image in every map."""
        self._site_reading = NO_READING
        for pc in pcs:
            syscalls.delete(self._probes["sites"], _site_key(image, pc))
            syscalls.delete(self._probes["origins"], _site_key(image, pc))
        syscalls.delete(self._probes["worlds"], _image_key(image))

    def epoch(self, tgid: int) -> int:
        """Number of the exec that a process runs; 0 when that was before the agent."""
        value = syscalls.lookup(self._probes["images"], struct.pack("<I", tgid), 4)
        return int.from_bytes(value, "little") if value else 0

    def begin_anew(self, tgid: int) -> int:
        """Counts a process from now on as another image, as if it had run exec; returns its number.

        Raises:
            ProbeError: The kernel's table of images is full.
        """
        self._last_anew -= 1
        syscalls.update(self._probes["images"], struct.pack("<I", tgid), struct.pack("<I", self._last_anew))
        return self._last_anew

    def forget_exec(self, tgid: int, epoch: int) -> None:
        """Frees the number of an exec, unless the pid has gone on to another."""
        if self.epoch(tgid) == epoch:
            syscalls.delete(self._probes["images"], struct.pack("<I", tgid))

    def close(self) -> None:
        """Detaches everything."""
        for number in list(self._attached):
            self.detach(number)
        self._closer.shutdown()
        _close(self._tracepoints)
        self._events.close()
        self._probes.close()


def _image_key(image: Image) -> bytes:
    return struct.pack("<IIII", *image, 0)


def _site_key(image: Image, pc: int) -> bytes:
    return _image_key(image) + struct.pack("<Q", pc)


def _close(descriptors: Sequence[int]) -> None:
    for descriptor in reversed(descriptors):
        with contextlib.suppress(OSError):
            os.close(descriptor)
